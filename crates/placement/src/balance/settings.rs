//! How a balancer chooses, and what it refuses.

use core::time::Duration;
use ecosystem_core::Timestamp;
use std::sync::Arc;

/// Most workers that may be drawn for one choice; more is a search, not a choice.
const CHOICES_MAX: u32 = 1_024;

/// By what a worker is chosen.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Selection {
    /// Response time and outstanding requests: for workers of unknown or changing speed.
    #[default]
    PeakEwma,
    /// Outstanding requests for the weight: for workers of known speed.
    LeastOutstanding,
    /// In turn by weight, whatever they do: the baseline.
    RoundRobin,
}

/// How a [`Balancer`](crate::Balancer) chooses.
///
/// # Example
/// ```
/// use ecosystem_placement::{Balancer, BalancerError, BalancerSettings};
///
/// let settings = BalancerSettings::default().with_choices(0);
/// assert!(matches!(Balancer::new(settings), Err(BalancerError::Settings { setting: "choices", .. })));
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
pub struct BalancerSettings {
    /// Seed of all random choices.
    pub seed: u64,
    /// By what a worker is chosen.
    pub selection: Selection,
    /// How many are drawn at random, the best of which is chosen: 1 is at random, 2 nearly as good as all. 1 to 1,024.
    pub choices: u32,
    /// Time in which the response time forgets two thirds of what was. 1 ms or more.
    pub decay: Duration,
    /// What a failed request counts as at least; longer than any usual response.
    pub failure_counts: Duration,
    /// Failures in a row after which a worker goes on probation. 1 or more.
    pub failures_max: u32,
    /// The first probation. 1 ms or more.
    pub probation: Duration,
    /// The longest probation; no shorter than the first.
    pub probation_max: Duration,
    /// So many of a hundred workers may be on probation at a time; 0 = none ever, 100 = all.
    pub probation_percent: u32,
    /// Requests that one worker may have at a time. 1 or more.
    pub outstanding_max: u32,
    /// Workers that may be in.
    pub workers_max: u32,
}

impl Default for BalancerSettings {
    fn default() -> Self {
        Self {
            seed: 0,
            selection: Selection::default(),
            choices: 2,
            decay: Duration::from_secs(10), // as Finagle and linkerd: several slow answers are remembered, a slow hour is not
            failure_counts: Duration::from_secs(5),
            failures_max: 5, // as Finagle and Envoy: one bad request does not take its worker out
            probation: Duration::from_secs(5), // as Finagle: a process has started again
            probation_max: Duration::from_secs(300),
            probation_percent: 50, // when half of them fail, it is not them
            outstanding_max: 1_024,
            workers_max: 65_536,
        }
    }
}

impl BalancerSettings {
    /// The same with another seed.
    #[must_use]
    pub const fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The same with another selection.
    #[must_use]
    pub const fn with_selection(mut self, selection: Selection) -> Self {
        self.selection = selection;
        self
    }

    /// The same with another number drawn.
    #[must_use]
    pub const fn with_choices(mut self, choices: u32) -> Self {
        self.choices = choices;
        self
    }

    pub(crate) fn check(&self) -> Result<(), BalancerError> {
        let bad = |setting, found: u128, expected| Err(BalancerError::Settings { setting, found, expected });
        if !(1..=CHOICES_MAX).contains(&self.choices) {
            return bad("choices", self.choices.into(), "1 to 1024");
        }
        if self.decay.as_millis() == 0 {
            return bad("decay", 0, "1 ms or more");
        }
        if self.probation.as_millis() == 0 {
            return bad("probation", 0, "1 ms or more");
        }
        if self.probation_max < self.probation {
            return bad("probation_max", self.probation_max.as_millis(), "no less than `probation` (in ms)");
        }
        if self.failures_max == 0 {
            return bad("failures_max", 0, "1 or more");
        }
        if self.probation_percent > 100 {
            return bad("probation_percent", self.probation_percent.into(), "0 to 100");
        }
        if self.outstanding_max == 0 {
            return bad("outstanding_max", 0, "1 or more");
        }
        Ok(())
    }
}

/// What a balancer refuses.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BalancerError {
    /// A setting is out of range.
    #[error("setting `{setting}` is {found}, expected {expected}")]
    Settings {
        /// Which.
        setting: &'static str,
        /// Its value.
        found: u128,
        /// What it may be.
        expected: &'static str,
    },
    /// A name is empty or too long.
    #[error("name of a worker has {bytes} bytes, expected 1 to 256")]
    Name {
        /// Its length.
        bytes: usize,
    },
    /// A weight is out of range.
    #[error("worker `{worker}` has weight {weight}, expected 1 to 65536")]
    Weight {
        /// Whose.
        worker: Arc<str>,
        /// Its value.
        weight: u32,
    },
    /// The worker is in already.
    #[error(
        "worker `{worker}` is in already; to change its weight use `weigh`, to begin anew let it leave first"
    )]
    Known {
        /// Which.
        worker: Arc<str>,
    },
    /// No worker of that name is in.
    #[error("worker `{worker}` is not in")]
    Unknown {
        /// Which.
        worker: Arc<str>,
    },
    /// No more workers are taken.
    #[error("worker `{worker}` would be one too many, at most {max} may be in (`workers_max`)")]
    TooMany {
        /// Which.
        worker: Arc<str>,
        /// How many may be in.
        max: u32,
    },
    /// Nobody has joined.
    #[error("there are no workers")]
    Empty,
    /// Nobody can take a request now.
    #[error("no worker is free: {full} have as many requests as they may have, {excluded} are on probation")]
    Busy {
        /// With as many requests as they may have.
        full: usize,
        /// On probation.
        excluded: usize,
        /// When the next of these is tried.
        next: Option<Timestamp>,
    },
    /// The ticket's worker has left; nothing has to be done.
    #[error("worker `{worker}` has left since the request was sent")]
    Gone {
        /// Which.
        worker: Arc<str>,
    },
    /// What was kept cannot be continued.
    #[error("kept state of a balancer is not sound: {reason}")]
    Saved {
        /// What is wrong.
        reason: String,
    },
}
