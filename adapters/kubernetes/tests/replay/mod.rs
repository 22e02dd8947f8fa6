//! A server that knows one dialogue and insists on it.

use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// One request as it must come, and the answer to it.
#[derive(Debug, Deserialize)]
struct Entry {
    method: String,
    path: String,
    #[serde(default)]
    content_type: Option<String>,
    #[serde(default)]
    body: Option<Value>,
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    answer: Value,
}

pub(crate) struct Replay {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    next: usize,
    complaints: Vec<String>,
    total: usize,
}

impl Replay {
    pub(crate) fn start(dialogue: &str) -> Self {
        let entries: Arc<Vec<Entry>> = Arc::new(serde_json::from_str(dialogue).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State { total: entries.len(), ..State::default() }));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // Clients keep their connections.
                let (entries, shared) = (Arc::clone(&entries), Arc::clone(&shared));
                std::thread::spawn(move || while answer(&stream, &entries, &shared) == Some(()) {});
            }
        });
        Self { url, state }
    }

    /// Everything was asked for, in its order, and nothing else.
    pub(crate) fn finish(self) {
        let state = self.state.lock().unwrap();
        assert!(state.complaints.is_empty(), "{:#?}", state.complaints);
        assert_eq!(state.next, state.total, "requests that never came");
    }
}

/// One request on a connection; `None` = it is over.
fn answer(stream: &TcpStream, entries: &[Entry], state: &Mutex<State>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).ok().filter(|it| *it > 0)?;
    let mut words = first.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    // An empty query says nothing.
    let path = path.replace("?&", "?").trim_end_matches('?').to_owned();
    let (mut length, mut kind, mut authorised) = (0, None, false);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok()?,
            "content-type" => kind = Some(value.trim().to_owned()),
            "authorization" => authorised = value.trim() == "Bearer secret",
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body: Option<Value> = if body.is_empty() { None } else { serde_json::from_slice(&body).ok() };
    let mut state = state.lock().unwrap();
    let came = format!("{method} {path} {kind:?} {body:?}");
    let wanted = entries.get(state.next);
    let right = wanted.filter(|it| {
        let kind = it.content_type.is_none() || it.content_type == kind;
        it.method == method && it.path == path && it.body == body && kind && authorised
    });
    let (status, headers, text) = if let Some(it) = right {
        state.next += 1;
        let headers: Vec<String> =
            it.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let headers = headers.concat();
        (it.status, headers, it.answer.to_string())
    } else {
        let expected =
            wanted.map(|it| format!("{} {} {:?} {:?}", it.method, it.path, it.content_type, it.body));
        state.complaints.push(format!("came {came}, authorised {authorised}; expected {expected:?}"));
        (418, String::new(), "{}".into())
    };
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n{headers}Content-Type: application/json\r\n\r\n",
        text.len()
    );
    let mut out = stream;
    out.write_all(head.as_bytes()).and_then(|()| out.write_all(text.as_bytes())).ok()
}
