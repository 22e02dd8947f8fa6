//! How requests travel.

use std::fmt;
use std::time::Duration;

/// A request that is ready to be sent: `POST` to a URL.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Signed {
    /// Where to.
    pub url: String,
    /// Names in lower case; `host` among them, which is that of the service even if the URL is a proxy's.
    pub headers: Vec<(String, String)>,
    /// JSON.
    pub body: Vec<u8>,
}

/// What came back.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "made by transports of hosts")]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// The answer.
    pub body: Vec<u8>,
}

/// Why nothing came back.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// Nobody answers, or the connection broke.
    #[error("{0}")]
    Unreachable(String),
    /// No whole answer in time.
    #[error("no whole answer in time")]
    Slow,
    /// What came is no HTTP, or not all of it.
    #[error("{0}")]
    Garbage(String),
    /// The answer is longer than is accepted.
    #[error("more than {0} bytes")]
    TooLarge(u64),
}

/// Sends a request and waits for the answer.
pub trait Transport: fmt::Debug + Send {
    /// One attempt: returns within the time, with no more than so many bytes.
    fn post(&mut self, request: &Signed, within: Duration, bytes_max: u64) -> Result<Reply, TransportError>;
}

/// HTTP/1.1 on the calling thread; `https` needs the feature `tls`.
#[derive(Debug)]
pub struct Http {
    agent: ureq::Agent,
}

impl Default for Http {
    fn default() -> Self {
        let config =
            ureq::Agent::config_builder().http_status_as_error(false).proxy(None).max_redirects(0).build();
        Self { agent: config.into() }
    }
}

impl Transport for Http {
    fn post(&mut self, request: &Signed, within: Duration, bytes_max: u64) -> Result<Reply, TransportError> {
        let mut post = self.agent.post(&request.url).config().timeout_global(Some(within)).build();
        for (name, value) in &request.headers {
            post = post.header(name, value);
        }
        let mut response = post.send(&request.body).map_err(failure)?;
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(bytes_max).read_to_vec().map_err(failure)?;
        Ok(Reply { status, body })
    }
}

fn failure(error: ureq::Error) -> TransportError {
    use std::io::ErrorKind::{InvalidData, UnexpectedEof};
    match error {
        ureq::Error::Timeout(_) => TransportError::Slow,
        ureq::Error::BodyExceedsLimit(max) => TransportError::TooLarge(max),
        ureq::Error::Io(e) if matches!(e.kind(), InvalidData | UnexpectedEof) => {
            TransportError::Garbage(e.to_string())
        }
        e @ (ureq::Error::Protocol(_) | ureq::Error::Http(_)) => TransportError::Garbage(e.to_string()),
        e => TransportError::Unreachable(e.to_string()),
    }
}
