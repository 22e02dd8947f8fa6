//! What a balancer knows of one worker.

use super::{BalancerSettings, Outcome};
use core::time::Duration;
use ecosystem_core::Timestamp;
use std::sync::Arc;

/// Response time in ms of a worker that has not answered yet but has something to do: more than any other.
const UNMEASURED_MS: f64 = 1e12;
/// Shortest response time in ms, so that outstanding requests count for the fastest worker, too.
const SHORTEST_MS: f64 = 1e-6;
/// Longest response time in ms that is kept: three years.
const LONGEST_MS: f64 = 1e11;

/// Whether a worker is given requests.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[expect(clippy::exhaustive_enums, reason = "one or the other")]
pub enum Standing {
    /// It is.
    Serving,
    /// It failed too often.
    Probation {
        /// When it is tried, or tried again if a trial is out.
        until: Timestamp,
    },
}

/// What a balancer knows of a worker.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct WorkerView<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its weight.
    pub weight: u32,
    /// Requests that are out.
    pub outstanding: u32,
    /// Response time as of the last answer; `None` before the first.
    pub response: Option<Duration>,
    /// Whether it is given requests.
    pub standing: Standing,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Worker {
    pub(crate) name: Arc<str>,
    pub(crate) born: u64,
    pub(crate) weight: u32,
    pub(crate) outstanding: u32,
    // In ms, as of `measured`.
    pub(crate) response_ms: Option<f64>,
    pub(crate) measured: Timestamp,
    // While something is outstanding: no answer came since then, and something was outstanding then.
    pub(crate) quiet: Timestamp,
    // Failures in a row.
    pub(crate) failures: u32,
    // Probations in a row.
    pub(crate) exclusions: u32,
    // When it came back from the last one.
    pub(crate) since: Timestamp,
    pub(crate) standing: Standing,
    pub(crate) pass: u64,
    pub(crate) place: Option<u32>,
}

impl Worker {
    pub(crate) const fn new(name: Arc<str>, born: u64, weight: u32, pass: u64) -> Self {
        let zero = Timestamp::from_unix_ms(0);
        Self {
            name,
            born,
            weight,
            outstanding: 0,
            response_ms: None,
            measured: zero,
            quiet: zero,
            failures: 0,
            exclusions: 0,
            since: zero,
            standing: Standing::Serving,
            pass,
            place: None,
        }
    }

    /// Outstanding requests with the next one, for the weight.
    pub(crate) fn share(&self) -> f64 {
        (f64::from(self.outstanding) + 1.0) / f64::from(self.weight)
    }

    /// What the next request would have to wait for.
    pub(crate) fn cost(&self, now: Timestamp, decay: Duration) -> f64 {
        // Less than a tick of the clock is no silence.
        let silence = match self.outstanding {
            0 => 0.0,
            _ => ms(now.saturating_since(self.quiet)) - 1.0,
        };
        let response = match self.response_ms {
            Some(known) => known * kept(now.saturating_since(self.measured), decay),
            // Not known: one request finds out.
            None if self.outstanding == 0 => 0.0,
            None => UNMEASURED_MS,
        };
        response.max(silence).max(SHORTEST_MS) * self.share()
    }

    pub(crate) fn began(&mut self, now: Timestamp) {
        if self.outstanding == 0 {
            self.quiet = now;
        }
        self.outstanding = self.outstanding.saturating_add(1);
    }

    /// Takes the end of a request into account.
    pub(crate) fn finished(
        &mut self,
        now: Timestamp,
        took: Duration,
        outcome: Outcome,
        settings: &BalancerSettings,
    ) {
        self.outstanding = self.outstanding.saturating_sub(1);
        self.quiet = now;
        match outcome {
            Outcome::Done => {
                self.failures = 0;
                // As long at work as the next probation would be: it is well again.
                let well = self.span(settings.probation, settings.probation_max);
                if self.standing == Standing::Serving && now.saturating_since(self.since) >= well {
                    self.exclusions = 0;
                }
                self.observe(now, ms(took), settings.decay);
            }
            Outcome::Failed => {
                self.failures = self.failures.saturating_add(1);
                self.observe(now, ms(took.max(settings.failure_counts)), settings.decay);
            }
            Outcome::Abandoned => {
                if self.response_ms.is_none_or(|known| ms(took) > known) {
                    self.observe(now, ms(took), settings.decay);
                }
            }
        }
    }

    /// Up to a peak at once, down by the time that has passed.
    fn observe(&mut self, now: Timestamp, took_ms: f64, decay: Duration) {
        let took_ms = took_ms.clamp(SHORTEST_MS, LONGEST_MS);
        let next = match self.response_ms {
            Some(known) if took_ms < known => {
                let kept = kept(now.saturating_since(self.measured), decay);
                known * kept + took_ms * (1.0 - kept)
            }
            _ => took_ms,
        };
        self.response_ms = Some(next);
        self.measured = now;
    }

    /// How long the next probation is: it doubles.
    pub(crate) fn span(&self, first: Duration, longest: Duration) -> Duration {
        let doubled = 1_u32.checked_shl(self.exclusions).unwrap_or(u32::MAX);
        first.saturating_mul(doubled).min(longest)
    }

    pub(crate) fn view(&self) -> WorkerView<'_> {
        WorkerView {
            name: &self.name,
            weight: self.weight,
            outstanding: self.outstanding,
            response: self.response_ms.map(|it| Duration::from_secs_f64(it / 1e3)),
            standing: self.standing,
        }
    }
}

fn ms(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}

/// Share of an average that is left after a time.
fn kept(passed: Duration, decay: Duration) -> f64 {
    (-passed.as_secs_f64() / decay.as_secs_f64()).exp()
}
