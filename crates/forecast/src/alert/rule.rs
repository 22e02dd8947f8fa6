//! One rule on one stream: when an alert begins, when it is over, what people said about it.

use super::{AlertError, Effect, check_time};

/// Settings of an [`AlertRule`].
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct RuleSettings {
    /// Score at which the condition begins to hold.
    pub raise_at: f64,
    /// Score below which it no longer holds; at most `raise_at`. Between the two nothing changes (hysteresis).
    pub clear_at: f64,
    /// How long the condition must hold without a break before the alert is raised (`for` of Prometheus).
    pub hold_ms: u64,
    /// How long the condition must be absent before the alert is resolved (`keep_firing_for`).
    pub keep_ms: u64,
    /// Within this time after its end, the same condition continues the old alert instead of raising a new one.
    pub quiet_ms: u64,
    /// No value for so long is an alert of its own; `None`: absence is not watched.
    pub absent_ms: Option<u64>,
    /// Least deviation that matters.
    pub effect: Effect,
}

impl Default for RuleSettings {
    /// Raises at the ensemble's own threshold at once, resolves after five minutes below half of it, repeats within half an hour are
    /// the same alert, fifteen minutes without data are an alert.
    fn default() -> Self {
        Self {
            raise_at: 11.0,
            clear_at: 5.5,
            hold_ms: 0,
            keep_ms: 300_000,
            quiet_ms: 1_800_000,
            absent_ms: Some(900_000),
            effect: Effect::default(),
        }
    }
}

impl RuleSettings {
    /// Score that raises; clears at half of it.
    #[must_use]
    pub fn with_raise_at(mut self, score: f64) -> Self {
        self.raise_at = score;
        self.clear_at = score / 2.0;
        self
    }

    /// Score below which the condition ends.
    #[must_use]
    pub fn with_clear_at(mut self, score: f64) -> Self {
        self.clear_at = score;
        self
    }

    /// How long the condition must hold.
    #[must_use]
    pub fn with_hold_ms(mut self, time: u64) -> Self {
        self.hold_ms = time;
        self
    }

    /// How long the condition must be absent.
    #[must_use]
    pub fn with_keep_ms(mut self, time: u64) -> Self {
        self.keep_ms = time;
        self
    }

    /// Time in which a repetition continues the old alert.
    #[must_use]
    pub fn with_quiet_ms(mut self, time: u64) -> Self {
        self.quiet_ms = time;
        self
    }

    /// Time without data that is an alert; `None` for never.
    #[must_use]
    pub fn with_absent_ms(mut self, time: Option<u64>) -> Self {
        self.absent_ms = time;
        self
    }

    /// Least deviation that matters.
    #[must_use]
    pub fn with_effect(mut self, effect: Effect) -> Self {
        self.effect = effect;
        self
    }
}

/// What is known at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[expect(clippy::exhaustive_structs, reason = "plain input")]
pub struct Sample {
    /// Score of a detector, or the metric itself for fixed thresholds. NaN: no data.
    pub score: f64,
    /// The metric; NaN: no data.
    pub value: f64,
    /// What was expected of it.
    pub expected: f64,
}

impl Sample {
    /// A score alone: the deviation is the score itself.
    pub fn scored(score: f64) -> Self {
        Self { score, value: score, expected: 0.0 }
    }

    /// The verdict of a detector.
    pub fn of(score: &crate::anomaly::Score) -> Self {
        let missing = score.judgement == crate::anomaly::Judgement::Missing;
        Self {
            score: if missing { f64::NAN } else { score.severity },
            value: score.value,
            expected: score.expected,
        }
    }
}

/// What an alert is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum AlertCause {
    /// The score reached the threshold.
    Score,
    /// There are no data.
    Absent,
}

/// An alert.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Alert {
    /// Number within the rule, from 0; the same while an alert is continued.
    pub number: u64,
    /// What it is about.
    pub cause: AlertCause,
    /// When the condition began (the last data, for absence).
    pub began_at_ms: u64,
    /// When it was raised.
    pub raised_at_ms: u64,
    /// Highest score so far (of this event).
    pub peak: f64,
    /// Times it was continued within the quiet time instead of being raised anew.
    pub repeats: u32,
}

/// Something that people or machines must be told.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum AlertChange {
    /// A new alert.
    Raised(Alert),
    /// It is over.
    Resolved(Alert),
}

/// What people said about the last alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Feedback {
    /// It was right: the threshold goes a tenth back towards, and below, its setting (not below half of it).
    Confirmed,
    /// It was noise: the threshold rises by a quarter, and above the peak of that alert if this is less than twice as much
    /// (not above eight times the setting).
    FalseAlarm,
    /// Nothing more until then; what happens meanwhile is followed, and told afterwards if it still goes on.
    MuteUntil(u64),
}

