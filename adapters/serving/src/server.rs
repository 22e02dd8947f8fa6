//! The server: connections, their limits, and how it stops.

use crate::counters::Counters;
use crate::routes;
use crate::shelf::Shelf;
use crate::workers::Workers;
use ecosystem_forecast::serve::ModelLoader;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;
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
    /// Rows and steps that may wait. 262,144.
    pub waiting_size_max: usize,
    /// Questions that are answered together: a quick one may have to wait for the slowest of so many. 64.
    pub batch_max: usize,
    /// For the head of a request, and again for its body; also how long an idle connection is kept. 5 s.
    pub read_timeout: Duration,
    /// From when a question has arrived until it is answered. 5 s.
    pub answer_timeout: Duration,
    /// How long a connection is used. 5 min.
    pub connection_timeout: Duration,
    /// How long a stop waits for answers that are on their way. 10 s.
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
            answer_timeout: Duration::from_secs(5),
            connection_timeout: Duration::from_secs(300),
            grace: Duration::from_secs(10),
        }
    }
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
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
    pub(crate) loads: Semaphore,
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
    /// Listens, and serves from threads of its own.
    pub fn start(settings: Settings, loader: Arc<dyn ModelLoader>) -> Result<Self, StartError> {
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
            loads: Semaphore::new(settings.loads_max),
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

    /// Accepts nothing more, answers what it has taken, and ends; waits for that as long as the settings say. Requests that
    /// come on open connections meanwhile are answered, and these closed.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let Some(runtime) = self.runtime.take() else { return };
        self.stop.send_replace(true);
        let all = u32::try_from(self.shared.settings.connections_max).unwrap_or(u32::MAX);
        let (connections, grace) = (Arc::clone(&self.shared.connections), self.shared.settings.grace);
        // All permits are back when all conversations are over.
        let over = async { drop(tokio::time::timeout(grace, connections.acquire_many(all)).await) };
        runtime.block_on(over);
        self.shared.workers.close();
        if let Some(workers) = self.workers.take() {
            // It has caught what may panic.
            drop(workers.join());
        }
        runtime.shutdown_timeout(Duration::from_secs(1));
    }
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
