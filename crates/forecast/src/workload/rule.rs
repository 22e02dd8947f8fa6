//! Classes, their borders, and how sure a window is.

use crate::stats::{autocorrelations, mean, normal_quantile, variance};

/// The class of a workload.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[expect(clippy::exhaustive_enums, reason = "the five classes, and not knowing")]
pub enum WorkloadClass {
    /// The processor dominates.
    Compute,
    /// Memory dominates.
    Memory,
    /// Disk or network dominates.
    IoIntensive,
    /// Work, but nothing dominates.
    Balanced,
    /// Hardly any work (memory may be held).
    Idle,
    /// Too few values.
    Unknown,
}

/// The classes that can be told, in the order of probabilities.
const CLASSES: [WorkloadClass; 5] = [
    WorkloadClass::Compute,
    WorkloadClass::Memory,
    WorkloadClass::IoIntensive,
    WorkloadClass::Balanced,
    WorkloadClass::Idle,
];

/// Use at one moment, as shares of capacity (0 to 1, above 1 counts as 1); NaN where missing.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[expect(clippy::exhaustive_structs, reason = "plain input")]
pub struct Use {
    /// Processor.
    pub processor: f64,
    /// Memory.
    pub memory: f64,
    /// The busier of disk and network.
    pub io: f64,
}

/// A resource in a reason.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Resource {
    /// Processor.
    Processor,
    /// Memory.
    Memory,
    /// Disk or network.
    Io,
}

const RESOURCES: [Resource; 3] = [Resource::Processor, Resource::Memory, Resource::Io];

/// Why a window has its class.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Reason {
    /// A resource is used so many times as much as the next one.
    Dominates {
        /// The dominating resource.
        resource: Resource,
        /// Its mean share.
        share: f64,
        /// The next one.
        next: Resource,
        /// Mean share of the next one.
        next_share: f64,
    },
    /// The two most used resources are close to each other.
    Close {
        /// Most used.
        resource: Resource,
        /// Its mean share.
        share: f64,
        /// The next one.
        next: Resource,
        /// Its mean share.
        next_share: f64,
    },
    /// A resource is used less than the border of idleness.
    Quiet {
        /// The resource.
        resource: Resource,
        /// Its mean share.
        share: f64,
        /// The border.
        below: f64,
    },
    /// Too few values.
    TooFew {
        /// Complete values in the window.
        found: usize,
        /// Needed.
        needed: usize,
    },
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Dominates { resource, share, next, next_share } => write!(
                f,
                "{resource} use {share:.2} is {:.1} times that of {next} ({next_share:.2})",
                share / next_share.max(1e-3)
            ),
            Self::Close { resource, share, next, next_share } => {
                write!(f, "{resource} use {share:.2} and {next} use {next_share:.2} are close")
            }
            Self::Quiet { resource, share, below } => {
                write!(f, "{resource} use {share:.2} is below {below:.2}")
            }
            Self::TooFew { found, needed } => write!(f, "{found} complete values, {needed} are needed"),
        }
    }
}

impl std::fmt::Display for Resource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Processor => "processor",
            Self::Memory => "memory",
            Self::Io => "input/output",
        })
    }
}

/// A class, how sure, and why.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Verdict {
    /// The most probable class.
    pub class: WorkloadClass,
    /// Mean use over the window.
    pub mean: Use,
    /// Why, strongest first.
    pub reasons: Vec<Reason>,
    probabilities: [f64; 5],
}

impl Verdict {
    /// Probability of a class; 0 for [`WorkloadClass::Unknown`] unless that is the verdict.
    pub fn probability(&self, class: WorkloadClass) -> f64 {
        match CLASSES.iter().position(|c| *c == class) {
            Some(i) => self.probabilities[i],
            None => f64::from(u8::from(self.class == WorkloadClass::Unknown)),
        }
    }
}

/// Borders between classes.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct WorkloadRule {
    /// Idle when processor and input/output both stay below this share (default 0.10).
    pub idle_below: f64,
    /// A resource dominates when its share is at least so many times that of each other (default 1.5).
    pub dominance: f64,
    /// Fewest complete values in a window (default 10).
    pub least: usize,
}

impl Default for WorkloadRule {
    fn default() -> Self {
        Self { idle_below: 0.10, dominance: 1.5, least: 10 }
    }
}

/// Points of the normal distribution per resource, at the middles of equal shares: 9³ = 729 cases per window.
const POINTS: usize = 9;

impl WorkloadRule {
    /// The class of known mean shares (processor, memory, input/output).
    pub fn class_of(&self, shares: [f64; 3]) -> WorkloadClass {
        if shares[0] < self.idle_below && shares[2] < self.idle_below {
            return WorkloadClass::Idle;
        }
        let (first, second) = leaders(shares);
        if shares[first] >= self.dominance.max(1.0) * shares[second] {
            CLASSES[first]
        } else {
            WorkloadClass::Balanced
        }
    }

