//! Bounds that hold whatever clients, models, settings and hosts do.

use super::*;
use ecosystem_serving::StartError;
use std::net::SocketAddr;

/// A loader that is held until it is told.
#[derive(Debug, Default)]
struct Held {
    begun: AtomicU32,
    open: AtomicBool,
}

impl ModelLoader for Held {
    fn load(&self, format: ModelFormat, bytes: &[u8]) -> Result<Servable, ServeError> {
        self.begun.fetch_add(1, Ordering::Relaxed);
        let begin = Instant::now();
        while !self.open.load(Ordering::Relaxed) && begin.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(2));
        }
        SlowLoader::default().load(format, bytes)
    }
}

/// A connection on which something was said.
fn said(server: &Server, bytes: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(bytes.as_bytes()).unwrap();
    stream
}

fn rest(mut stream: TcpStream) -> String {
    let mut told = String::new();
    stream.read_to_string(&mut told).unwrap();
    told
}

/// A question whose answer is not waited for.
fn asked(server: &Server, rows: usize) -> TcpStream {
    let body = json!({"rows": vec![[1.0]; rows]}).to_string();
    let head = "POST /v1/models/slow/versions/1/batch HTTP/1.1\r\nHost: x\r\nContent-Length";
    said(server, &format!("{head}: {}\r\n\r\n{body}", body.len()))
}

#[test]
fn a_model_that_is_still_being_read_keeps_its_place_though_its_client_is_gone() {
    let mut settings = Settings::default();
    settings.loads_max = 1;
    let loader = Arc::new(Held::default());
    let server = Server::start(settings, Arc::clone(&loader) as Arc<dyn ModelLoader>).unwrap();
    let client = Client::of(&server);
    let put = "PUT /v1/models/a/versions/1?format=trees HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx";
    let gone = said(&server, put);
    until("the load", || loader.begun.load(Ordering::Relaxed) == 1);
    drop(gone);
    // Those of this client and of the next one.
    until("the end of the connection", || client.counter("serving_connections") == 2);
    let (status, told) = client.put("/v1/models/a/versions/2?format=trees", b"x");
    assert_eq!((status, told["error"]["code"].as_str()), (503, Some("overloaded")), "{told}");
    assert_eq!(loader.begun.load(Ordering::Relaxed), 1);
    loader.open.store(true, Ordering::Relaxed);
    until("the place", || client.put("/v1/models/a/versions/2?format=trees", b"x").0 == 201);
    assert_eq!(client.get("/v1/models/a/versions/1").0, 404, "whoever is gone has loaded nothing");
}

