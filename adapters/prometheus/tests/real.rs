//! Against real servers of Prometheus and VictoriaMetrics with `ECO_REAL=1`, and against broken ones always.
#![allow(clippy::unwrap_used, clippy::float_cmp, reason = "tests; values come back as they were written")]

use ecosystem_core::prometheus::{FamilyKind, MetricFamily, MetricSample, parse};
use ecosystem_core::{MetricKind, MetricQuery, MetricsSource, QueryError, RangeQuery, Subject, Timestamp};
use ecosystem_prometheus::{Exporter, LastKnown, Naming, Prometheus, PrometheusError, Settings};
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const SERIES: u64 = 200;
const MINUTES: u64 = 7 * 24 * 60;

fn unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn real() -> bool {
    if std::env::var_os("ECO_REAL").is_some_and(|it| it == "1") {
        return true;
    }
    println!(
        "skipped: real servers are started only with ECO_REAL=1 (Debian packages prometheus, victoria-metrics)"
    );
    false
}

fn naming() -> Naming {
    Naming::default().counter(MetricKind::CpuMillicores, "vm_cpu_seconds_total", 1_000.0).gauge(
        MetricKind::MemoryBytes,
        "vm_memory_bytes",
        1.0,
    )
}

fn query(component: &str, metric: MetricKind) -> MetricQuery {
    MetricQuery { subject: Subject::Component(component.parse().unwrap()), metric }
}

fn range(component: &str, metric: MetricKind, start_s: u64, minutes: u64) -> RangeQuery {
    let at = |s: u64| Timestamp::from_unix_ms(s * 1_000);
    let (start, end) = (at(start_s), at(start_s + minutes * 60));
    RangeQuery { query: query(component, metric), start, end, step: Duration::from_secs(60) }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A server in a directory of its own, which dies with the test.
struct Server {
    child: Child,
    dir: PathBuf,
    url: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        drop(std::fs::remove_dir_all(&self.dir));
    }
}

fn folder(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("eco-{name}-{}", std::process::id()));
    drop(std::fs::remove_dir_all(&dir));
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

