//! How fast, and in how much memory, a week of many series is read: `prometheus_eval [SERIES]` (200); the last line is JSON.
//!
//! Fills a VictoriaMetrics and a Prometheus of its own on the loopback with seven days of one sample a minute and reads them
//! back through the adapter; every value is compared. Needs the Debian packages victoria-metrics and prometheus.

use ecosystem_core::{MetricKind, MetricQuery, MetricsSource, RangeQuery, Subject, Timestamp};
use ecosystem_prometheus::{Naming, Prometheus, Settings};
use std::error::Error;
use std::fs;
use std::io::{BufWriter, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant, SystemTime};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const MINUTES: u64 = 7 * 24 * 60;
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that dies with this value.
struct Server {
    child: Child,
    address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let series = match words.as_slice() {
        [] => Some(200),
        [one] => one.parse::<u64>().ok().filter(|it| (1..=100_000).contains(it)),
        _ => None,
    };
    let Some(series) = series else {
        eprintln!("prometheus_eval: expected a number of series from 1 to 100000, found {words:?}");
        return ExitCode::from(2);
    };
    let dir = std::env::temp_dir().join(format!("prometheus-eval-{}", std::process::id()));
    let ended = evaluate(&dir, series);
    drop(fs::remove_dir_all(&dir));
    match ended {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(e) => {
            eprintln!("prometheus_eval: {e}");
            ExitCode::FAILURE
        }
    }
}

fn evaluate(dir: &Path, series: u64) -> Result<String> {
    fs::create_dir_all(dir)?;
    let now_s = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    let start_s = (now_s - 8 * 86_400) / 60 * 60;
    let mut parts = vec![format!("\"series\":{series},\"minutes\":{MINUTES}")];
    for (name, server) in
        [("victoria", victoria(dir, series, start_s)?), ("prometheus", prometheus(dir, series, start_s)?)]
    {
        let (seconds, mib) = read(&server, series, start_s)?;
        parts.push(format!("\"{name}_s\":{seconds:.2},\"{name}_peak_mib\":{mib:.1}"));
    }
    Ok(format!("{{{}}}", parts.join(",")))
}

fn value(series: u64, minute: u64) -> u64 {
    1_000_000 + series * 1_000 + minute % 1_440
}

fn component(series: u64) -> String {
    format!("c{series}")
}

