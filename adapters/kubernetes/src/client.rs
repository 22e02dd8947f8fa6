//! Requests to an API server, each with a deadline and a bounded answer.

use crate::KubeError;
use http::{Method, header};
use kube_core::params::ListParams;
use kube_core::{ObjectList, Request, Status};
use serde::de::DeserializeOwned;
use std::time::Duration;

/// Most pages of one list: with 500 objects each, a million.
const PAGES_MAX: usize = 2_000;

/// How a server is asked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// `http://host:port` of the server or of a proxy in front of it (`kubectl proxy`), which speaks TLS and knows who we are.
    pub url: String,
    /// Bearer token, if the other end wants one.
    pub token: Option<String>,
    /// Namespace of the workloads. `default`.
    pub namespace: String,
    /// For one answer. 10 s.
    pub answer_within: Duration,
    /// Objects in one page of a list. 500.
    pub page: u32,
    /// Longest accepted answer in bytes. 64 MiB.
    pub bytes_max: u64,
}

impl Settings {
    /// The usual values for a server.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            token: None,
            namespace: "default".into(),
            answer_within: Duration::from_secs(10),
            page: 500,
            bytes_max: 64 << 20,
        }
    }
}

/// A client of one API server.
#[derive(Debug)]
pub struct Client {
    settings: Settings,
    agent: ureq::Agent,
}

impl Client {
    /// A client; nothing is asked yet.
    pub fn new(settings: Settings) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .timeout_global(Some(settings.answer_within))
            .build();
        Self { settings, agent: config.into() }
    }

    /// How the server is asked.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Puts a request as `kube_core` builds it, and reads the answer.
    pub fn send<T: DeserializeOwned>(&self, request: http::Request<Vec<u8>>) -> Result<T, KubeError> {
        let (mut parts, body) = request.into_parts();
        let what = format!("{} {}", parts.method, parts.uri);
        let bad = |reason: String| KubeError::Request { what: what.clone(), reason };
        let url = format!("{}{}", self.settings.url.trim_end_matches('/'), parts.uri);
        parts.uri = url.parse().map_err(|e: http::uri::InvalidUri| bad(e.to_string()))?;
        parts.headers.insert(header::ACCEPT, header::HeaderValue::from_static("application/json"));
        if let Some(token) = &self.settings.token {
            let value = header::HeaderValue::try_from(format!("Bearer {token}"));
            parts.headers.insert(header::AUTHORIZATION, value.map_err(|e| bad(e.to_string()))?);
        }
        let fail = |e: ureq::Error| self.failure(&what, &e);
        let mut response = if parts.method == Method::GET {
            self.agent.run(http::Request::from_parts(parts, ())).map_err(fail)?
        } else {
            self.agent.run(http::Request::from_parts(parts, body)).map_err(fail)?
        };
        let status = response.status().as_u16();
        let header =
            response.headers().get(header::RETRY_AFTER).and_then(|it| it.to_str().ok()?.parse().ok());
        let text =
            response.body_mut().with_config().limit(self.settings.bytes_max).read_to_vec().map_err(fail)?;
        if (200..300).contains(&status) {
            return serde_json::from_slice(&text)
                .map_err(|e| KubeError::Garbage { what, reason: e.to_string() });
        }
        // Proxies and broken servers refuse in words of their own.
        let said: Status = serde_json::from_slice(&text).unwrap_or_else(|_| Status {
            message: String::from_utf8_lossy(&text).chars().take(300).collect(),
            ..Status::default()
        });
        let details = said.details.map_or(0, |it| it.retry_after_seconds);
        let retry_after = if details > 0 { Some(details) } else { header };
        Err(KubeError::Refused { what, status, reason: said.reason, message: said.message, retry_after })
    }

    fn failure(&self, what: &str, e: &ureq::Error) -> KubeError {
        use std::io::ErrorKind as K;
        let garbage = |reason: String| KubeError::Garbage { what: what.to_owned(), reason };
        match e {
            ureq::Error::Timeout(_) => {
                KubeError::Slow { what: what.to_owned(), millis: self.settings.answer_within.as_millis() }
            }
            ureq::Error::Io(e) if matches!(e.kind(), K::InvalidData | K::UnexpectedEof) => {
                garbage(e.to_string())
            }
            ureq::Error::Protocol(_) | ureq::Error::Http(_) | ureq::Error::BodyExceedsLimit(_) => {
                garbage(e.to_string())
            }
            e => KubeError::Unreachable { url: self.settings.url.clone(), reason: e.to_string() },
        }
    }

    /// All objects of a collection, page by page.
    pub(crate) fn list<T>(&self, path: &str, fields: Option<&str>) -> Result<Vec<T>, KubeError>
    where
        T: DeserializeOwned + Clone,
    {
        let mut all = Vec::new();
        let mut from: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let mut wanted = ListParams::default().limit(self.settings.page);
            wanted.continue_token = from.take();
            wanted.field_selector = fields.map(str::to_owned);
            let request = Request::new(path).list(&wanted).map_err(|e| built(path, &e))?;
            let page: ObjectList<T> = self.send(request)?;
            all.extend(page.items);
            match page.metadata.continue_.filter(|it| !it.is_empty()) {
                Some(next) => from = Some(next),
                None => return Ok(all),
            }
        }
        let reason = format!("it has more than {PAGES_MAX} pages");
        Err(KubeError::Garbage { what: format!("GET {path}"), reason })
    }
}

pub(crate) fn built(what: &str, e: &kube_core::request::Error) -> KubeError {
    KubeError::Request { what: what.to_owned(), reason: e.to_string() }
}