fn serve(dir: PathBuf, mut command: Command, url: String, ready: &str) -> Server {
    let log = std::fs::File::create(dir.join("log")).unwrap();
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
    let server = Server { child, dir, url };
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(60) {
        if fetch(&server.url, ready)
            .is_some_and(|text| text.lines().next().is_some_and(|it| it.contains(" 200 ")))
        {
            return server;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("no answer: {}", std::fs::read_to_string(server.dir.join("log")).unwrap());
}

fn fetch(url: &str, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: x\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(text)
}

/// Families that a program exposes of itself.
fn own_metrics(server: &Server) -> usize {
    let text = fetch(&server.url, "/metrics").unwrap();
    parse(text.split_once("\r\n\r\n").unwrap().1).unwrap().len()
}

fn prometheus(dir: PathBuf, scrape: Option<String>) -> Server {
    let target = scrape.map_or_else(String::new, |it| {
        format!("scrape_configs: [{{job_name: eco, static_configs: [{{targets: ['{it}']}}]}}]\n")
    });
    let config = format!("global: {{scrape_interval: 1s}}\n{target}");
    std::fs::write(dir.join("prometheus.yml"), config).unwrap();
    let address = format!("127.0.0.1:{}", free_port());
    let mut command = Command::new("prometheus");
    command.arg(format!("--config.file={}", dir.join("prometheus.yml").display()));
    command.arg(format!("--storage.tsdb.path={}", dir.join("data").display()));
    command.args(["--storage.tsdb.retention.time=90d", &format!("--web.listen-address={address}")]);
    serve(dir, command, format!("http://{address}"), "/-/ready")
}

/// Value of a gauge and of a counter that begins anew every day.
fn gauge(series: u64, minute: u64) -> u64 {
    1_000_000 + series * 1_000 + minute % 1_440
}

fn counter(series: u64, minute: u64) -> u64 {
    (minute % 1_440) * (series + 1)
}

/// A gap of ten minutes in series 3.
fn is_gap(series: u64, minute: u64) -> bool {
    series == 3 && (2_000..2_010).contains(&minute)
}

fn history(start_s: u64, counters: u64, line: impl Fn(&str, u64, u64, u64) -> String) -> String {
    let mut text = String::new();
    for (metric, number) in [("vm_memory_bytes", SERIES), ("vm_cpu_seconds_total", counters)] {
        let kind = if metric == "vm_memory_bytes" { "gauge" } else { "counter" };
        writeln!(text, "# TYPE {} {kind}", metric.trim_end_matches("_total")).unwrap();
        for series in 0..number {
            for minute in (0..MINUTES).filter(|&minute| !is_gap(series, minute)) {
                let value = if kind == "gauge" { gauge(series, minute) } else { counter(series, minute) };
                text.push_str(&line(metric, series, value, start_s + minute * 60));
            }
        }
    }
    text
}

fn check_history(source: &mut Prometheus, start_s: u64) {
    // Six of ten thousand points in one answer, so that a week has to be asked for in parts.
    let week: Vec<RangeQuery> =
        (0..SERIES).map(|n| range(&format!("c{n}"), MetricKind::MemoryBytes, start_s, MINUTES)).collect();
    let begin = Instant::now();
    let all = source.range(&week).unwrap();
    let took = begin.elapsed();
    println!("7 days of {SERIES} series at 1 min: {:.2} s", took.as_secs_f64());
    for (number, series) in (0..).zip(all) {
        let values = series.unwrap().values;
        assert_eq!(values.len() as u64, MINUTES);
        for (minute, value) in (0..).zip(values) {
            // The window is a minute and a half: the first minute of a gap is still covered by the one before.
            let gap = is_gap(number, minute);
            let right = if gap {
                value.is_nan() || is_gap(number, minute) && minute == 2_000
            } else {
                value == gauge(number, minute) as f64
            };
            assert!(right, "series {number}, minute {minute}: {value}");
        }
    }
    let rates = source
        .range(&[range("c1", MetricKind::CpuMillicores, start_s + 600, 3_000)])
        .unwrap()
        .remove(0)
        .unwrap();
    let known: Vec<f64> = rates.values.iter().copied().filter(|it| it.is_finite()).collect();
    assert!(known.iter().all(|&it| it >= 0.0), "a reset is no negative rate");
    let absent = source.range(&[range("nobody", MetricKind::MemoryBytes, start_s, 10)]).unwrap().remove(0);
    assert!(matches!(absent, Err(QueryError::Unknown { .. })), "{absent:?}");
}

#[test]
fn prometheus_gives_back_a_week_of_two_hundred_series_and_fails_with_a_name_when_stopped() {
    if !real() {
        return;
    }
    let dir = folder("prom");
    let start_s = (unix_s() - 8 * 86_400) / 60 * 60;
    let line = |metric: &str, series: u64, value: u64, at: u64| {
        format!("{metric}{{component=\"c{series}\"}} {value} {at}\n")
    };
    let mut text = history(start_s, 2, line);
    text.push_str("# EOF\n");
    std::fs::write(dir.join("history.om"), text).unwrap();
    let blocks = ["tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=768h"];
    let made = Command::new("promtool")
        .args(blocks)
        .arg(dir.join("history.om"))
        .arg(dir.join("data"))
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let exporter = Exporter::bind("127.0.0.1:0").unwrap();
    let mut family = MetricFamily::new("vm_memory_bytes", FamilyKind::Gauge, "memory");
    family.samples.push(MetricSample::new("vm_memory_bytes", 77.0).with("component", "live"));
    exporter.publish(&[family]);
    let server = prometheus(dir, Some(exporter.address().to_string()));
    let mut settings = Settings::new(&server.url);
    settings.points_max = 6_000;
    let mut source = Prometheus::new(settings, naming());
    check_history(&mut source, start_s);
    // What is scraped now comes with its own time.
    let live = query("live", MetricKind::MemoryBytes);
    let begin = Instant::now();
    let sample = loop {
        if let Ok(sample) = &source.latest(std::slice::from_ref(&live)).unwrap()[0] {
            break *sample;
        }
        assert!(begin.elapsed() < Duration::from_secs(30), "nothing was scraped");
        std::thread::sleep(Duration::from_millis(200));
    };
    assert_eq!(sample.value, 77.0);
    assert!(sample.at.as_unix_ms() / 1_000 + 10 > unix_s(), "its own time");
    // What other people's programs expose of themselves is read as well.
    assert!(own_metrics(&server) > 100);
    // The server stops: the last known value stays, with its age.
    let mut careful = LastKnown::new(source);
    careful.latest(std::slice::from_ref(&live)).unwrap();
    drop(server);
    let after = careful.latest(std::slice::from_ref(&live)).unwrap()[0].clone().unwrap();
    assert_eq!(after.value, 77.0);
    assert!(careful.trouble().unwrap().contains("cannot be reached"), "{:?}", careful.trouble());
    let error = careful.inner_mut().latest(&[live]).unwrap_err();
    assert!(matches!(error, PrometheusError::Unreachable { .. }), "{error}");
}

#[test]
fn victoria_metrics_gives_back_the_same() {
    if !real() {
        return;
    }
    let dir = folder("vm");
    let address = format!("127.0.0.1:{}", free_port());
    let mut command = Command::new("victoria-metrics");
    command
        .arg(format!("-httpListenAddr={address}"))
        .arg(format!("-storageDataPath={}", dir.join("data").display()));
    command.args(["-retentionPeriod=12", "-search.latencyOffset=0s"]);
    let server = serve(dir, command, format!("http://{address}"), "/health");
    let start_s = (unix_s() - 8 * 86_400) / 60 * 60;
    let line = |metric: &str, series: u64, value: u64, at: u64| {
        format!("{metric}{{component=\"c{series}\"}} {value} {}\n", at * 1_000)
    };
    let text = history(start_s, 2, line);
    let mut stream = TcpStream::connect(&address).unwrap();
    let head = "POST /api/v1/import/prometheus HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
    write!(stream, "{head}Content-Length: {}\r\n\r\n{text}", text.len()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    // Its index becomes visible within a second or two.
    let mut settings = Settings::new(&server.url);
    settings.points_max = 6_000;
    let mut source = Prometheus::new(settings, naming());
    let probe = range("c199", MetricKind::MemoryBytes, start_s, 10);
    let begin = Instant::now();
    while source.range(std::slice::from_ref(&probe)).unwrap()[0].is_err() {
        assert!(begin.elapsed() < Duration::from_secs(30), "nothing was imported");
        std::thread::sleep(Duration::from_millis(200));
    }
    check_history(&mut source, start_s);
    assert!(own_metrics(&server) > 100);
}

/// A server that says `answer` to everything, after a pause.
fn liar(answer: &'static str, pause: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut stream = stream;
                drop(stream.read(&mut [0; 4096]));
                std::thread::sleep(pause);
                drop(stream.write_all(answer.as_bytes()));
            });
        }
    });
    url
}

