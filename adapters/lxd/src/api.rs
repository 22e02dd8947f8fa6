//! Questions to whichever member answers.

use crate::LxdError;
use crate::http::{self, Answer, Fault, Request};
use crate::wire::{Envelope, Operation};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Between two looks at an operation.
const LOOK: Duration = Duration::from_millis(100);

/// A client that forgets every connection: cheap to clone and to share between threads.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    pub(crate) sockets: Vec<PathBuf>,
    pub(crate) project: String,
    pub(crate) answer_within: Duration,
}

impl Api {
    /// A question, put to one socket after the other until one takes the connection. What was sent is not sent again:
    /// the member may have begun.
    fn ask(&self, request: &Request<'_>) -> Result<Answer, LxdError> {
        let deadline = Instant::now() + self.answer_within;
        let mut last = String::from("no socket is set");
        for socket in &self.sockets {
            match http::ask(socket, request, deadline) {
                Err(Fault::Closed(reason)) => last = reason,
                // Asking changes nothing, so another member may be asked.
                Err(Fault::Broken(reason)) if request.method == "GET" => last = reason,
                answer => return self.judge(request, answer),
            }
        }
        Err(self.unreachable(last))
    }

    fn unreachable(&self, reason: String) -> LxdError {
        let sockets: Vec<String> = self.sockets.iter().map(|it| it.display().to_string()).collect();
        LxdError::Unreachable { sockets: sockets.join(", "), reason }
    }

    fn judge(&self, request: &Request<'_>, answer: Result<Answer, Fault>) -> Result<Answer, LxdError> {
        let what = || format!("{} {}", request.method, request.path);
        match answer {
            Ok(answer) => Ok(answer),
            Err(Fault::Late) => Err(LxdError::Slow { what: what(), millis: self.answer_within.as_millis() }),
            Err(Fault::Garbage(reason)) => Err(LxdError::Garbage { what: what(), reason }),
            Err(Fault::Closed(reason) | Fault::Broken(reason)) => Err(self.unreachable(reason)),
        }
    }

    /// The path in our project.
    fn path(&self, path: &str) -> String {
        let sign = if path.contains('?') { '&' } else { '?' };
        format!("/1.0{path}{sign}project={}", self.project)
    }

    fn call(
        &self,
        method: &str,
        path: &str,
        etag: Option<&str>,
        body: Option<&Value>,
    ) -> Result<(Envelope, Option<String>), LxdError> {
        let path = self.path(path);
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut headers = vec![("Content-Type", "application/json")];
        headers.extend(etag.map(|it| ("If-Match", it)));
        let request = Request { method, path: &path, headers: &headers, body: body.as_bytes() };
        let answer = self.ask(&request)?;
        let what = || format!("{method} {path}");
        let envelope: Envelope = serde_json::from_slice(&answer.body)
            .map_err(|e| LxdError::Garbage { what: what(), reason: e.to_string() })?;
        if envelope.kind == "error" {
            let (status, reason) = (envelope.error_code, envelope.error);
            return Err(LxdError::Refused { what: what(), status, reason });
        }
        Ok((envelope, answer.etag))
    }

    fn value<T: DeserializeOwned>(path: &str, value: Value) -> Result<T, LxdError> {
        serde_json::from_value(value)
            .map_err(|e| LxdError::Garbage { what: format!("GET {path}"), reason: e.to_string() })
    }

    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, LxdError> {
        Self::value(path, self.call("GET", path, None, None)?.0.metadata)
    }

    /// With the tag that a change may be tied to.
    pub(crate) fn get_tagged<T: DeserializeOwned>(&self, path: &str) -> Result<(T, String), LxdError> {
        let (envelope, etag) = self.call("GET", path, None, None)?;
        Ok((Self::value(path, envelope.metadata)?, etag.unwrap_or_default()))
    }

    /// A change; a background operation, if it makes one, is waited for.
    pub(crate) fn change(
        &self,
        method: &str,
        path: &str,
        body: &Value,
        until: Instant,
    ) -> Result<(), LxdError> {
        let (envelope, _) = self.call(method, path, None, Some(body))?;
        self.settle(&envelope, until)
    }

    /// A change that is refused with status 412 if the thing has changed since its tag was read.
    pub(crate) fn put_tagged(&self, path: &str, etag: &str, body: &Value) -> Result<(), LxdError> {
        let etag = (!etag.is_empty()).then_some(etag);
        self.call("PUT", path, etag, Some(body)).map(|_| ())
    }

    fn settle(&self, envelope: &Envelope, until: Instant) -> Result<(), LxdError> {
        if envelope.kind != "async" {
            return Ok(());
        }
        let path = envelope.operation.split('?').next().unwrap_or_default();
        let path = path.strip_prefix("/1.0").unwrap_or(path);
        let id = || path.rsplit('/').next().unwrap_or_default().to_owned();
        loop {
            match self.get::<Operation>(path) {
                Ok(it) if it.status_code == 200 => return Ok(()),
                Ok(it) if it.status_code >= 400 => {
                    return Err(LxdError::Refused {
                        what: format!("operation {}", id()),
                        status: it.status_code,
                        reason: it.err,
                    });
                }
                // Ended operations are kept for a few seconds only.
                Err(e) if e.is_missing() => return Err(LxdError::Lost { id: id() }),
                Err(e) if Instant::now() >= until => return Err(e),
                Ok(_) | Err(_) => {}
            }
            if Instant::now() >= until {
                return Err(LxdError::Lost { id: id() });
            }
            std::thread::sleep(LOOK);
        }
    }

    /// The text of the measurements of the member behind one socket.
    pub(crate) fn metrics(&self, socket: &Path) -> Result<String, LxdError> {
        let path = self.path("/metrics");
        let request = Request { method: "GET", path: &path, headers: &[], body: b"" };
        let answer =
            self.judge(&request, http::ask(socket, &request, Instant::now() + self.answer_within))?;
        if answer.status != 200 {
            let reason = String::from_utf8_lossy(&answer.body).chars().take(200).collect();
            return Err(LxdError::Refused { what: format!("GET {path}"), status: answer.status, reason });
        }
        String::from_utf8(answer.body)
            .map_err(|e| LxdError::Garbage { what: format!("GET {path}"), reason: e.to_string() })
    }

    /// The same client that asks one member only.
    pub(crate) fn only(&self, socket: &Path) -> Self {
        Self { sockets: vec![socket.to_owned()], ..self.clone() }
    }
}
