//! Typed parameters of features and their spelling in feature names.

use std::fmt::Write as _;

/// A number that remembers whether it was written as an integer (`1`) or as a float (`1.0`), because both spellings
/// occur in feature names and name different columns.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a spelling is an integer or a float, nothing else")]
pub enum Number {
    /// Written without a decimal point.
    Int(i64),
    /// Written with a decimal point or an exponent.
    Float(f64),
}

impl Number {
    /// The numeric value.
    pub fn value(self) -> f64 {
        match self {
            Self::Int(v) => v as f64,
            Self::Float(v) => v,
        }
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<f64> for Number {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

/// A parameter type that can be spelled in, and read from, a feature name.
pub(crate) trait Parameter: Sized {
    fn write(&self, out: &mut String);
    fn read(text: &str) -> Option<Self>;
    /// What a name without this parameter means; `None` when it must be there.
    fn absent() -> Option<Self> {
        None
    }
    /// Whether the value is spelled by leaving the parameter out.
    fn is_absent(&self) -> bool {
        false
    }
}

impl Parameter for usize {
    fn write(&self, out: &mut String) {
        let _ = write!(out, "{self}");
    }

    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Parameter for bool {
    fn write(&self, out: &mut String) {
        out.push_str(if *self { "True" } else { "False" });
    }

    fn read(text: &str) -> Option<Self> {
        match text {
            "True" => Some(true),
            "False" => Some(false),
            _ => None,
        }
    }
}

impl Parameter for f64 {
    fn write(&self, out: &mut String) {
        write_float(*self, out);
    }

    fn read(text: &str) -> Option<Self> {
        text.parse::<Self>().ok().filter(|v| v.is_finite())
    }
}

impl Parameter for Number {
    fn write(&self, out: &mut String) {
        match self {
            Self::Int(v) => {
                let _ = write!(out, "{v}");
            }
            Self::Float(v) => write_float(*v, out),
        }
    }

    fn read(text: &str) -> Option<Self> {
        text.parse().map(Self::Int).ok().or_else(|| f64::read(text).map(Self::Float))
    }
}

/// A tuple of wavelet widths, spelled `(2, 5, 10, 20)`.
impl Parameter for Vec<usize> {
    fn write(&self, out: &mut String) {
        out.push('(');
        for (i, v) in self.iter().enumerate() {
            let _ = write!(out, "{}{v}", if i == 0 { "" } else { ", " });
        }
        out.push_str(if self.len() == 1 { ",)" } else { ")" });
    }

    fn read(text: &str) -> Option<Self> {
        let inner = text.strip_prefix('(')?.strip_suffix(')')?;
        let inner = inner.strip_suffix(',').unwrap_or(inner);
        inner.split(',').map(|t| t.trim().parse().ok()).collect()
    }
}

/// The shortest spelling that reads back to the same number, in the notation used by feature names: `0.5`, `1e-05`,
/// `1000000000000.0`.
fn write_float(v: f64, out: &mut String) {
    let magnitude = v.abs();
    if magnitude != 0.0 && !(1e-4..1e16).contains(&magnitude) {
        let text = format!("{v:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((text.as_str(), "0"));
        let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |d| ('-', d));
        let _ = write!(out, "{mantissa}e{sign}{digits:0>2}");
    } else if v == v.trunc() {
        let _ = write!(out, "{v:.1}");
    } else {
        let _ = write!(out, "{v}");
    }
}

/// Declares an enum whose values are spelled as quoted words in feature names.
macro_rules! word {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        #[non_exhaustive]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl Parameter for $name {
            fn write(&self, out: &mut String) {
                out.push('"');
                out.push_str(match self { $(Self::$variant => $text),+ });
                out.push('"');
            }

            fn read(text: &str) -> Option<Self> {
                match text.strip_prefix('"')?.strip_suffix('"')? {
                    $($text => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

word! {
    /// A statistic that reduces many values to one.
    Aggregate {
        /// Largest value.
        Max = "max",
        /// Smallest value.
        Min = "min",
        /// Arithmetic mean.
        Mean = "mean",
        /// Middle value (mean of the two middle ones for an even count).
        Median = "median",
        /// Population variance (divisor n).
        Var = "var",
        /// Population standard deviation (divisor n).
        Std = "std",
    }
}

word! {
    /// Which figure of a straight-line regression is wanted.
    TrendAttribute {
        /// Two-sided p-value of the slope being zero.
        PValue = "pvalue",
        /// Correlation coefficient.
        RValue = "rvalue",
        /// Value of the line at time zero.
        Intercept = "intercept",
        /// Rise per step.
        Slope = "slope",
        /// Standard error of the slope.
        StdErr = "stderr",
    }
}

word! {
    /// Which figure of the augmented Dickey–Fuller test is wanted.
    DickeyFullerAttribute {
        /// The t statistic of the level term.
        TestStat = "teststat",
        /// `MacKinnon`'s approximate p-value.
        PValue = "pvalue",
        /// Number of lagged differences in the chosen regression.
        UsedLag = "usedlag",
    }
}

word! {
    /// How the lag order of the Dickey–Fuller regression is chosen.
    AutoLag {
        /// Smallest Akaike information criterion.
        Aic = "AIC",
        /// Smallest Bayesian information criterion.
        Bic = "BIC",
    }
}

word! {
    /// Moment of the absolute Fourier spectrum seen as a distribution over frequencies.
    SpectrumMoment {
        /// Mean frequency index.
        Centroid = "centroid",
        /// Variance around the centroid.
        Variance = "variance",
        /// Skewness; NaN when the variance is below 0.5.
        Skew = "skew",
        /// Kurtosis; NaN when the variance is below 0.5.
        Kurtosis = "kurtosis",
    }
}

word! {
    /// Which part of a Fourier coefficient is wanted.
    FourierPart {
        /// Real part.
        Real = "real",
        /// Imaginary part.
        Imag = "imag",
        /// Absolute value.
        Abs = "abs",
        /// Angle in degrees.
        Angle = "angle",
    }
}

word! {
    /// Which figure of the matrix profile is wanted.
    ProfileFigure {
        /// Smallest distance: the best pair.
        Min = "min",
        /// Largest distance: the stretch least like any other.
        Max = "max",
        /// Mean distance.
        Mean = "mean",
        /// Middle distance.
        Median = "median",
        /// Lower quartile.
        Quarter = "25",
        /// Upper quartile.
        ThreeQuarters = "75",
    }
}

/// Length of the stretches of a matrix profile; absent from the name when the longest useful one is looked for.
impl Parameter for Option<usize> {
    fn write(&self, out: &mut String) {
        if let Some(v) = self {
            v.write(out);
        }
    }

    fn read(text: &str) -> Option<Self> {
        usize::read(text).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }

    fn is_absent(&self) -> bool {
        self.is_none()
    }
}

/// The query of [`Feature::QuerySimilarityCount`](super::Feature::QuerySimilarityCount): a list of values, spelled
/// `[1.0, 2.5, 2.0]`, or `None`, with which the feature is NaN by definition.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Query {
    /// No query given.
    #[default]
    None,
    /// The values to look for, at least three.
    Values(Vec<f64>),
}

impl Parameter for Query {
    fn write(&self, out: &mut String) {
        let Self::Values(values) = self else {
            out.push_str("None");
            return;
        };
        out.push('[');
        for (i, v) in values.iter().enumerate() {
            out.push_str(if i == 0 { "" } else { ", " });
            write_float(*v, out);
        }
        out.push(']');
    }

    fn read(text: &str) -> Option<Self> {
        if text == "None" {
            return Some(Self::None);
        }
        let inner = text.strip_prefix('[')?.strip_suffix(']')?;
        inner.split(',').map(|t| f64::read(t.trim())).collect::<Option<_>>().map(Self::Values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelled(v: f64) -> String {
        let mut out = String::new();
        write_float(v, &mut out);
        out
    }

    #[test]
    fn floats_are_spelled_as_in_feature_names() {
        for (value, text) in [
            (0.0, "0.0"),
            (0.1, "0.1"),
            (0.15000000000000002, "0.15000000000000002"),
            (1e12, "1000000000000.0"),
            (-1e12, "-1000000000000.0"),
            (1e16, "1e+16"),
            (1.5e-5, "1.5e-05"),
            (2.0, "2.0"),
        ] {
            assert_eq!(spelled(value), text);
            assert_eq!(f64::read(text), Some(value));
        }
    }

    #[test]
    fn tuples_of_widths_read_back() {
        for widths in [vec![2, 5, 10, 20], vec![7]] {
            let mut out = String::new();
            widths.write(&mut out);
            assert_eq!(Vec::read(&out), Some(widths));
        }
    }
}
