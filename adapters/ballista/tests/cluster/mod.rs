//! The processes of a test, and what it asks them.

use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray},
        compute::cast,
        datatypes::{DataType, Float64Type},
    },
    dataframe::DataFrameWriteOptions,
    error::DataFusionError,
    prelude::{ParquetReadOptions, SessionContext},
};
use std::{
    collections::BTreeMap,
    fs::File,
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};
use tempfile::{TempDir, TempPath};

const PROGRAM: &str = env!("CARGO_BIN_EXE_eco-query");
/// Silence after which an executor is missed; signs of life come every second.
const TIMEOUT: &str = "6";

pub(crate) fn real() -> bool {
    let real = std::env::var_os("ECO_REAL").is_some_and(|it| it == "1");
    if !real {
        println!("skipped: a cluster is started only with ECO_REAL=1");
    }
    real
}

/// A scheduler or an executor; killed when it goes out of scope.
pub(crate) struct Process {
    child: Child,
    directory: TempDir,
}

impl Process {
    fn start(arguments: &[&str], with_directory: bool) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let log = File::create(directory.path().join("log")).unwrap();
        let mut command = Command::new(PROGRAM);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let work = directory.path().join("work");
        if with_directory {
            std::fs::create_dir(&work).unwrap();
            command.arg("--work").arg(&work);
        }
        Self { child: command.spawn().unwrap(), directory }
    }

    /// Waits until the process listens; it must not end meanwhile.
    fn listens(&mut self, address: SocketAddr) {
        let begin = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(self.child.try_wait().unwrap().is_none(), "ended: {}", self.said());
            assert!(begin.elapsed() < Duration::from_mins(1), "does not listen: {}", self.said());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What it has written to standard error.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap()
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Bytes that it has written for other stages and for the client.
    pub(crate) fn written(&self) -> u64 {
        bytes_below(&self.directory.path().join("work"))
    }

    /// Waits until it has used so much more time of the processor.
    pub(crate) fn work_for(&self, time: Duration) {
        let (from, begin) = (self.processor_time(), Instant::now());
        while self.processor_time() < from + time {
            assert!(begin.elapsed() < Duration::from_mins(1), "the executor has nothing to do");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// User time, in the hundredths of a second that Linux counts in.
    fn processor_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let after_name = stat.rsplit(')').next().unwrap();
        Duration::from_millis(10 * after_name.split_whitespace().nth(11).unwrap().parse::<u64>().unwrap())
    }
}

fn bytes_below(directory: &Path) -> u64 {
    let bytes = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            bytes_below(&entry.path())
        } else {
            entry.metadata().unwrap().len()
        }
    };
    std::fs::read_dir(directory).unwrap().map(bytes).sum()
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A scheduler and its executors.
pub(crate) struct Cluster {
    pub(crate) address: SocketAddr,
    pub(crate) scheduler: Process,
    pub(crate) executors: Vec<Process>,
    /// Where any of them listens.
    pub(crate) ports: Vec<SocketAddr>,
}

fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

impl Cluster {
    pub(crate) fn start(executors: usize) -> Self {
        let address = free();
        let listen = address.to_string();
        let mut scheduler =
            Process::start(&["--role", "scheduler", "--listen", &listen, "--timeout", TIMEOUT], false);
        scheduler.listens(address);
        let mut ports = vec![address];
        let executor = |_| {
            let flight = free();
            let own = flight.to_string();
            let role = ["--role", "executor", "--scheduler", &listen, "--listen", &own, "--heartbeat", "1"];
            let mut executor = Process::start(&role, true);
            // It hands out rows only after it is known to the scheduler.
            executor.listens(flight);
            ports.push(flight);
            executor
        };
        let executors = (0..executors).map(executor).collect();
        Self { address, scheduler, executors, ports }
    }

    /// Whether none of the processes has ended.
    pub(crate) fn all_run(&mut self) -> bool {
        let mut processes = self.executors.iter_mut().chain([&mut self.scheduler]);
        processes.all(|process| process.child.try_wait().unwrap().is_none())
    }