#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum State {
    Idle,
    /// The condition holds since, with the highest score.
    Pending {
        since: u64,
        peak: f64,
    },
    Firing {
        alert: Alert,
        told: bool,
    },
    /// The condition is absent since.
    Fading {
        alert: Alert,
        told: bool,
        since: u64,
    },
}

/// A rule on one stream: duration, hysteresis, one alert per event, missing data, feedback.
///
/// The condition begins at `raise_at · factor` (with an effect that matters) and ends below `clear_at · factor`; the factor is 1 until
/// feedback moves it. It must hold for `hold_ms` to raise, be absent for `keep_ms` to resolve, and within `quiet_ms` after that
/// the same event goes on silently. Data that fail to come for `absent_ms` raise an alert of their own, once,
/// resolved by the next value; a gap neither raises nor resolves an alert of the score. O(1) per sample, no allocation.
///
/// # References
/// Prometheus, alerting rules (`for`, `keep_firing_for`); Schmitt (1938) for two thresholds.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AlertRule {
    settings: RuleSettings,
    factor: f64,
    muted_until: u64,
    last: Option<u64>,
    last_data: Option<u64>,
    state: State,
    absent: Option<(Alert, bool)>,
    ended: Option<(Alert, u64)>,
    next: u64,
}

/// Bounds of the factor that feedback moves.
const FACTORS: (f64, f64) = (0.5, 8.0);

impl AlertRule {
    /// A rule that has seen nothing.
    pub fn new(settings: &RuleSettings) -> Result<Self, AlertError> {
        settings.effect.check()?;
        let refuse = |name, value, expected| Err(AlertError::Setting { name, value, expected });
        if !(settings.raise_at > 0.0 && settings.raise_at.is_finite()) {
            return refuse("raise_at", settings.raise_at, "a positive number");
        }
        if !(settings.clear_at >= 0.0 && settings.clear_at <= settings.raise_at) {
            return refuse("clear_at", settings.clear_at, "a number from 0 to `raise_at`");
        }
        if settings.absent_ms == Some(0) {
            return refuse("absent_ms", 0.0, "at least 1 ms, or `None`");
        }
        Ok(Self {
            settings: settings.clone(),
            factor: 1.0,
            muted_until: 0,
            last: None,
            last_data: None,
            state: State::Idle,
            absent: None,
            ended: None,
            next: 0,
        })
    }

    /// Score that raises now, feedback included.
    pub fn threshold(&self) -> f64 {
        self.settings.raise_at * self.factor
    }

    /// The alert of the score that is going on.
    pub fn active(&self) -> Option<Alert> {
        match self.state {
            State::Firing { alert, .. } | State::Fading { alert, .. } => Some(alert),
            State::Idle | State::Pending { .. } => None,
        }
    }

    /// The alert of missing data that is going on.
    pub fn absent(&self) -> Option<Alert> {
        self.absent.map(|(alert, _)| alert)
    }

    /// Takes in what is known now. At most one change is reported; the end of absence goes before the score, which is judged
    /// at the next sample then.
    pub fn observe(&mut self, at_ms: u64, sample: &Sample) -> Result<Option<AlertChange>, AlertError> {
        check_time(&mut self.last, at_ms)?;
        if sample.score.is_nan() || sample.value.is_nan() {
            return Ok(self.absence(at_ms));
        }
        self.last_data = Some(at_ms);
        if let Some((alert, told)) = self.absent.take()
            && told
        {
            return Ok(Some(AlertChange::Resolved(alert)));
        }
        Ok(self.judge(at_ms, sample))
    }

    /// Lets time pass without a sample, so that absence is noticed.
    pub fn tick(&mut self, at_ms: u64) -> Result<Option<AlertChange>, AlertError> {
        check_time(&mut self.last, at_ms)?;
        Ok(self.absence(at_ms))
    }

    fn absence(&mut self, at_ms: u64) -> Option<AlertChange> {
        // Absence counts from the first sign of life, even if that was a missing value.
        let since = *self.last_data.get_or_insert(at_ms);
        let limit = self.settings.absent_ms?;
        if let Some((alert, false)) = self.absent
            && at_ms >= self.muted_until
        {
            self.absent = Some((alert, true));
            return Some(AlertChange::Raised(alert));
        }
        if self.absent.is_some() || at_ms - since < limit {
            return None;
        }
        let alert = self.number(AlertCause::Absent, since, at_ms, 0.0);
        let told = at_ms >= self.muted_until;
        self.absent = Some((alert, told));
        told.then_some(AlertChange::Raised(alert))
    }

