//! The server: connections, their limits, and how it stops.

use crate::counters::Counters;
use crate::routes;
use crate::shelf::Shelf;
use crate::workers::Workers;
use ecosystem_forecast::serve::{Ask, ModelLoader};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, watch};

/// Limits of a server.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Where to listen: 127.0.0.1, port 0 (the system chooses). There are no users: whoever reaches it may load models.
    pub address: SocketAddr,
    /// Threads that answer. 0: as many as there are processors.
    pub threads: usize,
    /// Connections at a time; more wait to be accepted. 256.
    pub connections_max: usize,
    /// Bytes of a question. 1 MiB: some 10,000 rows of a dozen values.
    pub body_max: usize,
    /// Bytes of a model. 64 MiB.
    pub model_bytes_max: usize,
    /// Models that are loaded at a time. 256.
    pub models_max: usize,
    /// Bytes of all that are loaded, as they were sent. 512 MiB.
    pub models_bytes_max: usize,
    /// Models that may be on their way in at a time; each may take [`model_bytes_max`](Self::model_bytes_max). 2.
    pub loads_max: usize,
    /// Rows of a question. 10,000.
    pub rows_max: usize,
    /// Steps of a forecast. 2,000: simulated intervals of so many take a tenth of a second.
    pub horizon_max: usize,
    /// Intervals of a forecast. 16.
    pub levels_max: usize,
    /// Questions that may wait; more are refused. 256.
    pub waiting_max: usize,
    /// Rows (wide ones count by their values) and steps that may wait, by [`Ask::size`]; at least what one question may ask.
    /// 262,144.
    pub waiting_size_max: usize,
    /// Questions that are answered together: a quick one may have to wait for the slowest of so many. 64.
    pub batch_max: usize,
    /// For the head of a request, and again for the body of a question; also how long an idle connection is kept. 5 s.
    pub read_timeout: Duration,
    /// For the body of a model. 60 s: 64 MiB at 9 Mbit/s.
    pub load_timeout: Duration,
    /// From when a question has arrived until it is answered. 5 s.
    pub answer_timeout: Duration,
    /// How long a connection is used. 5 min.
    pub connection_timeout: Duration,
    /// How long a stop waits for answers that are on their way; one that is longer ends by itself, for nobody. 10 s.
    pub grace: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            threads: 0,
            connections_max: 256,
            body_max: 1 << 20,
            model_bytes_max: 64 << 20,
            models_max: 256,
            models_bytes_max: 512 << 20,
            loads_max: 2,
            rows_max: 10_000,
            horizon_max: 2_000,
            levels_max: 16,
            waiting_max: 256,
            waiting_size_max: 1 << 18,
            batch_max: 64,
            read_timeout: Duration::from_secs(5),
            load_timeout: Duration::from_secs(60),
            answer_timeout: Duration::from_secs(5),
            connection_timeout: Duration::from_secs(300),
            grace: Duration::from_secs(10),
        }
    }
}

/// More than a machine has file handles for.
const MOST_PLACES: usize = 1 << 20;
/// A time to which a clock can still be moved on.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

impl Settings {
    /// Refuses what would make a server that answers nothing, or breaks.
    fn check(&self) -> Result<(), StartError> {
        let demand = |holds: bool, name: &'static str, expected: &'static str| {
            if holds { Ok(()) } else { Err(StartError::Setting { name, expected }) }
        };
        demand(self.threads <= 1 << 10, "threads", "0 to 1,024")?;
        for (places, name) in [(self.connections_max, "connections_max"), (self.loads_max, "loads_max")] {
            demand((1..=MOST_PLACES).contains(&places), name, "1 to 1,048,576")?;
        }
        for (count, name) in [(self.waiting_max, "waiting_max"), (self.batch_max, "batch_max")] {
            demand(count > 0, name, "at least 1")?;
        }
        // A value takes two bytes at least.
        let values = (self.body_max / 2).div_ceil(Ask::VALUES_OF_ROW);
        let forecast = self.horizon_max.saturating_mul(self.levels_max.saturating_add(1));
        let one = self.rows_max.max(values).max(forecast);
        let expected = "at least rows_max, body_max / 128 and horizon_max times (1 + levels_max): what one question may ask";
        demand(self.waiting_size_max >= one, "waiting_size_max", expected)?;
        for (time, name) in [
            (self.read_timeout, "read_timeout"),
            (self.load_timeout, "load_timeout"),
            (self.answer_timeout, "answer_timeout"),
            (self.connection_timeout, "connection_timeout"),
        ] {
            demand(!time.is_zero() && time <= LONGEST, name, "more than 0 and at most 366 days")?;
        }
        demand(self.grace <= LONGEST, "grace", "at most 366 days")
    }
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A setting with which it would answer nothing, or break.
    #[error("setting `{name}`: expected {expected}")]
    Setting {
        /// Name of the setting.
        name: &'static str,
        /// What would have been accepted.
        expected: &'static str,
    },
    /// The address is taken or not ours.
    #[error("cannot listen on {address}: choose another address or port")]
    Listen {
        /// Address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// No thread or no timer.
    #[error("the system gives no threads: {reason}")]
    Threads {
        /// What it said.
        reason: String,
    },
}

/// What every request needs.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) loader: Arc<dyn ModelLoader>,
    pub(crate) shelf: RwLock<Shelf>,
    pub(crate) workers: Arc<Workers>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) connections: Arc<Semaphore>,
    pub(crate) loads: Arc<Semaphore>,
}