    /// Judges a window. Moments with a missing share are left out.
    pub fn classify(&self, window: &[Use]) -> Verdict {
        let complete: Vec<[f64; 3]> = window
            .iter()
            .map(|u| [u.processor, u.memory, u.io])
            .filter(|s| s.iter().all(|v| v.is_finite()))
            .map(|s| s.map(|v| v.clamp(0.0, 1.0)))
            .collect();
        let needed = self.least.max(2);
        if complete.len() < needed {
            let nan = Use { processor: f64::NAN, memory: f64::NAN, io: f64::NAN };
            let reasons = vec![Reason::TooFew { found: complete.len(), needed }];
            return Verdict { class: WorkloadClass::Unknown, mean: nan, reasons, probabilities: [0.0; 5] };
        }
        let columns = [0, 1, 2].map(|k| complete.iter().map(|s| s[k]).collect::<Vec<f64>>());
        let means = columns.each_ref().map(|c| mean(c));
        let errors = columns.each_ref().map(|c| error_of_mean(c));
        let mut probabilities = [0.0; 5];
        let steps: Vec<f64> =
            (0..POINTS).map(|i| normal_quantile((i as f64 + 0.5) / POINTS as f64)).collect();
        let each = 1.0 / (POINTS * POINTS * POINTS) as f64;
        for a in &steps {
            for b in &steps {
                for c in &steps {
                    let z = [a, b, c];
                    let case = [0, 1, 2].map(|k| (means[k] + errors[k] * z[k]).clamp(0.0, 1.0));
                    let class = self.class_of(case);
                    if let Some(i) = CLASSES.iter().position(|k| *k == class) {
                        probabilities[i] += each;
                    }
                }
            }
        }
        let best = (0..5).fold(0, |b, i| if probabilities[i] > probabilities[b] { i } else { b });
        let class = CLASSES[best];
        let mean = Use { processor: means[0], memory: means[1], io: means[2] };
        Verdict { class, mean, reasons: self.reasons(class, means), probabilities }
    }

    fn reasons(&self, class: WorkloadClass, means: [f64; 3]) -> Vec<Reason> {
        if class == WorkloadClass::Idle {
            let quiet =
                |k: usize| Reason::Quiet { resource: RESOURCES[k], share: means[k], below: self.idle_below };
            return vec![quiet(0), quiet(2)];
        }
        let (first, second) = leaders(means);
        let (resource, share) = (RESOURCES[first], means[first]);
        let (next, next_share) = (RESOURCES[second], means[second]);
        if class == WorkloadClass::Balanced {
            vec![Reason::Close { resource, share, next, next_share }]
        } else {
            vec![Reason::Dominates { resource, share, next, next_share }]
        }
    }
}

/// Positions of the largest and the second largest share.
fn leaders(shares: [f64; 3]) -> (usize, usize) {
    let mut order = [0, 1, 2];
    order.sort_by(|a, b| shares[*b].total_cmp(&shares[*a]));
    (order[0], order[1])
}

/// Standard error of the mean of values that follow each other: as many independent values as an AR(1) of the same lag-one
/// correlation has, at least two.
fn error_of_mean(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let r = autocorrelations(values, 1).get(1).copied().unwrap_or(0.0).clamp(0.0, 0.99);
    let independent = (n * (1.0 - r) / (1.0 + r)).max(2.0);
    (variance(values) * n / (n - 1.0) / independent).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Pcg;

    fn window(shares: [f64; 3], noise: f64, n: usize, rng: &mut Pcg) -> Vec<Use> {
        (0..n)
            .map(|_| Use {
                processor: shares[0] + noise * rng.normal(),
                memory: shares[1] + noise * rng.normal(),
                io: shares[2] + noise * rng.normal(),
            })
            .collect()
    }

    #[test]
    fn each_class_has_its_example_and_too_little_is_unknown() {
        let rule = WorkloadRule::default();
        let mut rng = Pcg::new(1);
        let cases = [
            ([0.8, 0.3, 0.1], WorkloadClass::Compute),
            ([0.2, 0.7, 0.1], WorkloadClass::Memory),
            ([0.2, 0.3, 0.8], WorkloadClass::IoIntensive),
            ([0.5, 0.5, 0.4], WorkloadClass::Balanced),
            ([0.03, 0.6, 0.02], WorkloadClass::Idle),
        ];
        for (shares, class) in cases {
            let verdict = rule.classify(&window(shares, 0.02, 60, &mut rng));
            assert_eq!(verdict.class, class);
            assert!(verdict.probability(class) > 0.9 && !verdict.reasons.is_empty());
        }
        assert_eq!(rule.classify(&window([0.5; 3], 0.0, 3, &mut rng)).class, WorkloadClass::Unknown);
        let missing = vec![Use { processor: f64::NAN, memory: 0.1, io: 0.1 }; 50];
        assert_eq!(rule.classify(&missing).class, WorkloadClass::Unknown);
    }

    #[test]
    fn probabilities_are_as_often_right_as_they_say() {
        let rule = WorkloadRule::default();
        let mut rng = Pcg::new(2);
        let (mut said, mut right, mut squares, mut n) = (0.0, 0.0, 0.0, 0.0);
        for _ in 0..1500 {
            let truth = [0, 1, 2].map(|_| 0.05 + 0.6 * rng.uniform());
            let verdict = rule.classify(&window(truth, 0.15, 15, &mut rng));
            let p = verdict.probability(verdict.class);
            let hit = f64::from(u8::from(verdict.class == rule.class_of(truth)));
            (said, right, n) = (said + p, right + hit, n + 1.0);
            squares += (p - hit) * (p - hit);
        }
        let (said, right, brier) = (said / n, right / n, squares / n);
        assert!((said - right).abs() < 0.06, "said {said}, right {right}");
        assert!(
            brier < right * (1.0 - right),
            "Brier {brier} against the base rate's {}",
            right * (1.0 - right)
        );
    }
}
