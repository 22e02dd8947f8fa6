//! Standards as data: controls and what they rest on.

mod gdpr;
mod hipaa;
mod iso27001;
mod nist;
mod pci;
mod soc2;

use core::fmt;
use core::str::FromStr;

use super::checks::{CheckId, Limit};

/// What the verdict of a control comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Basis {
    /// All of these checks.
    Checks(&'static [(CheckId, Limit)]),
    /// A statement of the host.
    Declared,
    /// Nothing that a log could show.
    NotAssessable,
}

/// One control of a standard, in our own words.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Control {
    /// Id as in the standard.
    pub id: &'static str,
    /// What it asks for, in short.
    pub about: &'static str,
    /// What its verdict comes from.
    pub basis: Basis,
}

/// A standard.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Standard {
    /// SOC 2, Trust Services Criteria 2017 with points of focus of 2022.
    Soc2,
    /// PCI DSS 4.0.1, requirement 10 and neighbours.
    PciDss,
    /// HIPAA Security Rule, 45 CFR 164.
    Hipaa,
    /// GDPR.
    Gdpr,
    /// ISO/IEC 27001:2022, annex A.
    Iso27001,
    /// NIST SP 800-53 rev. 5, audit and neighbouring families.
    Nist80053,
}

impl Standard {
    /// All standards.
    pub const ALL: [Self; 6] =
        [Self::Soc2, Self::PciDss, Self::Hipaa, Self::Gdpr, Self::Iso27001, Self::Nist80053];

    /// Short name: `soc2`, `pci`, `hipaa`, `gdpr`, `iso27001`, `nist`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Soc2 => "soc2",
            Self::PciDss => "pci",
            Self::Hipaa => "hipaa",
            Self::Gdpr => "gdpr",
            Self::Iso27001 => "iso27001",
            Self::Nist80053 => "nist",
        }
    }

    /// Full name with edition.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Soc2 => "SOC 2 (Trust Services Criteria 2017, revised points of focus 2022)",
            Self::PciDss => "PCI DSS v4.0.1",
            Self::Hipaa => "HIPAA Security Rule (45 CFR 164)",
            Self::Gdpr => "GDPR (Regulation (EU) 2016/679)",
            Self::Iso27001 => "ISO/IEC 27001:2022 Annex A",
            Self::Nist80053 => "NIST SP 800-53 rev. 5",
        }
    }

    /// The controls, in the order of the standard.
    pub const fn controls(self) -> &'static [Control] {
        match self {
            Self::Soc2 => soc2::CONTROLS,
            Self::PciDss => pci::CONTROLS,
            Self::Hipaa => hipaa::CONTROLS,
            Self::Gdpr => gdpr::CONTROLS,
            Self::Iso27001 => iso27001::CONTROLS,
            Self::Nist80053 => nist::CONTROLS,
        }
    }
}

impl fmt::Display for Standard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A standard of another name.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{name}` is not a standard: expected soc2, pci, hipaa, gdpr, iso27001 or nist")]
pub struct UnknownStandard {
    /// As given.
    pub name: String,
}

impl FromStr for Standard {
    type Err = UnknownStandard;

    fn from_str(name: &str) -> Result<Self, UnknownStandard> {
        let plain: String =
            name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
        Ok(match plain.as_str() {
            "soc2" => Self::Soc2,
            "pci" | "pcidss" => Self::PciDss,
            "hipaa" => Self::Hipaa,
            "gdpr" => Self::Gdpr,
            "iso27001" | "iso" => Self::Iso27001,
            "nist" | "nist80053" => Self::Nist80053,
            _ => return Err(UnknownStandard { name: name.chars().take(64).collect() }),
        })
    }
}

const fn on(id: &'static str, about: &'static str, checks: &'static [(CheckId, Limit)]) -> Control {
    Control { id, about, basis: Basis::Checks(checks) }
}

const fn declared(id: &'static str, about: &'static str) -> Control {
    Control { id, about, basis: Basis::Declared }
}

const fn outside(id: &'static str, about: &'static str) -> Control {
    Control { id, about, basis: Basis::NotAssessable }
}

/// The checks with the organisation's own limits, by name.
mod by_policy {
    use super::{CheckId, Limit};

    macro_rules! names {
        ($($name:ident $variant:ident)*) => {
            $(pub(super) const $name: (CheckId, Limit) = (CheckId::$variant, Limit::Policy);)*
        };
    }

    names! {
        INT1 Int1 INT2 Int2 INT3 Int3 INT4 Int4 FLD1 Fld1 FLD2 Fld2 TIM1 Tim1 COV1 Cov1 COV2 Cov2
        ACC1 Acc1 ACC2 Acc2 ACC3 Acc3 ACC4 Acc4 CHG1 Chg1 CHG2 Chg2 REV1 Rev1 REV2 Rev2
        RET1 Ret1 RET2 Ret2 CRY1 Cry1 INC1 Inc1 AVL1 Avl1 SOD1 Sod1 FWD1 Fwd1
    }
}
