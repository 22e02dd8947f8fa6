//! Questions over HTTP with a deadline for the whole conversation, bounded answers and bounded retries.

use crate::PrometheusError;
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(crate) struct Client {
    url: String,
    agent: ureq::Agent,
    retries: u32,
    pause: Duration,
    bytes_max: u64,
}

impl Client {
    pub(crate) fn new(url: &str, retries: u32, pause: Duration, bytes_max: u64) -> Self {
        let config =
            ureq::Agent::config_builder().http_status_as_error(false).proxy(None).max_redirects(0).build();
        Self { url: url.trim_end_matches('/').to_owned(), agent: config.into(), retries, pause, bytes_max }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Asks until there is an answer that `read` accepts, the retries are used up or the deadline has passed. The pause
    /// between attempts doubles.
    pub(crate) fn ask<T>(
        &self,
        path: &str,
        form: &[(&str, String)],
        deadline: Instant,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, PrometheusError> {
        let (begin, mut pause) = (Instant::now(), self.pause);
        for attempt in 0.. {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(self.slow(begin));
            }
            let answer = self
                .once(path, form, left, begin)
                .and_then(|(status, text)| self.judge(status, &text, &read));
            match answer {
                Err(e) if e.may_pass() && attempt < self.retries => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left <= pause {
                        return Err(e);
                    }
                    std::thread::sleep(pause);
                    pause *= 2;
                }
                done => return done,
            }
        }
        Err(self.slow(begin))
    }

    fn slow(&self, begin: Instant) -> PrometheusError {
        PrometheusError::Slow { url: self.url.clone(), millis: begin.elapsed().as_millis() }
    }

    fn once(
        &self,
        path: &str,
        form: &[(&str, String)],
        left: Duration,
        begin: Instant,
    ) -> Result<(u16, String), PrometheusError> {
        let fail = |e: ureq::Error| match e {
            ureq::Error::Timeout(_) => self.slow(begin),
            ureq::Error::BodyExceedsLimit(max) => PrometheusError::TooLarge { url: self.url.clone(), max },
            ureq::Error::Io(e)
                if matches!(
                    e.kind(),
                    std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof
                ) =>
            {
                PrometheusError::Garbage { url: self.url.clone(), reason: e.to_string() }
            }
            e @ (ureq::Error::Protocol(_) | ureq::Error::Http(_)) => {
                PrometheusError::Garbage { url: self.url.clone(), reason: e.to_string() }
            }
            e => PrometheusError::Unreachable { url: self.url.clone(), reason: e.to_string() },
        };
        let post = self.agent.post(format!("{}{path}", self.url)).config().timeout_global(Some(left)).build();
        let fields = form.iter().map(|(name, value)| (*name, value.as_str()));
        let mut response = post.send_form(fields).map_err(fail)?;
        let status = response.status().as_u16();
        let text = response.body_mut().with_config().limit(self.bytes_max).read_to_string().map_err(fail)?;
        Ok((status, text))
    }

    fn judge<T>(
        &self,
        status: u16,
        text: &str,
        read: &impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, PrometheusError> {
        let (url, head) = (self.url.clone(), || text.chars().take(300).collect::<String>());
        match status {
            200 => read(text).map_err(|reason| PrometheusError::Garbage { url, reason }),
            // The API's codes for a query that is wrong or cannot be carried out.
            400 | 422 => {
                Err(PrometheusError::Query { url, reason: crate::answer::reason(text).unwrap_or_else(head) })
            }
            _ => Err(PrometheusError::Server { url, status, reason: head() }),
        }
    }
}
