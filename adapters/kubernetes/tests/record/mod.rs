//! A proxy that remembers what is said through it, and writes it down shortened.

use serde_json::{Map, Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What servers say beyond what anybody here reads, or that is new each time.
const DROPPED: [&str; 22] = [
    "managedFields",
    "resourceVersion",
    "selfLink",
    "images",
    "nodeInfo",
    "addresses",
    "daemonEndpoints",
    "lastHeartbeatTime",
    "lastProbeTime",
    "lastUpdateTime",
    "lastTransitionTime",
    "kubectl.kubernetes.io/last-applied-configuration",
    "tolerations",
    "volumes",
    "volumeMounts",
    "containerStatuses",
    "podIP",
    "podIPs",
    "hostIP",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "schedulerName",
];

/// Requests between one look and the next.
struct Look {
    at_ms: u64,
    again: bool,
    exchanges: Vec<Value>,
}

#[derive(Clone)]
pub(crate) struct Recorder {
    pub(crate) url: String,
    looks: Arc<Mutex<Vec<Look>>>,
}

impl Recorder {
    /// In front of a server.
    pub(crate) fn start(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let recorder = Self { url, looks: Arc::default() };
        let (looks, server) = (Arc::clone(&recorder.looks), server.to_owned());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // Clients keep their connections.
                let (server, looks) = (server.clone(), Arc::clone(&looks));
                std::thread::spawn(move || while pass(&stream, &server, &looks) == Some(()) {});
            }
        });
        recorder
    }

    pub(crate) fn look(&self, at_ms: u64, again: bool) {
        self.looks.lock().unwrap().push(Look { at_ms, again, exchanges: Vec::new() });
    }

    /// Looks that saw nothing new are left out, and each answer is written once.
    pub(crate) fn write(&self, server: &str) -> String {
        let (mut answers, mut looks) = (Vec::<Value>::new(), Vec::<Value>::new());
        let mut before: Option<Vec<Value>> = None;
        for look in self.looks.lock().unwrap().iter() {
            let reads = look.exchanges.iter().all(|it| it["method"] == "GET");
            if look.again && reads && (look.exchanges.is_empty() || before.as_ref() == Some(&look.exchanges))
            {
                continue;
            }
            before = Some(look.exchanges.clone());
            let exchanges = look.exchanges.iter().map(|it| {
                let place = answers.iter().position(|known| *known == it["answer"]).unwrap_or_else(|| {
                    answers.push(it["answer"].clone());
                    answers.len() - 1
                });
                let mut short = it.clone();
                short["answer"] = json!(place);
                short
            });
            looks.push(json!({"at_ms": look.at_ms, "exchanges": exchanges.collect::<Vec<_>>()}));
        }
        let lines = |all: &[Value]| all.iter().map(|it| format!("    {it}")).collect::<Vec<_>>().join(",\n");
        format!(
            "{{\n  \"server\": {},\n  \"looks\": [\n{}\n  ],\n  \"answers\": [\n{}\n  ]\n}}\n",
            json!(server),
            lines(&looks),
            lines(&answers)
        )
    }
}

fn shortened(value: Value) -> Value {
    match value {
        Value::Object(all) => {
            let kept = all.into_iter().filter(|(name, _)| !DROPPED.contains(&name.as_str()));
            Value::Object(kept.map(|(name, it)| (name, shortened(it))).collect::<Map<_, _>>())
        }
        Value::Array(all) => Value::Array(all.into_iter().map(shortened).collect()),
        other => other,
    }
}

/// One request, handed on and answered; `None` = the connection is over.
fn pass(stream: &TcpStream, server: &str, looks: &Mutex<Vec<Look>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).ok().filter(|it| *it > 0)?;
    let mut words = first.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (mut length, mut kind) = (0, None);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok()?,
            "content-type" => kind = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let mut request = http::Request::builder().method(method.as_str()).uri(format!("{server}{path}"));
    request = request.header("accept", "application/json");
    if let Some(kind) = &kind {
        request = request.header("content-type", kind);
    }
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .build()
        .into();
    let sent = if body.is_empty() {
        agent.run(request.body(()).ok()?)
    } else {
        agent.run(request.body(body.clone()).ok()?)
    };
    let mut response = sent.ok()?;
    let status = response.status().as_u16();
    let retry = response.headers().get("retry-after").and_then(|it| it.to_str().ok()).map(str::to_owned);
    let text = response.body_mut().with_config().limit(64 << 20).read_to_vec().ok()?;
    let answer: Value = serde_json::from_slice(&text).ok()?;
    let path = path.replace("?&", "?").trim_end_matches('?').to_owned();
    let mut exchange = json!({"method": method, "path": path, "status": status, "answer": shortened(answer)});
    if let Some(kind) = kind {
        exchange["content_type"] = json!(kind);
    }
    if let Ok(body) = serde_json::from_slice::<Value>(&body) {
        exchange["body"] = body;
    }
    if let Some(retry) = &retry {
        exchange["headers"] = json!({"Retry-After": retry});
    }
    if let Some(look) = looks.lock().unwrap().last_mut() {
        look.exchanges.push(exchange);
    }
    let retry = retry.map_or_else(String::new, |it| format!("Retry-After: {it}\r\n"));
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n{retry}Content-Type: application/json\r\n\r\n",
        text.len()
    );
    let mut out = stream;
    out.write_all(head.as_bytes()).and_then(|()| out.write_all(&text)).ok()
}
