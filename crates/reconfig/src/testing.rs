//! Only in this crate's own tests: guards that can be switched off, to show that each is needed.

/// Which guards are on.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches")]
pub(crate) struct Guards {
    pub(crate) fencing: bool,
    pub(crate) reservation: bool,
    pub(crate) budget: bool,
    pub(crate) approval: bool,
    pub(crate) idempotence: bool,
    pub(crate) journal_first: bool,
}

impl Default for Guards {
    fn default() -> Self {
        Self {
            fencing: true,
            reservation: true,
            budget: true,
            approval: true,
            idempotence: true,
            journal_first: true,
        }
    }
}
