//! What kind of work does a machine do?
//!
//! # Model
//! A machine's use of processor, memory and input/output (disk or network, whichever is nearer to its limit), as shares of
//! capacity, averaged over a window, falls into one of five classes by a stated rule ([`WorkloadRule`]). A window is a sample:
//! its means have standard errors, widened for values that follow each other. The probability of a class is the probability that
//! the true means fall into its region, with the errors taken as normal; a window on a border says so instead of flipping.
//! [`WorkloadTracker`] adds hysteresis: a class changes only when another has been probable for a while.
//!
//! # Example
//! ```
//! use ecosystem_forecast::workload::{Use, WorkloadClass, WorkloadRule};
//! let window: Vec<Use> = (0..30).map(|t| Use { processor: 0.7 + 0.01 * f64::from(t % 5), memory: 0.2, io: 0.1 }).collect();
//! let verdict = WorkloadRule::default().classify(&window);
//! assert_eq!(verdict.class, WorkloadClass::Compute);
//! assert!(verdict.probability(WorkloadClass::Compute) > 0.95);
//! println!("{}", verdict.reasons[0]); // processor use 0.72 is 3.6 times that of memory (0.20)
//! ```

mod rule;
mod tracker;

pub use rule::{Reason, Resource, Use, Verdict, WorkloadClass, WorkloadRule};
pub use tracker::WorkloadTracker;