    fn number(&mut self, cause: AlertCause, began_at_ms: u64, raised_at_ms: u64, peak: f64) -> Alert {
        let number = self.next;
        self.next = self.next.saturating_add(1);
        Alert { number, cause, began_at_ms, raised_at_ms, peak, repeats: 0 }
    }

    fn judge(&mut self, at_ms: u64, sample: &Sample) -> Option<AlertChange> {
        let matters = self.settings.effect.matters(sample.value, sample.expected);
        let raised = matters && sample.score >= self.threshold();
        let holds = matters && sample.score >= self.settings.clear_at * self.factor;
        match self.state {
            State::Idle if raised => self.begin(at_ms, at_ms, sample.score),
            State::Idle => None,
            State::Pending { since, peak } if holds => self.begin(since, at_ms, peak.max(sample.score)),
            State::Pending { .. } => {
                self.state = State::Idle;
                None
            }
            State::Firing { mut alert, told } => {
                alert.peak = alert.peak.max(sample.score);
                if holds {
                    // What began while muted and still goes on is told when the silence is over.
                    let tell = !told && alert.repeats == 0 && at_ms >= self.muted_until;
                    self.state = State::Firing { alert, told: told || tell };
                    return tell.then_some(AlertChange::Raised(alert));
                }
                self.fade(alert, told, at_ms, at_ms)
            }
            // While it fades only a fresh rise counts, or the lower threshold would never let it go.
            State::Fading { mut alert, told, .. } if raised => {
                alert.peak = alert.peak.max(sample.score);
                self.state = State::Firing { alert, told };
                None
            }
            State::Fading { alert, told, since } => self.fade(alert, told, since, at_ms),
        }
    }

    fn begin(&mut self, since: u64, at_ms: u64, peak: f64) -> Option<AlertChange> {
        if at_ms - since < self.settings.hold_ms {
            self.state = State::Pending { since, peak };
            return None;
        }
        let quiet = self.settings.quiet_ms;
        if let Some((mut alert, _)) = self.ended.filter(|(_, end)| at_ms - end < quiet) {
            alert.repeats = alert.repeats.saturating_add(1);
            alert.peak = alert.peak.max(peak);
            self.ended = None;
            self.state = State::Firing { alert, told: false };
            return None;
        }
        let alert = self.number(AlertCause::Score, since, at_ms, peak);
        let told = at_ms >= self.muted_until;
        self.state = State::Firing { alert, told };
        told.then_some(AlertChange::Raised(alert))
    }

    fn fade(&mut self, alert: Alert, told: bool, since: u64, at_ms: u64) -> Option<AlertChange> {
        if at_ms - since < self.settings.keep_ms {
            self.state = State::Fading { alert, told, since };
            return None;
        }
        self.state = State::Idle;
        self.ended = Some((alert, at_ms));
        told.then_some(AlertChange::Resolved(alert))
    }

