//! The model server under load on the loopback: the bits of the library, no harm from any body, no request lost or mixed up.
#![allow(clippy::unwrap_used, reason = "tests")]

mod limits;

use ecosystem_forecast::registry::ContentHash;
use ecosystem_forecast::serve::{
    Inference, ModelFormat, Predictor, Servable, ServeError, StandardLoader, StoredForecaster,
};
use ecosystem_forecast::tree::{Boosting, Forest, IsolationForest, Table};
use ecosystem_forecast::{Ets, EtsSpec, Fitted, Forecaster, Theta, failure::FailureModel};
use ecosystem_serving::{ModelLoader, Server, Settings};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A client that keeps its connection.
struct Client {
    url: String,
    agent: ureq::Agent,
}

impl Client {
    fn of(server: &Server) -> Self {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        Self { url: format!("http://{}", server.address()), agent }
    }

    fn put(&self, path: &str, bytes: &[u8]) -> (u16, Value) {
        told(self.agent.put(format!("{}{path}", self.url)).send(bytes).unwrap())
    }

    fn post(&self, path: &str, body: &str) -> (u16, Value) {
        told(self.agent.post(format!("{}{path}", self.url)).send(body).unwrap())
    }

    fn get(&self, path: &str) -> (u16, Value) {
        told(self.agent.get(format!("{}{path}", self.url)).call().unwrap())
    }

    fn delete(&self, path: &str) -> (u16, Value) {
        told(self.agent.delete(format!("{}{path}", self.url)).call().unwrap())
    }

    fn counter(&self, line: &str) -> u64 {
        let mut answer = self.agent.get(format!("{}/metrics", self.url)).call().unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        let found = text.lines().find_map(|it| it.strip_prefix(line)?.strip_prefix(' ')?.parse().ok());
        found.unwrap_or(0)
    }
}

fn told(mut answer: ureq::http::Response<ureq::Body>) -> (u16, Value) {
    let text = answer.body_mut().with_config().limit(64 << 20).read_to_string().unwrap();
    (answer.status().as_u16(), serde_json::from_str(&text).unwrap())
}

fn start(settings: Settings) -> Server {
    Server::start(settings, Arc::new(StandardLoader::default())).unwrap()
}

const WIDTH: u32 = 5;

/// Rows with gaps, of numbers that have no short decimal form.
fn rows(count: u32, seed: u32) -> Vec<Vec<f64>> {
    let cell = |r: u32, f: u32| {
        let mixed = (r + seed).wrapping_mul(2_654_435_761).rotate_left(f * 7 + 3) % 100_003;
        if (r * 7 + f * 3).is_multiple_of(13) { f64::NAN } else { f64::from(mixed) / 99_991.0 }
    };
    (0..count).map(|r| (0..WIDTH).map(|f| cell(r, f)).collect()).collect()
}

/// NaN as `null`.
fn shown(row: &[f64]) -> Value {
    row.iter().map(|v| if v.is_nan() { Value::Null } else { json!(v) }).collect()
}

fn all_shown(rows: &[Vec<f64>]) -> Value {
    json!({"rows": rows.iter().map(|it| shown(it)).collect::<Vec<_>>()})
}

fn trees(seed: u32) -> Vec<u8> {
    let rows = rows(300, seed);
    let labels: Vec<f64> = rows.iter().map(|r| f64::from(u8::from(r[0] + r[1] > 1.0))).collect();
    let mut boosting = Boosting::classifier();
    boosting.rounds = 30;
    boosting.fit(&Table::from_rows(&rows).unwrap(), &labels).unwrap().to_bytes()
}