fn latest_from(answer: &'static str, pause: Duration) -> Result<Result<f64, QueryError>, PrometheusError> {
    let mut settings = Settings::new(liar(answer, pause));
    settings.latest_within = Duration::from_millis(600);
    settings.retry_pause = Duration::from_millis(5);
    let begin = Instant::now();
    let answer = Prometheus::new(settings, naming()).latest(&[query("web", MetricKind::MemoryBytes)]);
    assert!(begin.elapsed() < Duration::from_secs(2), "the deadline holds");
    answer.map(|mut all| all.remove(0).map(|sample| sample.value))
}

#[test]
fn series_of_one_component_are_added_up_and_too_many_of_them_by_the_server() {
    // Two series of three minutes; one has a gap. Values are a counter's rates, a thousand to one.
    let two = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[{\"metric\":{\"replica\":\"a\"},\"values\":[[60,\"0.25\"],[120,\"0.5\"],[180,\"1\"]]},{\"metric\":{\"replica\":\"b\"},\"values\":[[60,\"0.5\"],[180,\"2\"]]}]}}";
    let ask = |bytes_max| {
        let mut settings = Settings::new(liar(two, Duration::ZERO));
        settings.bytes_max = bytes_max;
        settings.retry_pause = Duration::from_millis(5);
        let mut source = Prometheus::new(settings, naming());
        let answer = source.range(&[range("web", MetricKind::CpuMillicores, 60, 3)]);
        answer.map(|mut all| all.remove(0).unwrap().values)
    };
    assert_eq!(ask(64 << 20).unwrap(), [750.0, 500.0, 3_000.0]);
    // Nothing that this server says fits; the sum was asked for as well and is too long as well.
    assert!(matches!(ask(20), Err(PrometheusError::TooLarge { max: 20, .. })));
}

#[test]
fn a_server_that_is_slow_broken_or_talks_nonsense_is_a_typed_error_in_time() {
    let now = Duration::ZERO;
    let slow = latest_from("HTTP/1.1 200 OK\r\n\r\n{}", Duration::from_secs(5));
    assert!(matches!(slow, Err(PrometheusError::Slow { .. })), "{slow:?}");
    let nonsense = latest_from("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", now);
    assert!(matches!(nonsense, Err(PrometheusError::Garbage { .. })), "{nonsense:?}");
    let no_http = latest_from("SSH-2.0-OpenSSH_9.2\r\n\r\n", now);
    assert!(
        matches!(no_http, Err(PrometheusError::Garbage { .. } | PrometheusError::Unreachable { .. })),
        "{no_http:?}"
    );
    let cut =
        latest_from("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{\"status\":\"success\",\"data\"", now);
    assert!(
        matches!(cut, Err(PrometheusError::Garbage { .. } | PrometheusError::Unreachable { .. })),
        "{cut:?}"
    );
    let trouble = latest_from("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy", now);
    assert!(matches!(trouble, Err(PrometheusError::Server { status: 503, .. })), "{trouble:?}");
    let partial = latest_from(
        "HTTP/1.1 200 OK\r\nContent-Length: 76\r\n\r\n{\"status\":\"success\",\"isPartial\":true,\"data\":{\"result\":[],\"resultType\":\"vector\"}}",
        now,
    );
    assert!(!matches!(partial, Ok(Ok(_))), "{partial:?}");
    let refused = latest_from(
        "HTTP/1.1 400 Bad Request\r\nContent-Length: 58\r\n\r\n{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"nope!!!\"}",
        now,
    );
    assert!(matches!(refused, Ok(Err(QueryError::Unavailable { .. }))), "{refused:?}");
    let good = latest_from(
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{\"metric\":{\"part\":\"value\"},\"value\":[5,\"42\"]},{\"metric\":{\"part\":\"time\"},\"value\":[5,\"4.5\"]}]}}",
        now,
    );
    assert_eq!(good, Ok(Ok(42.0)));
}