    /// Learns what people said about the last alert (the one going on, or the last that ended).
    pub fn feedback(&mut self, said: Feedback) {
        let last = self.active().or_else(|| self.ended.map(|(alert, _)| alert));
        match said {
            Feedback::Confirmed => self.factor = (self.factor * 0.9).max(FACTORS.0),
            Feedback::FalseAlarm => {
                let enough = last.map_or(0.0, |a| a.peak * 1.01 / self.settings.raise_at);
                let wanted = if enough <= 2.0 * self.factor { enough } else { 0.0 };
                self.factor = (self.factor * 1.25).max(wanted).min(FACTORS.1);
            }
            Feedback::MuteUntil(at_ms) => self.muted_until = at_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000;

    fn rule(settings: &RuleSettings) -> AlertRule {
        AlertRule::new(settings).unwrap()
    }

    /// Minutes at which something was told, for scores of one minute each.
    fn told(rule: &mut AlertRule, from: u64, scores: &[f64]) -> Vec<(u64, bool)> {
        let mut changes = Vec::new();
        for (i, &score) in scores.iter().enumerate() {
            let minute = from + i as u64;
            match rule.observe(minute * MINUTE, &Sample::scored(score)).unwrap() {
                Some(AlertChange::Raised(_)) => changes.push((minute, true)),
                Some(AlertChange::Resolved(_)) => changes.push((minute, false)),
                None => {}
            }
        }
        changes
    }

    fn plain() -> RuleSettings {
        RuleSettings::default().with_raise_at(10.0).with_keep_ms(0).with_quiet_ms(0)
    }

    #[test]
    fn a_condition_must_hold_for_its_duration_without_a_break() {
        let mut rule = rule(&plain().with_hold_ms(3 * MINUTE));
        assert_eq!(
            told(&mut rule, 0, &[0., 12., 12., 1., 12., 12., 12., 12., 12., 1.]),
            [(7, true), (9, false)]
        );
    }

    #[test]
    fn between_the_thresholds_nothing_changes() {
        let mut rule = rule(&plain());
        assert_eq!(told(&mut rule, 0, &[7., 11., 7., 9., 6., 11., 4., 7.]), [(1, true), (6, false)]);
    }

    #[test]
    fn a_flapping_event_is_one_alert() {
        let mut rule = rule(&plain().with_keep_ms(2 * MINUTE).with_quiet_ms(10 * MINUTE));
        let scores: Vec<f64> = (0..40).map(|i| if i % 4 < 2 { 15.0 } else { 0.0 }).collect();
        let changes = told(&mut rule, 0, &scores);
        assert_eq!(changes.iter().filter(|c| c.1).count(), 1, "{changes:?}");
        let mut after = told(&mut rule, 40, &[0.0; 30]);
        after.extend(told(&mut rule, 70, &[15.0]));
        assert_eq!(after.last(), Some(&(70, true)), "after the quiet time it is a new one");
    }

    #[test]
    fn missing_data_are_one_alert_and_a_gap_does_not_resolve_another() {
        let mut rule = rule(&plain().with_absent_ms(Some(5 * MINUTE)));
        assert_eq!(told(&mut rule, 0, &[12.0]), [(0, true)]);
        let mut raised = 0;
        for minute in 1..20 {
            if let Some(AlertChange::Raised(alert)) = rule.tick(minute * MINUTE).unwrap() {
                assert_eq!((alert.cause, minute, alert.began_at_ms), (AlertCause::Absent, 5, 0));
                raised += 1;
            }
        }
        assert!(raised == 1 && rule.active().is_some() && rule.absent().is_some());
        assert!(matches!(
            rule.observe(20 * MINUTE, &Sample::scored(1.0)).unwrap(),
            Some(AlertChange::Resolved(Alert { cause: AlertCause::Absent, .. }))
        ));
        assert_eq!(told(&mut rule, 21, &[1.0]), [(21, false)]);
    }

    #[test]
    fn feedback_moves_the_threshold_within_bounds() {
        let mut rule = rule(&plain());
        told(&mut rule, 0, &[14.0, 0.0]);
        rule.feedback(Feedback::FalseAlarm);
        assert!((rule.threshold() - 14.14).abs() < 1e-9);
        assert!(told(&mut rule, 2, &[14.0, 0.0]).is_empty(), "the same noise no longer alarms");
        (0..100).for_each(|_| rule.feedback(Feedback::FalseAlarm));
        assert!((rule.threshold() - 80.0).abs() < 1e-9);
        (0..100).for_each(|_| rule.feedback(Feedback::Confirmed));
        assert!((rule.threshold() - 5.0).abs() < 1e-9);
    }

    #[test]
    fn a_huge_false_alarm_does_not_blind_the_rule() {
        let mut rule = rule(&plain());
        told(&mut rule, 0, &[1000.0, 0.0]);
        rule.feedback(Feedback::FalseAlarm);
        assert!((rule.threshold() - 12.5).abs() < 1e-9);
    }

    #[test]
    fn muted_alerts_are_followed_but_not_told() {
        let mut rule = rule(&plain());
        rule.feedback(Feedback::MuteUntil(5 * MINUTE));
        assert!(told(&mut rule, 0, &[0., 12., 12., 0.]).is_empty());
        assert_eq!(told(&mut rule, 5, &[12., 0.]), [(5, true), (6, false)]);
        rule.feedback(Feedback::MuteUntil(9 * MINUTE));
        assert_eq!(
            told(&mut rule, 7, &[12., 12., 12., 0.]),
            [(9, true), (10, false)],
            "an outage outlives the silence"
        );
    }

    #[test]
    fn small_effects_do_not_alert_whatever_the_score() {
        let mut rule = rule(&plain().with_effect(Effect::default().with_absolute(5.0)));
        let sample = |value| Sample { score: 50.0, value, expected: 1.0 };
        assert!(rule.observe(0, &sample(3.0)).unwrap().is_none());
        assert!(rule.observe(1, &sample(7.0)).unwrap().is_some());
    }

    #[test]
    fn wrong_settings_and_times_are_refused() {
        assert!(AlertRule::new(&plain().with_raise_at(0.0)).is_err());
        assert!(AlertRule::new(&plain().with_clear_at(11.0)).is_err());
        assert!(AlertRule::new(&plain().with_absent_ms(Some(0))).is_err());
        let mut rule = rule(&plain());
        rule.observe(10, &Sample::scored(1.0)).unwrap();
        assert_eq!(rule.tick(9), Err(AlertError::Time { at_ms: 9, last_ms: 10 }));
    }
}
