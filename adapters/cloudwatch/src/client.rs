//! Requests with a deadline, bounded pages and bounded retries.

use crate::answer::{self, Gathered};
use crate::request::{self, Stretch, Wanted};
use crate::sign::{Scope, sign};
use crate::{CloudWatchError, Credentials, Signed, Transport};
use ecosystem_core::Timestamp;
use std::time::{Duration, Instant};

const TARGET: &str = "GraniteServiceVersion20100801.GetMetricData";

/// How the service is asked.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Settings {
    /// Region, as `eu-central-1`.
    pub region: String,
    /// Where requests are sent. `https://monitoring.REGION.amazonaws.com`, which needs the feature `tls` or a transport of your own; or a
    /// proxy on the loopback that speaks TLS.
    pub url: String,
    /// Name of the service that is signed and sent as `Host`, whatever the URL is. `monitoring.REGION.amazonaws.com`.
    pub host: String,
    /// For one call of `latest`, all its queries together. 5 s.
    pub latest_within: Duration,
    /// For one call of `range`, all its queries together. 60 s.
    pub range_within: Duration,
    /// Further attempts of one request after the first. Three.
    pub retries: u32,
    /// Pause before the second attempt; doubles each time. 200 ms.
    pub retry_pause: Duration,
    /// Period of the newest sample: 60 s where metrics come every minute (detailed monitoring), 300 s otherwise. 60 s.
    pub latest_period: Duration,
    /// How far back the newest sample may be. 15 min.
    pub latest_back: Duration,
    /// Pages of one answer. 1,000.
    pub pages_max: u32,
    /// Longest accepted page in bytes. 64 MiB.
    pub bytes_max: u64,
}

impl Settings {
    /// The usual values for a region.
    pub fn new(region: impl Into<String>) -> Self {
        let region = region.into();
        let host = format!("monitoring.{region}.amazonaws.com");
        Self {
            url: format!("https://{host}"),
            host,
            region,
            latest_within: Duration::from_secs(5),
            range_within: Duration::from_secs(60),
            retries: 3,
            retry_pause: Duration::from_millis(200),
            latest_period: Duration::from_secs(60),
            latest_back: Duration::from_secs(900),
            pages_max: 1_000,
            bytes_max: 64 << 20,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) settings: Settings,
    pub(crate) credentials: Credentials,
    pub(crate) transport: Box<dyn Transport>,
    pub(crate) clock: fn() -> Timestamp,
}

impl Client {
    fn garbage(&self, reason: String) -> CloudWatchError {
        CloudWatchError::Garbage { url: self.settings.url.clone(), reason }
    }

    /// All pages of one request of up to 500 series.
    pub(crate) fn gather(
        &mut self,
        wanted: &[Wanted],
        stretch: Stretch,
        deadline: Instant,
    ) -> Result<Vec<Gathered>, CloudWatchError> {
        let shortest = wanted.iter().map(|it| it.period_s).min().unwrap_or(1).max(1);
        // One more, as the service rounds the start down.
        let points_max = stretch.end_s.saturating_sub(stretch.start_s).div_ceil(shortest) + 1;
        let mut gathered = vec![Gathered::default(); wanted.len()];
        let mut token: Option<String> = None;
        for _ in 0..self.settings.pages_max {
            let body = request::body(wanted, stretch, token.as_deref());
            let page = self.ask(&body, deadline, |text| answer::read(text, wanted.len()))?;
            match page.put(&mut gathered, points_max).map_err(|reason| self.garbage(reason))? {
                None => return Ok(gathered),
                Some(same) if token.as_ref() == Some(&same) => {
                    return Err(self.garbage("a page follows itself".into()));
                }
                Some(other) => token = Some(other),
            }
        }
        Err(self
            .garbage(format!("there are more than {} pages; ask for less at once", self.settings.pages_max)))
    }

    /// Asks until there is an answer that `read` accepts, the retries are used up or the deadline has passed.
    fn ask<T>(
        &mut self,
        body: &[u8],
        deadline: Instant,
        read: impl Fn(&[u8]) -> Result<T, String>,
    ) -> Result<T, CloudWatchError> {
        let (begin, mut pause) = (Instant::now(), self.settings.retry_pause);
        let url = self.settings.url.clone();
        for attempt in 0.. {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            match self.once(body, left, begin, &read) {
                Err(e) if e.may_pass() && attempt < self.settings.retries => {
                    if deadline.saturating_duration_since(Instant::now()) <= pause {
                        return Err(e);
                    }
                    std::thread::sleep(pause);
                    pause = pause.saturating_mul(2);
                }
                done => return done,
            }
        }
        Err(CloudWatchError::Slow { url, millis: begin.elapsed().as_millis() })
    }

    fn once<T>(
        &mut self,
        body: &[u8],
        left: Duration,
        begin: Instant,
        read: &impl Fn(&[u8]) -> Result<T, String>,
    ) -> Result<T, CloudWatchError> {
        let settings = &self.settings;
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut headers = vec![
            header("content-type", "application/x-amz-json-1.0"),
            header("host", &settings.host),
            header("x-amz-target", TARGET),
        ];
        let scope = Scope { region: &settings.region, service: "monitoring" };
        // Each attempt has its own moment: old signatures are refused.
        sign("POST", &mut headers, body, &self.credentials, scope, (self.clock)());
        let request =
            Signed { url: format!("{}/", settings.url.trim_end_matches('/')), headers, body: body.to_vec() };
        let reply = self.transport.post(&request, left, settings.bytes_max);
        let reply = reply.map_err(|e| CloudWatchError::of_transport(&settings.url, e, begin.elapsed()))?;
        if reply.status == 200 {
            return read(&reply.body).map_err(|reason| self.garbage(reason));
        }
        let (name, reason) = answer::refusal(&reply.body);
        Err(CloudWatchError::of_refusal(&settings.url, reply.status, &name, reason))
    }
}
