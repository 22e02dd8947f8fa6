//! A service on the loopback that checks every signature with code of its own and answers what it is told to.

use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

pub(crate) const ACCESS: &str = "AKIDEXAMPLE";
pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// What is said to one request: a status and a body, or bytes as they are.
#[derive(Clone)]
pub(crate) enum Say {
    Answer(u16, String),
    Raw(&'static [u8]),
    Nothing,
}

pub(crate) struct Fake {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Value>>>,
}

impl Fake {
    /// `answer` gets the number of the request and its body.
    pub(crate) fn start(answer: impl Fn(usize, &Value) -> Say + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        std::thread::spawn(move || {
            let mut held = Vec::new();
            for mut stream in listener.incoming().flatten() {
                let Some((head, headers, body)) = request(&mut stream) else { continue };
                let said = if let Some(why) = refused(&head, &headers, &body) {
                    let name = "com.amazon.coral.service#InvalidSignatureException";
                    Say::Answer(400, format!("{{\"__type\":\"{name}\",\"message\":\"{why}\"}}"))
                } else {
                    let body: Value = serde_json::from_slice(&body).unwrap();
                    let number = {
                        let mut all = seen.lock().unwrap();
                        all.push(body.clone());
                        all.len() - 1
                    };
                    answer(number, &body)
                };
                match said {
                    Say::Answer(status, body) => {
                        let length = body.len();
                        let head = format!(
                            "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n"
                        );
                        drop(write!(stream, "{head}Content-Type: application/x-amz-json-1.0\r\n\r\n{body}"));
                    }
                    Say::Raw(bytes) => drop(stream.write_all(bytes)),
                    Say::Nothing => held.push(stream),
                }
            }
        });
        Self { url, asked }
    }

    /// Bodies of the requests whose signatures were right.
    pub(crate) fn asked(&self) -> Vec<Value> {
        self.asked.lock().unwrap().clone()
    }
}

type Headers = BTreeMap<String, String>;

fn request(stream: &mut TcpStream) -> Option<(String, Headers, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        bytes.push(byte[0]);
    }
    let text = String::from_utf8(bytes).ok()?;
    let (head, rest) = text.split_once("\r\n")?;
    let headers: Headers = rest
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    stream.read_exact(&mut body).ok()?;
    Some((head.to_owned(), headers, body))
}

/// RFC 2104 by its text, so that the client's signature is not checked with the client's code.
fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut block = [0_u8; 64];
    let hashed = Sha256::digest(key);
    let key = if key.len() > 64 { hashed.as_slice() } else { key };
    block[..key.len()].copy_from_slice(key);
    let padded = |with: u8, rest: &[u8]| -> [u8; 32] {
        let mut all: Vec<u8> = block.iter().map(|it| it ^ with).collect();
        all.extend_from_slice(rest);
        Sha256::digest(&all).into()
    };
    padded(0x5c, &padded(0x36, text))
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|it| [it >> 4, it & 15])
        .map(|it| char::from(b"0123456789abcdef"[it as usize]))
        .collect()
}

/// Why a request is not accepted, if it is not.
fn refused(head: &str, headers: &Headers, body: &[u8]) -> Option<String> {
    let get = |name: &str| headers.get(name).cloned().unwrap_or_default();
    if head != "POST / HTTP/1.1"
        || get("x-amz-target") != "GraniteServiceVersion20100801.GetMetricData"
        || get("content-type") != "application/x-amz-json-1.0"
        || get("host") != "monitoring.eu-central-1.amazonaws.com"
    {
        return Some(format!("not a request of the protocol: {head} {headers:?}").replace('"', "'"));
    }
    let authorization = get("authorization");
    let field = |name: &str| {
        let (_, rest) = authorization.split_once(&format!("{name}=")).unwrap_or_default();
        rest.split(", ").next().unwrap_or_default().to_owned()
    };
    let (credential, names, signature) = (field("Credential"), field("SignedHeaders"), field("Signature"));
    for must in ["content-type", "host", "x-amz-date", "x-amz-target"] {
        if !names.split(';').any(|it| it == must) {
            return Some(format!("{must} is not signed"));
        }
    }
    let date = get("x-amz-date");
    let scope = format!("{}/eu-central-1/monitoring/aws4_request", date.get(..8)?);
    if credential != format!("{ACCESS}/{scope}") {
        return Some(format!("credential {credential}"));
    }
    let signed: String =
        names.split(';').fold(String::new(), |all, name| all + name + ":" + &get(name) + "\n");
    let canonical = format!("POST\n/\n\n{signed}\n{names}\n{}", hex(&Sha256::digest(body)));
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex(&Sha256::digest(canonical)));
    let mut key = format!("AWS4{SECRET}").into_bytes();
    for part in scope.split('/') {
        key = hmac(&key, part.as_bytes()).to_vec();
    }
    (hex(&hmac(&key, text.as_bytes())) != signature).then(|| "the signature does not match".to_owned())
}