#[test]
fn a_question_goes_to_the_model_that_is_there_when_it_has_arrived() {
    let server = start(Settings::default());
    let client = Client::of(&server);
    let path = "/v1/models/t/versions/1";
    assert_eq!(client.put(&format!("{path}?format=trees"), &trees(1)).0, 201);
    let body = json!({"row": shown(&rows(1, 5)[0])}).to_string();
    let head = format!("POST {path}/predict HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
    let head = format!("{head}Expect: 100-continue\r\nContent-Length: {}\r\n\r\n", body.len());
    let mut stream = said(&server, &head);
    let mut go = [0; 25];
    stream.read_exact(&mut go).unwrap();
    assert_eq!(&go, b"HTTP/1.1 100 Continue\r\n\r\n");
    let second = trees(2);
    assert_eq!(client.put(&format!("{path}?format=trees"), &second).0, 200);
    stream.write_all(body.as_bytes()).unwrap();
    let told = rest(stream);
    assert!(told.starts_with("HTTP/1.1 200"), "{told}");
    assert!(told.contains(&ContentHash::of(&second).to_string()), "{told}");
}

#[test]
fn a_client_that_waits_for_its_turn_is_refused_without_being_told_to_send() {
    let server = start(Settings::default());
    let begin = Instant::now();
    for (request, status) in [
        ("PUT /v1/models/t/versions/1", "400"),
        ("PUT /v1/models/t/versions/1?format=trees&sha256", "400"),
        ("POST /v1/models/t/versions/1/predict", "404"),
    ] {
        let head = format!("{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
        let told =
            rest(said(&server, &format!("{head}Expect: 100-continue\r\nContent-Length: 1000\r\n\r\n")));
        assert!(told.starts_with(&format!("HTTP/1.1 {status}")), "{told}");
    }
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
}

#[test]
fn a_question_that_is_sure_to_be_refused_takes_no_place_in_the_queue() {
    let mut settings = Settings::default();
    (settings.threads, settings.waiting_max, settings.batch_max) = (1, 1, 1);
    settings.grace = Duration::ZERO;
    let loader = SlowLoader::default();
    let answered = Arc::clone(&loader.answered);
    let server = Server::start(settings, Arc::new(loader)).unwrap();
    let client = Client::of(&server);
    assert_eq!(client.put("/v1/models/slow/versions/1?format=trees", b"x").0, 201);
    let begun = asked(&server, 200);
    until("the first question", || answered.load(Ordering::Relaxed) > 0);
    let waiting = asked(&server, 1);
    until("the second question", || client.get("/v1/health").1["waiting"] == 1);
    for (what, body, status, code) in [
        ("predict", r#"{"row": [1, 2]}"#, 422, "invalid_question"),
        ("batch", r#"{"rows": [[1], []]}"#, 422, "invalid_question"),
        ("forecast", r#"{"horizon": 1}"#, 422, "wrong_question"),
        ("predict", r#"{"row": [1]}"#, 503, "overloaded"),
    ] {
        let (found, told) = client.post(&format!("/v1/models/slow/versions/1/{what}"), body);
        assert_eq!((found, told["error"]["code"].as_str()), (status, Some(code)), "{told}");
    }
    drop((begun, waiting));
}

#[test]
fn a_stop_answers_what_was_taken_and_a_late_answer_is_told() {
    let mut settings = Settings::default();
    (settings.threads, settings.answer_timeout) = (1, Duration::from_millis(500));
    let loader = SlowLoader::default();
    let answered = Arc::clone(&loader.answered);
    let server = Server::start(settings, Arc::new(loader)).unwrap();
    let address = server.address();
    let client = Client::of(&server);
    assert_eq!(client.put("/v1/models/slow/versions/1?format=trees", b"x").0, 201);
    let path = "/v1/models/slow/versions/1/batch";
    let (status, told) = client.post(path, &json!({"rows": vec![[1.0]; 50]}).to_string());
    assert_eq!((status, told["error"]["code"].as_str()), (504, Some("timeout")));
    // Behind what is still being computed for nobody.
    until("the rows of the late answer", || answered.load(Ordering::Relaxed) == 50);
    let asking = std::thread::spawn(move || client.post(path, &json!({"rows": vec![[2.0]; 10]}).to_string()));
    until("a row of the next", || answered.load(Ordering::Relaxed) > 50);
    server.stop();
    let (status, told) = asking.join().unwrap();
    assert_eq!((status, told["answers"].as_array().map(Vec::len)), (200, Some(10)), "{told}");
    assert!(TcpStream::connect_timeout(&address, Duration::from_millis(500)).is_err(), "nobody listens");
}

#[test]
fn a_stop_does_not_wait_longer_than_its_grace_for_a_model_that_goes_on() {
    let mut settings = Settings::default();
    (settings.threads, settings.grace) = (1, Duration::from_millis(200));
    let loader = SlowLoader::default();
    let answered = Arc::clone(&loader.answered);
    let server = Server::start(settings, Arc::new(loader)).unwrap();
    assert_eq!(Client::of(&server).put("/v1/models/slow/versions/1?format=trees", b"x").0, 201);
    // 20 s of work.
    let asking = asked(&server, 1_000);
    until("the question", || answered.load(Ordering::Relaxed) > 0);
    let begin = Instant::now();
    server.stop();
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert!(answered.load(Ordering::Relaxed) < 1_000, "a question that was over shows nothing");
    drop(asking);
}

#[test]
fn settings_that_would_hang_or_break_a_server_are_refused_by_name() {
    type Change = fn(&mut Settings);
    let refused: [(&str, Change); 14] = [
        ("threads", |it| it.threads = usize::MAX),
        ("connections_max", |it| it.connections_max = 0),
        ("connections_max", |it| it.connections_max = usize::MAX),
        ("loads_max", |it| it.loads_max = 0),
        ("loads_max", |it| it.loads_max = usize::MAX),
        ("waiting_max", |it| it.waiting_max = 0),
        ("batch_max", |it| it.batch_max = 0),
        ("waiting_size_max", |it| it.waiting_size_max = it.rows_max - 1),
        ("waiting_size_max", |it| it.horizon_max = usize::MAX),
        ("waiting_size_max", |it| it.body_max = 1 << 30),
        ("read_timeout", |it| it.read_timeout = Duration::MAX),
        ("load_timeout", |it| it.load_timeout = Duration::ZERO),
        ("answer_timeout", |it| it.answer_timeout = Duration::ZERO),
        ("grace", |it| it.grace = Duration::MAX),
    ];
    for (expected, change) in refused {
        let mut settings = Settings::default();
        change(&mut settings);
        match Server::start(settings, Arc::new(StandardLoader::default())) {
            Err(StartError::Setting { name, .. }) => assert_eq!(name, expected),
            other => panic!("{expected}: {other:?}"),
        }
    }
}

#[test]
fn a_server_starts_stops_and_is_dropped_on_threads_of_other_runtimes() {
    let begin = |address: SocketAddr| {
        let mut settings = Settings::default();
        settings.address = address;
        Server::start(settings, Arc::new(StandardLoader::default()))
    };
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    for mut builder in
        [tokio::runtime::Builder::new_current_thread(), tokio::runtime::Builder::new_multi_thread()]
    {
        builder.build().unwrap().block_on(async {
            let (stopped, dropped) = (begin(any).unwrap(), begin(any).unwrap());
            let taken = begin(stopped.address());
            assert!(matches!(taken, Err(StartError::Listen { .. })), "{taken:?}");
            let addresses = [stopped.address(), dropped.address()];
            stopped.stop();
            drop(dropped);
            for address in addresses {
                assert!(
                    TcpStream::connect_timeout(&address, Duration::from_millis(500)).is_err(),
                    "{address}"
                );
            }
        });
    }
}