    pub(crate) async fn connect(&self, file: &Path) -> SessionContext {
        let ctx = ecosystem_ballista::connect(self.address).await.unwrap();
        register(&ctx, file).await;
        ctx
    }
}

pub(crate) async fn local(file: &Path) -> SessionContext {
    let ctx = SessionContext::new();
    ecosystem_datafusion::register(&ctx);
    register(&ctx, file).await;
    ctx
}

async fn register(ctx: &SessionContext, file: &Path) {
    ctx.register_parquet("m", file.to_str().unwrap(), ParquetReadOptions::default()).await.unwrap();
}

/// Lists of numbers as bits, by name; `None` for NULL.
pub(crate) type Found = BTreeMap<String, Option<Vec<u64>>>;

pub(crate) async fn ask(ctx: &SessionContext, sql: &str) -> Result<Found, DataFusionError> {
    let mut found = Found::new();
    for batch in ctx.sql(sql).await?.collect().await? {
        let names = cast(batch.column(0), &DataType::Utf8)?;
        let lists = batch.column(1).as_list::<i32>();
        for row in 0..batch.num_rows() {
            let bits = |list: ArrayRef| {
                list.as_primitive::<Float64Type>().iter().map(|v| v.map_or(0, f64::to_bits)).collect()
            };
            let list = lists.is_valid(row).then(|| bits(lists.value(row)));
            found.insert(names.as_string::<i32>().value(row).to_owned(), list);
        }
    }
    Ok(found)
}

/// The numbers of the only row of an answer.
pub(crate) async fn sums(ctx: &SessionContext, sql: &str) -> Vec<f64> {
    let batches = ctx.sql(sql).await.unwrap().collect().await.unwrap();
    let row = batches.iter().find(|batch| batch.num_rows() == 1).unwrap();
    let number =
        |column: &ArrayRef| cast(column, &DataType::Float64).unwrap().as_primitive::<Float64Type>().value(0);
    row.columns().iter().map(number).collect()
}

/// Takes an executor without optimisation some seconds.
pub(crate) const fn expensive() -> &'static str {
    "SELECT series, eco_forecast(eco_series(t, v), 24, [24], 'thorough') FROM m GROUP BY series"
}

/// A file of series with a day of 24 steps, all of one moment after another.
pub(crate) fn table(series: usize, points: usize) -> TempPath {
    let place = move |row: usize| (row % series, row / series);
    let rows = 0..series * points;
    let value = |(s, t): (usize, usize)| {
        let day = (t as f64 / 24.0 * std::f64::consts::TAU).sin();
        50.0 + s as f64 + 20.0 * day + ((t * 7919 + s * 104_729) % 1013) as f64 / 101.3
    };
    let names: StringArray = rows.clone().map(|row| Some(format!("vm-{:03}", place(row).0))).collect();
    let times: Int64Array = rows.clone().map(|row| i64::try_from(place(row).1).ok()).collect();
    let values: Float64Array = rows.map(|row| Some(value(place(row)))).collect();
    let batch = RecordBatch::try_from_iter([
        ("series", Arc::new(names) as ArrayRef),
        ("t", Arc::new(times)),
        ("v", Arc::new(values)),
    ])
    .unwrap();
    let path = tempfile::Builder::new().suffix(".parquet").tempfile().unwrap().into_temp_path();
    let target = path.to_str().unwrap().to_owned();
    // On a thread of its own: the caller may be within a runtime.
    std::thread::spawn(move || {
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let frame = SessionContext::new().read_batch(batch).unwrap();
            frame
                .write_parquet(&target, DataFrameWriteOptions::new().with_single_file_output(true), None)
                .await
                .unwrap();
        });
    })
    .join()
    .unwrap();
    path
}

/// What the program prints, or its complaint.
pub(crate) fn run(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(PROGRAM).args(arguments).stdin(Stdio::null()).output().unwrap();
    if output.status.success() {
        return Ok(String::from_utf8(output.stdout).unwrap());
    }
    assert_eq!(output.status.code(), Some(2));
    Err(String::from_utf8(output.stderr).unwrap())
}
