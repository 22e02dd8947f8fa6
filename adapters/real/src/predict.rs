//! How long a pre-copy migration will take, before it is begun.

/// What is known beforehand.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "the inputs of a formula")]
pub struct Plan {
    /// Bytes of memory that are not zero.
    pub filled: f64,
    /// Bytes that the guest writes over and over.
    pub window: f64,
    /// Bytes per second that it writes, page by page.
    pub dirty_per_s: f64,
    /// Bytes per second that may be sent.
    pub bandwidth: f64,
    /// Longest accepted stand-still in seconds.
    pub downtime: f64,
}

/// Rounds after which a migration that does not converge is not going to.
const ROUNDS_MAX: u32 = 200;

/// Seconds of copying, by rounds: each sends what was written during the one before, until the rest fits into the accepted
/// stand-still (Clark et al., "Live Migration of Virtual Machines", NSDI 2005). `None` = it does not converge.
pub fn copy_seconds(plan: &Plan) -> Option<f64> {
    let (mut left, mut total) = (plan.filled, 0.0);
    for _ in 0..ROUNDS_MAX {
        if left / plan.bandwidth <= plan.downtime {
            return Some(total + left / plan.bandwidth);
        }
        let round = left / plan.bandwidth;
        total += round;
        // A page that is written twice in a round is sent once.
        left = (plan.dirty_per_s * round).min(plan.window);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_at_rest_takes_its_memory_over_the_bandwidth() {
        let plan = Plan { filled: 64e6, window: 0.0, dirty_per_s: 0.0, bandwidth: 32e6, downtime: 0.3 };
        assert!((copy_seconds(&plan).unwrap() - 2.0).abs() < 1e-9);
    }

    #[test]
    fn one_that_writes_half_as_fast_as_can_be_sent_takes_almost_twice_as_long() {
        let plan = Plan { filled: 64e6, window: 64e6, dirty_per_s: 16e6, bandwidth: 32e6, downtime: 0.01 };
        let seconds = copy_seconds(&plan).unwrap();
        assert!((3.9..4.0).contains(&seconds), "{seconds}");
        let faster = Plan { dirty_per_s: 64e6, ..plan };
        assert_eq!(copy_seconds(&faster), None);
    }
}