/// A running server. It [stops](Self::stop) with the value.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    runtime: Option<Runtime>,
    workers: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens, and serves from threads of its own. It may be called anywhere, also in a runtime of tokio's.
    pub fn start(settings: Settings, loader: Arc<dyn ModelLoader>) -> Result<Self, StartError> {
        settings.check()?;
        aside(|| Self::begin(settings, loader)).unwrap_or_else(|reason| Err(StartError::Threads { reason }))
    }

    fn begin(settings: Settings, loader: Arc<dyn ModelLoader>) -> Result<Self, StartError> {
        let no_threads = |reason: String| StartError::Threads { reason };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(settings.threads).build();
        let pool = pool.map_err(|e| no_threads(e.to_string()))?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(|e| no_threads(e.to_string()))?;
        let listen = |source| StartError::Listen { address: settings.address, source };
        let listener = runtime.block_on(TcpListener::bind(settings.address)).map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let workers = Workers::new(settings.waiting_max, settings.waiting_size_max, settings.batch_max);
        let shared = Arc::new(Shared {
            loader,
            shelf: RwLock::default(),
            workers: Arc::new(workers),
            counters: Arc::default(),
            connections: Arc::new(Semaphore::new(settings.connections_max)),
            loads: Arc::new(Semaphore::new(settings.loads_max)),
            settings,
        });
        let (workers, counters) = (Arc::clone(&shared.workers), Arc::clone(&shared.counters));
        let thread = std::thread::Builder::new().name("serving-workers".into());
        let thread = thread.spawn(move || workers.run(&pool, &counters));
        let thread = thread.map_err(|e| no_threads(e.to_string()))?;
        let (stop, stopped) = watch::channel(false);
        runtime.spawn(accept(Arc::clone(&shared), listener, stopped));
        Ok(Self { address, shared, stop, runtime: Some(runtime), workers: Some(thread) })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts nothing more, answers what it has taken, and ends. Idle connections are closed at once, those with a request
    /// whose head was read after its answer.
    ///
    /// It blocks until then, at most for [`grace`](Settings::grace) and a second. What is being computed after that goes on by
    /// itself and for nobody: a model that answers cannot be interrupted. To drop the server is the same.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let mut runtime = self.runtime.take();
        if runtime.is_none() {
            return;
        }
        self.stop.send_replace(true);
        let (shared, workers) = (&self.shared, self.workers.take());
        let ended =
            aside(|| runtime.take().into_iter().for_each(|it| wind_down(it, shared, workers.as_ref())));
        if ended.is_err() {
            // No thread to wait on: at once, then.
            self.shared.workers.close();
            runtime.into_iter().for_each(Runtime::shutdown_background);
        }
    }
}

/// Does what blocks on a thread of its own: tokio panics when it is done on a thread of a runtime, and the caller's may be one.
fn aside<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, String> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, work).map_err(|e| e.to_string())?;
        thread.join().map_err(|_| "one of them broke".to_owned())
    })
}

/// Waits for what is under way, within the grace, and ends the rest.
fn wind_down(runtime: Runtime, shared: &Shared, workers: Option<&JoinHandle<()>>) {
    let (begin, grace) = (Instant::now(), shared.settings.grace);
    let all = u32::try_from(shared.settings.connections_max).unwrap_or(u32::MAX);
    // All permits are back when all conversations are over.
    runtime.block_on(async { drop(tokio::time::timeout(grace, shared.connections.acquire_many(all)).await) });
    shared.workers.close();
    // A batch that was begun cannot be interrupted: its thread ends after it, whether somebody waits or not.
    while begin.elapsed() < grace && workers.is_some_and(|it| !it.is_finished()) {
        std::thread::sleep(Duration::from_millis(2));
    }
    // Conversations that are left end here, and take back what they asked and nobody has begun.
    runtime.shutdown_timeout(Duration::from_secs(1));
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

async fn accept(shared: Arc<Shared>, listener: TcpListener, mut stopped: watch::Receiver<bool>) {
    loop {
        let next = async {
            // First a place, then a conversation: whoever finds none waits in the system's queue.
            let place = Arc::clone(&shared.connections).acquire_owned().await.ok()?;
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => return Some((place, stream)),
                    // Out of file handles, or a client that is gone again: others come.
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        };
        let (place, stream) = tokio::select! {
            biased;
            _ = stopped.changed() => return,
            next = next => match next { Some(it) => it, None => return },
        };
        let (shared, stopped) = (Arc::clone(&shared), stopped.clone());
        tokio::spawn(async move {
            converse(shared, stream, stopped).await;
            drop(place);
        });
    }
}

async fn converse(shared: Arc<Shared>, stream: TcpStream, mut stopped: watch::Receiver<bool>) {
    // Only slower without it.
    drop(stream.set_nodelay(true));
    let settings = &shared.settings;
    let (lifetime, grace) = (settings.connection_timeout, settings.grace);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(settings.read_timeout).max_buf_size(64 << 10);
    let service = service_fn(|request| routes::answer(Arc::clone(&shared), request));
    let mut conversation = pin!(http.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        // A client that breaks off or talks nonsense has been told what can be told.
        _ = conversation.as_mut() => return,
        _ = stopped.changed() => {}
        () = tokio::time::sleep(lifetime) => {}
    }
    conversation.as_mut().graceful_shutdown();
    drop(tokio::time::timeout(grace, conversation).await);
}
