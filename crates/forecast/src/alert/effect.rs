//! The smallest deviation that matters.

use super::AlertError;

/// Deviations that count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Side {
    /// Upwards and downwards.
    #[default]
    Either,
    /// Only above what was expected: latency, errors, queue lengths.
    Above,
    /// Only below: throughput, free space, success rates.
    Below,
}

/// The least deviation from the expected value that is worth an alert, whatever its statistical surprise.
///
/// A server whose processor use is 0.2 ± 0.01 % is surprised by 0.4 %; nobody wants to know. All conditions must hold:
/// `|value − expected| ≥ absolute`, `|value − expected| ≥ relative · |expected|`, and the right side. The default lets everything
/// through. Missing values never matter here; absence is a matter of the rule.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Effect {
    /// Least distance in the unit of the metric, 0 or more.
    pub absolute: f64,
    /// Least distance as a share of the expected value, 0 or more (0.1 is ten percent).
    pub relative: f64,
    /// Side that matters.
    pub side: Side,
}

impl Effect {
    /// Least distance in the unit of the metric.
    #[must_use]
    pub fn with_absolute(mut self, least: f64) -> Self {
        self.absolute = least;
        self
    }

    /// Least distance as a share of the expected value.
    #[must_use]
    pub fn with_relative(mut self, least: f64) -> Self {
        self.relative = least;
        self
    }

    /// Side that matters.
    #[must_use]
    pub fn with_side(mut self, side: Side) -> Self {
        self.side = side;
        self
    }

    pub(super) fn check(&self) -> Result<(), AlertError> {
        for (name, value) in [("absolute", self.absolute), ("relative", self.relative)] {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(AlertError::Setting { name, value, expected: "a number of at least 0" });
            }
        }
        Ok(())
    }

    /// True when the value is far enough from the expected one, on the right side.
    pub fn matters(&self, value: f64, expected: f64) -> bool {
        if value.is_nan() || expected.is_nan() {
            return false;
        }
        let distance = value - expected;
        let right = match self.side {
            Side::Either => true,
            Side::Above => distance > 0.0,
            Side::Below => distance < 0.0,
        };
        right && distance.abs() >= self.absolute && distance.abs() >= self.relative * expected.abs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_condition_alone_can_hold_an_alert_back() {
        let effect = Effect::default().with_absolute(5.0).with_relative(0.1).with_side(Side::Above);
        assert!(effect.matters(120.0, 100.0));
        assert!(!effect.matters(80.0, 100.0), "wrong side");
        assert!(!effect.matters(104.0, 100.0), "less than 5");
        assert!(!effect.matters(1010.0, 1000.0), "less than a tenth");
        assert!(!effect.matters(f64::NAN, 1.0) && !effect.matters(1.0, f64::NAN));
        assert!(Effect::default().matters(1.0, 1.0), "the default lets everything through");
        assert!(Effect::default().matters(f64::INFINITY, 1.0));
    }

    #[test]
    fn impossible_effects_are_refused() {
        assert!(Effect::default().with_absolute(-1.0).check().is_err());
        assert!(Effect::default().with_relative(f64::NAN).check().is_err());
    }
}
