//! What the models know and what happened lately: one summary, folded from a log of events.
//!
//! A host records events as they happen (or replays its log): the summary is the fold, so that it can be rebuilt, merged over shards
//! and compared with the log. All counters saturate; memory is one entry per model, at most [`MOST_MODELS`].

use crate::alert::{AlarmClass, AlarmKind, Feedback, Modality, Severity};
use std::collections::BTreeMap;

/// Most models that are listed; further ones are only counted.
pub const MOST_MODELS: usize = 10_000;

/// Something that happened to the models or was said by them.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Happening {
    /// A model was fitted.
    Trained {
        /// Its name.
        model: String,
        /// What it is: `ets`, `ensemble`, `failure model` …
        method: String,
        /// When.
        at_unix_ms: u64,
        /// Rows that it has learnt from.
        rows: u64,
        /// Its validation score, in the unit of the method; NaN when there is none.
        score: f64,
    },
    /// A model was found stale.
    Drifted {
        /// Its name.
        model: String,
        /// When.
        at_unix_ms: u64,
    },
    /// An alert was raised.
    Raised {
        /// Its class.
        class: AlarmClass,
        /// When.
        at_unix_ms: u64,
    },
    /// An alert ended.
    Resolved {
        /// When.
        at_unix_ms: u64,
    },
    /// Somebody judged an alert.
    Judged {
        /// What was said.
        feedback: Feedback,
        /// When.
        at_unix_ms: u64,
    },
}

/// What is known about one model.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ModelState {
    /// What it is.
    pub method: String,
    /// Times it was fitted.
    pub trainings: u64,
    /// When it was fitted last; `None`: never.
    pub trained_at_unix_ms: Option<u64>,
    /// Rows of the last training.
    pub rows: u64,
    /// Score of the last training, `None` when there is none.
    pub score: Option<f64>,
    /// Times it was found stale.
    pub drifts: u64,
    /// Found stale after its last training.
    pub stale: bool,
}

/// The summary of a log.
///
/// # Example
/// ```
/// use ecosystem_forecast::summary::{Happening, Summary};
/// let mut summary = Summary::default();
/// let trained = |at| Happening::Trained {
///     model: "checkout cpu".to_owned(), method: "ensemble".to_owned(), at_unix_ms: at, rows: 4032, score: 0.9,
/// };
/// summary.record(&trained(1_000));
/// summary.record(&Happening::Drifted { model: "checkout cpu".to_owned(), at_unix_ms: 2_000 });
/// assert_eq!(summary.stale(), ["checkout cpu"]);
/// summary.record(&trained(3_000));
/// assert!(summary.stale().is_empty() && summary.models["checkout cpu"].drifts == 1);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Summary {
    /// Models by name.
    pub models: BTreeMap<String, ModelState>,
    /// Events of models that were too many to list.
    pub unlisted: u64,
    /// Alerts raised, by severity.
    pub by_severity: BTreeMap<Severity, u64>,
    /// Alerts raised, by modality.
    pub by_modality: BTreeMap<Modality, u64>,
    /// Alerts raised, by kind.
    pub by_kind: BTreeMap<AlarmKind, u64>,
    /// Alerts that ended.
    pub resolved: u64,
    /// Alerts that somebody confirmed.
    pub confirmed: u64,
    /// Alerts that somebody called false.
    pub false_alarms: u64,
    /// Times somebody muted a rule.
    pub muted: u64,
    /// The newest event; `None`: nothing happened.
    pub last_at_unix_ms: Option<u64>,
}

fn count<K: Ord>(counts: &mut BTreeMap<K, u64>, key: K) {
    let n = counts.entry(key).or_default();
    *n = n.saturating_add(1);
}

