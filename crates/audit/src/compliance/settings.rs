//! Limits of the checks.

/// Limits that a standard leaves to the organisation. What a control itself prescribes (a review a day, a year of records) is in the
/// control, see [`Limit`](super::Limit).
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Settings {
    /// How far the log may begin after the start of the period, or end before its end; default 1 day.
    pub coverage_tolerance_ms: u64,
    /// Accounts that are shared; their use needs `on_behalf_of`.
    pub shared_accounts: Vec<String>,
    /// How far an entry may be older than the one before; default 1 s.
    pub step_back_ms: u64,
    /// Largest clock offset that a synchronisation may report; default 1 s (PCI DSS asks for consistency, not a number).
    pub clock_offset_ms: u64,
    /// Expected time between heartbeats of a component; three of them may be missed. `None` = no heartbeats are expected.
    pub heartbeat_ms: Option<u64>,
    /// Largest time between two checkpoints; default 1 day.
    pub checkpoint_interval_ms: u64,
    /// Cosignatures that each checkpoint needs; default 0.
    pub witnesses: u32,
    /// Largest time between two reviews where the control does not say; default 7 days.
    pub review_interval_ms: u64,
    /// Time to close a finding; default 30 days.
    pub finding_sla_ms: u64,
    /// Denied attempts of one actor within an hour that count as a burst; default 10.
    pub burst: u32,
    /// Time within which a burst or an emergency change has to be reviewed; default 7 days.
    pub late_review_ms: u64,
    /// Categories whose entries are privileged actions and need a decision.
    pub privileged_categories: Vec<String>,
    /// Oldest key in use; default 365 days.
    pub key_age_ms: u64,
    /// Oldest recovery test; default 365 days.
    pub recovery_test_age_ms: u64,
    /// Entries that may not yet have been forwarded; default 10,000.
    pub forward_lag: u64,
    /// Days to complete an erasure; default 30 (GDPR Art. 12(3)).
    pub erasure_days: u64,
    /// Hours from detection to notice; default 72 (GDPR Art. 33).
    pub notice_hours: u64,
    /// Samples per check; default 10.
    pub samples: usize,
}

impl Default for Settings {
    fn default() -> Self {
        const DAY: u64 = crate::civil::DAY_MS;
        let names = |list: &[&str]| list.iter().map(|&n| n.to_owned()).collect();
        Self {
            coverage_tolerance_ms: DAY,
            shared_accounts: names(&["root", "admin", "administrator", "guest", "shared", "operator"]),
            step_back_ms: 1_000,
            clock_offset_ms: 1_000,
            heartbeat_ms: None,
            checkpoint_interval_ms: DAY,
            witnesses: 0,
            review_interval_ms: 7 * DAY,
            finding_sla_ms: 30 * DAY,
            burst: 10,
            late_review_ms: 7 * DAY,
            privileged_categories: names(&["change", "configuration"]),
            key_age_ms: 365 * DAY,
            recovery_test_age_ms: 365 * DAY,
            forward_lag: 10_000,
            erasure_days: 30,
            notice_hours: 72,
            samples: 10,
        }
    }
}