/// Seconds for all series, and the most memory this process had meanwhile.
fn read(server: &Server, series: u64, start_s: u64) -> Result<(f64, f64)> {
    let naming = Naming::default().gauge(MetricKind::MemoryBytes, "vm_memory_bytes", 1.0);
    let mut settings = Settings::new(format!("http://{}", server.address));
    settings.scrape_interval = Duration::from_secs(60);
    let mut source = Prometheus::new(settings, naming);
    let at = |s: u64| Timestamp::from_unix_ms(s * 1_000);
    let range = |number: u64| -> Result<RangeQuery> {
        let subject = Subject::Component(component(number).parse()?);
        let query = MetricQuery { subject, metric: MetricKind::MemoryBytes };
        let (start, end) = (at(start_s), at(start_s + MINUTES * 60));
        Ok(RangeQuery { query, start, end, step: Duration::from_secs(60) })
    };
    let week = (0..series).map(range).collect::<Result<Vec<RangeQuery>>>()?;
    // What was just written becomes visible within a second or two.
    let begin = Instant::now();
    while source.range(&week[week.len() - 1..])?[0].is_err() {
        if begin.elapsed() > PATIENCE {
            return Err("what was stored cannot be read".into());
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    // The high-water mark begins anew here (proc(5), clear_refs).
    fs::write("/proc/self/clear_refs", "5")?;
    let begin = Instant::now();
    let all = source.range(&week)?;
    let seconds = begin.elapsed().as_secs_f64();
    let peak = high_water_mib()?;
    for (number, found) in (0..).zip(all) {
        let values = found?.values;
        let right = (0..).zip(&values).all(|(minute, it)| (*it - value(number, minute) as f64).abs() < 0.5);
        if values.len() as u64 != MINUTES || !right {
            return Err(format!("series {number} differs from what was stored").into());
        }
    }
    Ok((seconds, peak))
}

fn high_water_mib() -> Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line =
        status.lines().find_map(|it| it.strip_prefix("VmHWM:")).ok_or("no VmHWM in /proc/self/status")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
}

fn free_address() -> Result<String> {
    Ok(format!("127.0.0.1:{}", TcpListener::bind("127.0.0.1:0")?.local_addr()?.port()))
}

fn start(mut command: Command, address: String, ready: &str) -> Result<Server> {
    let name = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command
        .spawn()
        .map_err(|e| format!("{name} (Debian package of that name) cannot be started: {e}"))?;
    let server = Server { child, address };
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        if ask(
            &server.address,
            &format!("GET {ready} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
            None,
        )
        .is_ok_and(|it| it.starts_with("HTTP/1.1 200"))
        {
            return Ok(server);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Err(format!("{name} does not answer").into())
}

fn ask(address: &str, head: &str, body: Option<&Path>) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(head.as_bytes())?;
    if let Some(body) = body {
        std::io::copy(&mut fs::File::open(body)?, &mut stream)?;
    }
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

/// One line per sample, in the form that `write_line` gives them.
fn history(
    path: &Path,
    series: u64,
    mut line: impl FnMut(&mut dyn Write, u64, u64) -> std::io::Result<()>,
) -> Result<()> {
    let mut file = BufWriter::new(fs::File::create(path)?);
    for number in 0..series {
        for minute in 0..MINUTES {
            line(&mut file, number, minute)?;
        }
    }
    Ok(file.flush()?)
}

fn victoria(dir: &Path, series: u64, start_s: u64) -> Result<Server> {
    let address = free_address()?;
    let mut command = Command::new("victoria-metrics");
    command.arg(format!("-httpListenAddr={address}"));
    command.arg(format!("-storageDataPath={}", dir.join("victoria").display()));
    command.args(["-retentionPeriod=12", "-search.latencyOffset=0s"]);
    let server = start(command, address, "/health")?;
    let path: PathBuf = dir.join("history.prom");
    history(&path, series, |file, number, minute| {
        let (value, at) = (value(number, minute), (start_s + minute * 60) * 1_000);
        writeln!(file, "vm_memory_bytes{{component=\"{}\"}} {value} {at}", component(number))
    })?;
    let length = fs::metadata(&path)?.len();
    let head = format!(
        "POST /api/v1/import/prometheus HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    );
    let answer = ask(&server.address, &head, Some(&path))?;
    if answer.starts_with("HTTP/1.1 204") { Ok(server) } else { Err(format!("import: {answer}").into()) }
}

fn prometheus(dir: &Path, series: u64, start_s: u64) -> Result<Server> {
    let path = dir.join("history.om");
    history(&path, series, |file, number, minute| {
        if (number, minute) == (0, 0) {
            writeln!(file, "# TYPE vm_memory_bytes gauge")?;
        }
        let (value, at) = (value(number, minute), start_s + minute * 60);
        writeln!(file, "vm_memory_bytes{{component=\"{}\"}} {value} {at}", component(number))?;
        if number + 1 == series && minute + 1 == MINUTES { writeln!(file, "# EOF") } else { Ok(()) }
    })?;
    let data = dir.join("prometheus");
    let made = Command::new("promtool")
        .args(["tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=768h"])
        .args([&path, &data])
        .output()?;
    if !made.status.success() {
        return Err(format!("promtool: {}", String::from_utf8_lossy(&made.stderr).trim()).into());
    }
    let config = dir.join("prometheus.yml");
    fs::write(&config, "global: {scrape_interval: 1m}\n")?;
    let address = free_address()?;
    let mut command = Command::new("prometheus");
    command.arg(format!("--config.file={}", config.display()));
    command.arg(format!("--storage.tsdb.path={}", data.display()));
    command.args(["--storage.tsdb.retention.time=90d", &format!("--web.listen-address={address}")]);
    start(command, address, "/-/ready")
}