impl Summary {
    /// The summary of a whole log.
    pub fn of<'a>(log: impl IntoIterator<Item = &'a Happening>) -> Self {
        let mut summary = Self::default();
        log.into_iter().for_each(|h| summary.record(h));
        summary
    }

    /// Takes in an event.
    pub fn record(&mut self, happening: &Happening) {
        let at = match happening {
            Happening::Trained { model, method, at_unix_ms, rows, score } => {
                if let Some(state) = self.model(model) {
                    state.method.clone_from(method);
                    state.trainings = state.trainings.saturating_add(1);
                    state.trained_at_unix_ms = Some(*at_unix_ms);
                    state.rows = *rows;
                    state.score = score.is_finite().then_some(*score);
                    state.stale = false;
                }
                at_unix_ms
            }
            Happening::Drifted { model, at_unix_ms } => {
                if let Some(state) = self.model(model) {
                    state.drifts = state.drifts.saturating_add(1);
                    state.stale = true;
                }
                at_unix_ms
            }
            Happening::Raised { class, at_unix_ms } => {
                count(&mut self.by_severity, class.severity);
                count(&mut self.by_modality, class.modality);
                count(&mut self.by_kind, class.kind);
                at_unix_ms
            }
            Happening::Resolved { at_unix_ms } => {
                self.resolved = self.resolved.saturating_add(1);
                at_unix_ms
            }
            Happening::Judged { feedback, at_unix_ms } => {
                let n = match feedback {
                    Feedback::Confirmed => &mut self.confirmed,
                    Feedback::FalseAlarm => &mut self.false_alarms,
                    Feedback::MuteUntil(_) => &mut self.muted,
                };
                *n = n.saturating_add(1);
                at_unix_ms
            }
        };
        self.last_at_unix_ms = self.last_at_unix_ms.max(Some(*at));
    }

    fn model(&mut self, name: &str) -> Option<&mut ModelState> {
        if !self.models.contains_key(name) && self.models.len() >= MOST_MODELS {
            self.unlisted = self.unlisted.saturating_add(1);
            return None;
        }
        Some(self.models.entry(name.to_owned()).or_default())
    }

    /// Alerts raised.
    pub fn raised(&self) -> u64 {
        self.by_severity.values().fold(0, |sum, n| sum.saturating_add(*n))
    }

    /// Share of the judged alerts that were right; `None` before anybody judged one.
    pub fn precision(&self) -> Option<f64> {
        let judged = self.confirmed.saturating_add(self.false_alarms);
        (judged > 0).then(|| self.confirmed as f64 / judged as f64)
    }

    /// Models that were found stale and not fitted since.
    pub fn stale(&self) -> Vec<&str> {
        self.models.iter().filter(|(_, m)| m.stale).map(|(name, _)| name.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security::{ActorEvent, Behaviour, BehaviourSettings};
    use proptest::prelude::*;

    fn class(n: u8) -> AlarmClass {
        // Classes come from verdicts only: make some of real ones.
        let mut usual = Behaviour::new(&BehaviourSettings::default()).unwrap();
        let mut findings = Vec::new();
        for m in 0..6000 {
            let e = ActorEvent { at_unix_ms: m * 60_000, actor: "a", action: "x", peer: None };
            findings.extend(usual.observe(&e).unwrap());
        }
        for _ in 0..=n {
            let e = ActorEvent { at_unix_ms: 6_000 * 60_000, actor: "a", action: "y", peer: None };
            findings.extend(usual.observe(&e).unwrap());
        }
        AlarmClass::of_finding(&findings[0], 5.0 / f64::from(1 + n % 8))
    }

    fn log() -> impl Strategy<Value = Vec<Happening>> {
        let classes = [class(0), class(3), class(7)];
        let one = (0_u8..7, 0_u64..1000, 0_usize..3).prop_map(move |(kind, at_unix_ms, k)| match kind {
            0 => Happening::Trained {
                model: format!("m{k}"),
                method: "ets".to_owned(),
                at_unix_ms,
                rows: at_unix_ms,
                score: 0.5,
            },
            1 => Happening::Drifted { model: format!("m{k}"), at_unix_ms },
            2 | 3 => Happening::Raised { class: classes[k], at_unix_ms },
            4 => Happening::Resolved { at_unix_ms },
            5 => Happening::Judged { feedback: Feedback::Confirmed, at_unix_ms },
            _ => Happening::Judged { feedback: Feedback::FalseAlarm, at_unix_ms },
        });
        prop::collection::vec(one, 0..80)
    }

    proptest! {
        #[test]
        fn every_counter_equals_a_direct_count_of_the_log(log in log()) {
            let summary = Summary::of(&log);
            let n = |pick: fn(&Happening) -> bool| log.iter().filter(|h| pick(h)).count() as u64;
            prop_assert_eq!(summary.raised(), n(|h| matches!(h, Happening::Raised { .. })));
            prop_assert_eq!(summary.by_modality.values().sum::<u64>(), summary.raised());
            prop_assert_eq!(summary.by_kind.values().sum::<u64>(), summary.raised());
            prop_assert_eq!(summary.resolved, n(|h| matches!(h, Happening::Resolved { .. })));
            prop_assert_eq!(summary.confirmed + summary.false_alarms, n(|h| matches!(h, Happening::Judged { .. })));
            let of = |pick: fn(&ModelState) -> u64| summary.models.values().map(pick).sum::<u64>();
            prop_assert_eq!(of(|m| m.trainings), n(|h| matches!(h, Happening::Trained { .. })));
            prop_assert_eq!(of(|m| m.drifts), n(|h| matches!(h, Happening::Drifted { .. })));
        }
    }

    #[cfg(feature = "serde")]
    #[test]
    fn the_summary_as_json_is_this() {
        let summary = Summary::of(&[
            Happening::Trained {
                model: "cpu".to_owned(),
                method: "ensemble".to_owned(),
                at_unix_ms: 5,
                rows: 4032,
                score: f64::NAN,
            },
            Happening::Drifted { model: "cpu".to_owned(), at_unix_ms: 9 },
            Happening::Raised { class: class(0), at_unix_ms: 7 },
            Happening::Judged { feedback: Feedback::Confirmed, at_unix_ms: 8 },
        ]);
        let text = serde_json::to_string(&summary).unwrap();
        assert_eq!(
            text,
            concat!(
                r#"{"models":{"cpu":{"method":"ensemble","trainings":1,"trained_at_unix_ms":5,"rows":4032,"#,
                r#""score":null,"drifts":1,"stale":true}},"unlisted":0,"by_severity":{"Low":1},"#,
                r#""by_modality":{"Security":1},"by_kind":{"Behaviour":1},"resolved":0,"confirmed":1,"#,
                r#""false_alarms":0,"muted":0,"last_at_unix_ms":9}"#
            )
        );
        assert_eq!(serde_json::from_str::<Summary>(&text).unwrap(), summary);
    }
}