/// A model of every kind that answers rows.
fn models() -> Vec<(&'static str, ModelFormat, Vec<u8>)> {
    let rows = rows(300, 1);
    let near: Vec<bool> = rows.iter().map(|r| r[0] + r[1] > 1.0).collect();
    let labels: Vec<f64> = near.iter().map(|l| f64::from(u8::from(*l))).collect();
    let table = Table::from_rows(&rows).unwrap();
    let mut forest = Forest::random();
    forest.trees = 10;
    let (mut plain, mut extended) = (IsolationForest::default(), IsolationForest::default());
    (plain.trees, extended.trees, extended.extension) = (10, 10, 2);
    let mut stacked = FailureModel::default();
    (stacked.boosting.rounds, stacked.forest.trees, stacked.isolation.trees) = (5, 5, 5);
    let groups: Vec<usize> = (0..300).map(|r| r / 30).collect();
    vec![
        ("boosting", ModelFormat::Trees, trees(1)),
        ("forest", ModelFormat::Trees, forest.fit(&table, &labels).unwrap().to_bytes()),
        ("isolation", ModelFormat::IsolationForest, plain.fit(&table).unwrap().to_bytes()),
        ("extended", ModelFormat::IsolationForest, extended.fit(&table).unwrap().to_bytes()),
        ("failure", ModelFormat::FailureModel, stacked.fit(&table, &near, &groups).unwrap().to_bytes()),
    ]
}

fn library(format: ModelFormat, bytes: &[u8]) -> Inference {
    StandardLoader::default().load(format, bytes).unwrap().into_rows().unwrap()
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|v| v.to_bits()).collect()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

#[test]
fn answers_over_http_have_the_bits_of_the_library() {
    let server = start(Settings::default());
    let client = Client::of(&server);
    let asked = rows(200, 77);
    for (name, format, bytes) in models() {
        let content = ContentHash::of(&bytes).to_string();
        let path = format!("/v1/models/{name}/versions/3");
        let (status, loaded) = client.put(&format!("{path}?format={format}&sha256={content}"), &bytes);
        assert_eq!((status, loaded["content"].as_str()), (201, Some(&*content)), "{loaded}");
        let direct = library(format, &bytes);
        let (status, answer) = client.post(&format!("{path}/batch"), &all_shown(&asked).to_string());
        assert_eq!(status, 200, "{answer}");
        assert_eq!(
            bits(&numbers(&answer["answers"])),
            bits(&direct.predict_batch(&asked).unwrap()),
            "{name}"
        );
        for row in &asked[..10] {
            let latest = format!("/v1/models/{name}/versions/latest/predict");
            let (_, answer) = client.post(&latest, &json!({"row": shown(row)}).to_string());
            let expected = direct.predict(row).unwrap();
            assert_eq!(answer["answer"].as_f64().unwrap().to_bits(), expected.to_bits(), "{name}");
            assert_eq!((answer["version"].as_u64(), answer["content"].as_str()), (Some(3), Some(&*content)));
        }
    }
    let load: Vec<f64> =
        (0..24 * 8).map(|i| 30.0 + f64::from(i % 24) / 7.0 + f64::from(i * i % 17) / 3.0).collect();
    let forecasters: [StoredForecaster; 2] = [
        Theta::dynamic_optimised().fit(&load).unwrap().into(),
        Ets::new(EtsSpec::holt_winters(24)).fit(&load).unwrap().into(),
    ];
    for (version, fitted) in (1..).zip(forecasters) {
        let path = format!("/v1/models/demand/versions/{version}");
        assert_eq!(client.put(&format!("{path}?format=forecaster"), &fitted.to_bytes()).0, 201);
        let body = json!({"horizon": 48, "levels": [0.5, 0.95]}).to_string();
        let (status, answer) = client.post(&format!("{path}/forecast"), &body);
        assert_eq!(status, 200, "{answer}");
        let expected = fitted.predict(48, &[0.5, 0.95]).unwrap();
        assert_eq!(bits(&numbers(&answer["point"])), bits(&expected.point));
        for (at, band) in expected.intervals.iter().enumerate() {
            let found = &answer["intervals"][at];
            assert_eq!(bits(&numbers(&found["lower"])), bits(&band.lower));
            assert_eq!(bits(&numbers(&found["upper"])), bits(&band.upper));
        }
    }
    let (_, list) = client.get("/v1/models");
    assert_eq!(list["models"].as_array().unwrap().len(), 7);
    assert_eq!(client.delete("/v1/models/demand/versions/2").0, 200);
    let (_, latest) = client.get("/v1/models/demand/versions/latest");
    assert_eq!(latest["version"], 1);
    assert_eq!(client.get("/v1/health").1, json!({"status": "ok", "models": 6, "waiting": 0}));
    assert_eq!(client.counter("serving_models_loaded_total"), 7);
    assert_eq!(client.counter("serving_answers_total"), 57);
    assert_eq!(client.counter("serving_rows_total"), 5 * 210 + 2 * 48 * 3);
    server.stop();
}

#[test]
fn what_cannot_be_carried_out_is_refused_with_its_code() {
    let mut settings = Settings::default();
    (settings.body_max, settings.model_bytes_max, settings.rows_max, settings.horizon_max) =
        (4_000, 200_000, 20, 100);
    settings.models_max = 2;
    let server = start(settings);
    let client = Client::of(&server);
    let trees = trees(1);
    let fitted: StoredForecaster = Theta::standard().fit(&[1.0, 2.0, 4.0, 3.0, 5.0, 6.0]).unwrap().into();
    assert_eq!(client.put("/v1/models/t/versions/1?format=trees", &trees).0, 201);
    assert_eq!(client.put("/v1/models/f/versions/1?format=forecaster", &fitted.to_bytes()).0, 201);
    let code = |(status, body): (u16, Value)| {
        assert!(body["error"]["message"].as_str().is_some_and(|it| !it.is_empty()), "{body}");
        (status, body["error"]["code"].as_str().unwrap().to_owned())
    };
    let refused = |found: (u16, Value), status: u16, expected: &str| {
        assert_eq!(code(found), (status, expected.to_owned()));
    };
    let (t, f) = ("/v1/models/t/versions/1", "/v1/models/f/versions/1");
    for body in [
        "",
        "{",
        "[]",
        "[[1, 2, 3, 4, 5]]",
        "null",
        r#"{"row": [1, "2"]}"#,
        r#"{"row": [1e999]}"#,
        r#"{"rows": [[1]]}"#,
        "\u{0}",
    ] {
        refused(client.post(&format!("{t}/predict"), body), 400, "invalid_json");
    }
    refused(client.post(&format!("{t}/predict"), &"[".repeat(3_000)), 400, "invalid_json");
    refused(client.post(&format!("{t}/predict"), r#"{"row": [1, 2]}"#), 422, "invalid_question");
    refused(client.post(&format!("{t}/predict"), r#"{"row": [1, 2, 3, 4, 1e101]}"#), 422, "invalid_question");
    refused(client.post(&format!("{t}/predict"), &" ".repeat(4_001)), 413, "body_too_large");
    refused(client.post(&format!("{t}/batch"), &all_shown(&rows(21, 1)).to_string()), 413, "too_much_asked");
    refused(client.post(&format!("{t}/forecast"), r#"{"horizon": 3}"#), 422, "wrong_question");
    refused(client.post(&format!("{f}/predict"), r#"{"row": [1]}"#), 422, "wrong_question");
    refused(client.post(&format!("{f}/forecast"), r#"{"horizon": 101}"#), 413, "too_much_asked");
    refused(client.post(&format!("{f}/forecast"), r#"{"horizon": -1}"#), 400, "invalid_json");
    refused(
        client.post(&format!("{f}/forecast"), r#"{"horizon": 1, "levels": [1.5]}"#),
        422,
        "invalid_question",
    );
    refused(client.post("/v1/models/t/versions/2/predict", r#"{"row": [1]}"#), 404, "unknown_model");
    for (version, expected) in
        [("01", "invalid_version"), ("0", "invalid_version"), ("-1", "invalid_version")]
    {
        refused(client.get(&format!("/v1/models/t/versions/{version}")), 400, expected);
    }
    refused(client.get("/v1/models/T%2F..%2Fx/versions/1"), 400, "invalid_name");
    refused(client.get("/v2"), 404, "no_such_path");
    refused(client.post(t, ""), 405, "method_not_allowed");
    refused(client.put("/v1/models/t/versions/2", &trees), 400, "unknown_format");
    refused(client.put("/v1/models/t/versions/2?format=trees&kind=x", &trees), 400, "invalid_query");
    refused(client.put("/v1/models/t/versions/2?format=pickle", &trees), 400, "unknown_format");
    refused(client.put("/v1/models/t/versions/2?format=forecaster", &trees), 422, "invalid_model");
    refused(
        client.put("/v1/models/t/versions/2?format=trees", &trees[..trees.len() - 1]),
        422,
        "invalid_model",
    );
    refused(client.put("/v1/models/t/versions/2?format=trees", &[0xff; 1000]), 422, "invalid_model");
    refused(client.put("/v1/models/t/versions/2?format=trees&sha256=00", &trees), 422, "wrong_digest");
    refused(client.put("/v1/models/t/versions/2?format=trees", &vec![0; 200_001]), 413, "body_too_large");
    refused(client.put("/v1/models/t/versions/2?format=trees", &trees), 507, "no_room_for_models");
    refused(client.delete("/v1/models/t/versions/9"), 404, "unknown_model");
    // A model that was refused has replaced nothing.
    let asked = rows(1, 5).remove(0);
    let (_, answer) = client.post(&format!("{t}/predict"), &json!({"row": shown(&asked)}).to_string());
    let expected = library(ModelFormat::Trees, &trees).predict(&asked).unwrap();
    assert_eq!(answer["answer"].as_f64().unwrap().to_bits(), expected.to_bits());
    assert_eq!(client.counter(r#"serving_requests_total{code="invalid_model"}"#), 3);
}

/// What a server says to bytes as they are.
fn raw(server: &Server, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(bytes).unwrap();
    let mut said = Vec::new();
    // A connection that is reset has said what it had to.
    let _ = stream.read_to_end(&mut said);
    String::from_utf8_lossy(&said).into_owned()
}

/// Waits for what has to come true.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(30), "not within 30 s: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn clients_that_are_slow_or_talk_nonsense_are_let_go_and_others_are_served() {
    let mut settings = Settings::default();
    (settings.read_timeout, settings.connections_max) = (Duration::from_millis(300), 4);
    let server = start(settings);
    for nonsense in
        [&b"\x16\x03\x01\x02\x00\x01\x00"[..], b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", &vec![b'a'; 70_000]]
    {
        let said = raw(&server, nonsense);
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 4"), "{said}");
    }
    let head = "POST /v1/models/x/versions/1/predict HTTP/1.1\r\nHost: x\r\n";
    let begin = Instant::now();
    // Twice as many as there are places: heads that do not end.
    let slow: Vec<TcpStream> = (0..8)
        .map(|_| {
            let mut stream = TcpStream::connect(server.address()).unwrap();
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .collect();
    let client = Client::of(&server);
    assert_eq!(client.get("/v1/health").0, 200);
    assert!(begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
    drop(slow);
    assert_eq!(client.put("/v1/models/x/versions/1?format=trees", &trees(1)).0, 201);
    let said = raw(&server, format!("{head}Content-Length: 100\r\n\r\n{{").as_bytes());
    assert!(said.starts_with("HTTP/1.1 408") && said.contains("slow_body"), "{said}");
    let said = raw(&server, format!("{head}Content-Length: 99999999999\r\n\r\n{{").as_bytes());
    assert!(said.starts_with("HTTP/1.1 413") && said.contains("body_too_large"), "{said}");
    let chunks = "4000\r\n".to_owned() + &"x".repeat(0x4000) + "\r\n";
    let said =
        raw(&server, format!("{head}Transfer-Encoding: chunked\r\n\r\n{}", chunks.repeat(65)).as_bytes());
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 413"), "{said}");
    // The connection may have been cut before the answer was read; that it was refused is counted.
    assert_eq!(client.counter(r#"serving_requests_total{code="body_too_large"}"#), 2);
    assert_eq!(client.get("/v1/health").0, 200);
}

#[test]
fn a_model_is_replaced_under_load_and_no_request_fails_or_mixes_two() {
    let server = start(Settings::default());
    let asked = rows(40, 9);
    let variants: Vec<Vec<u8>> = (1..=3).map(trees).collect();
    let expected: BTreeMap<String, Vec<u64>> = variants
        .iter()
        .map(|bytes| {
            let answers = library(ModelFormat::Trees, bytes).predict_batch(&asked).unwrap();
            (ContentHash::of(bytes).to_string(), bits(&answers))
        })
        .collect();
    assert_eq!(expected.len(), 3);
    let path = "/v1/models/live/versions/1";
    assert_eq!(Client::of(&server).put(&format!("{path}?format=trees"), &variants[0]).0, 201);
    let (running, seen) = (AtomicBool::new(true), Mutex::new(BTreeMap::<String, u32>::new()));
    std::thread::scope(|scope| {
        let askers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let (client, body) = (Client::of(&server), all_shown(&asked).to_string());
                    for _ in 0..300 {
                        let (status, answer) = client.post(&format!("{path}/batch"), &body);
                        assert_eq!(status, 200, "{answer}");
                        let content = answer["content"].as_str().unwrap().to_owned();
                        assert_eq!(bits(&numbers(&answer["answers"])), expected[&content]);
                        *seen.lock().unwrap().entry(content).or_default() += 1;
                    }
                })
            })
            .collect();
        let swapper = scope.spawn(|| {
            let (client, mut swaps) = (Client::of(&server), 0);
            while running.load(Ordering::Relaxed) {
                swaps += 1;
                let (status, told) = client.put(&format!("{path}?format=trees"), &variants[swaps % 3]);
                assert_eq!(status, 200, "{told}");
            }
            swaps
        });
        let ended: Vec<_> = askers.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        running.store(false, Ordering::Relaxed);
        let swaps = swapper.join().unwrap();
        assert!(ended.iter().all(Result::is_ok));
        assert!(swaps >= 10, "{swaps}");
        println!("900 batches of 40 rows beside {swaps} replacements of the model: none failed, none mixed");
    });
    let seen = seen.into_inner().unwrap();
    assert_eq!(seen.values().sum::<u32>(), 900);
    assert!(seen.len() >= 2, "answers of one model only show nothing");
}

/// A model that takes its time, and one that breaks.
#[derive(Debug)]
struct Slow {
    answered: Arc<AtomicU32>,
}

impl Predictor for Slow {
    fn features(&self) -> usize {
        1
    }

    fn answer(&self, row: &[f64]) -> f64 {
        assert!(row[0] >= 0.0, "this model breaks");
        std::thread::sleep(Duration::from_millis(20));
        self.answered.fetch_add(1, Ordering::Relaxed);
        row[0] + 0.5
    }
}

#[derive(Debug, Default)]
struct SlowLoader {
    answered: Arc<AtomicU32>,
}

impl ModelLoader for SlowLoader {
    fn load(&self, _: ModelFormat, _: &[u8]) -> Result<Servable, ServeError> {
        let answered = Arc::clone(&self.answered);
        Ok(Servable::Rows(Inference::new(Box::new(Slow { answered }))))
    }
}

#[test]
fn overload_is_refused_at_once_and_what_was_taken_is_answered() {
    let mut settings = Settings::default();
    (settings.threads, settings.waiting_max, settings.batch_max) = (2, 4, 2);
    let loader = SlowLoader::default();
    let answered = Arc::clone(&loader.answered);
    let server = Server::start(settings, Arc::new(loader)).unwrap();
    let client = Client::of(&server);
    assert_eq!(client.put("/v1/models/slow/versions/1?format=trees", b"x").0, 201);
    let (good, full) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for asker in 0..16 {
            let (server, good, full) = (&server, &good, &full);
            scope.spawn(move || {
                let client = Client::of(server);
                for turn in 0..20 {
                    let value = f64::from(asker * 100 + turn);
                    let body = json!({"row": [value]}).to_string();
                    let (status, told) = client.post("/v1/models/slow/versions/1/predict", &body);
                    if status == 200 {
                        let found = told["answer"].as_f64();
                        assert_eq!(found, Some(value + 0.5), "the answer to another question");
                        good.fetch_add(1, Ordering::Relaxed);
                    } else {
                        assert_eq!((status, told["error"]["code"].as_str()), (503, Some("overloaded")));
                        full.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let (good, full) = (good.into_inner(), full.into_inner());
    println!("320 questions to a queue of 4: {good} answered, {full} refused with 503");
    assert_eq!(good + full, 320);
    assert!(good >= 6 && full >= 20, "{good} answered, {full} refused");
    assert_eq!(answered.load(Ordering::Relaxed), good, "what was refused has cost no answer");
    assert_eq!(client.counter("serving_answers_total"), u64::from(good));
    assert_eq!(client.counter(r#"serving_requests_total{code="overloaded"}"#), u64::from(full));
    // A model that breaks is an error of its own, and the server goes on.
    let (status, told) = client.post("/v1/models/slow/versions/1/predict", r#"{"row": [-1]}"#);
    assert_eq!((status, told["error"]["code"].as_str()), (500, Some("internal")));
    assert_eq!(client.post("/v1/models/slow/versions/1/predict", r#"{"row": [1]}"#).0, 200);
}

/// Bounded in number and time, so that it runs everywhere; figures are printed, not judged: machines differ.
#[test]
fn requests_per_second_and_latencies_of_single_rows_and_batches() {
    let server = start(Settings::default());
    assert_eq!(Client::of(&server).put("/v1/models/t/versions/1?format=trees", &trees(1)).0, 201);
    let asked = rows(100, 21);
    let direct = library(ModelFormat::Trees, &trees(1));
    for (what, size, count) in [("predict", 1, 1_000_usize), ("batch", 100, 200)] {
        let expected = bits(&direct.predict_batch(&asked[..size]).unwrap());
        let body = if size == 1 { json!({"row": shown(&asked[0])}) } else { all_shown(&asked) }.to_string();
        let times = Mutex::new(Vec::new());
        let begin = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let client = Client::of(&server);
                    let mut own = Vec::with_capacity(count);
                    for _ in 0..count {
                        let asked = Instant::now();
                        let (status, told) = client.post(&format!("/v1/models/t/versions/1/{what}"), &body);
                        own.push(asked.elapsed());
                        assert_eq!(status, 200, "{told}");
                        let found =
                            told.get("answers").map_or_else(|| numbers(&json!([told["answer"]])), numbers);
                        assert_eq!(bits(&found), expected);
                    }
                    times.lock().unwrap().extend(own);
                });
            }
        });
        let (took, mut times) = (begin.elapsed(), times.into_inner().unwrap());
        times.sort_unstable();
        assert_eq!(times.len(), 4 * count);
        let at = |share: usize| times[times.len() * share / 100].as_secs_f64() * 1e3;
        println!(
            "{what} of {size} rows, 4 clients: {:.0} requests/s, p50 {:.2} ms, p99 {:.2} ms, all {} with the bits of the library",
            times.len() as f64 / took.as_secs_f64(),
            at(50),
            at(99),
            times.len(),
        );
    }
}
