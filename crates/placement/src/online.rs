//! Placement of one arrival after the other into a fleet that lives: no future known, an answer at once.
//!
//! [`Fleet`] keeps the free amounts of all hosts in one flat array. A choice is one pass over it, O(hosts ·
//! dimensions), without allocation: about a nanosecond for each host and dimension.

use std::cmp::Ordering;

/// How a host is chosen among those in use with enough room. An unused host is opened only when none has.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Policy {
    /// The first by index.
    FirstFit,
    /// The one with the least squared remainder, each dimension as a share of the capacity (Panigrahy et al. 2011).
    #[default]
    BestFit,
    /// Like best fit, minus `weight` times the share of the first dimension that is held by residents marked as lasting
    /// with [`Fleet::mark_lasting`]: what will stay fills up, what will soon be empty is left to empty.
    Lasting {
        /// Weight of the share.
        weight: f64,
    },
}

/// Hosts with their free amounts; grows and shrinks one arrival or departure at a time.
///
/// # Example
/// ```
/// use ecosystem_placement::{Fleet, Policy};
///
/// let mut fleet = Fleet::new(2);
/// let small = fleet.add_host(&[4, 8]);
/// let large = fleet.add_host(&[8, 16]);
/// let host = fleet.choose(&[6, 6], Policy::BestFit).unwrap();
/// assert_eq!(host, large);
/// fleet.occupy(host, &[6, 6]);
/// assert_eq!(fleet.choose(&[2, 2], Policy::BestFit), Some(large));
/// assert_eq!(fleet.choose(&[3, 3], Policy::BestFit), Some(small));
/// assert_eq!(fleet.in_use(), 1);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Fleet {
    dims: usize,
    free: Vec<i64>,
    capacity: Vec<i64>,
    /// One over the capacity, zero where there is none.
    share: Vec<f64>,
    residents: Vec<u32>,
    lasting: Vec<i64>,
    closed: Vec<bool>,
    in_use: usize,
}

impl Fleet {
    /// A fleet without hosts.
    pub fn new(dims: usize) -> Self {
        Self { dims, ..Self::default() }
    }

    /// Adds an unused host. Missing dimensions count as zero, further ones are cut, negative amounts count as zero.
    pub fn add_host(&mut self, capacity: &[i64]) -> u32 {
        for r in 0..self.dims {
            let amount = capacity.get(r).copied().unwrap_or(0).max(0);
            self.capacity.push(amount);
            self.free.push(amount);
            self.share.push(if amount > 0 { 1.0 / amount as f64 } else { 0.0 });
        }
        self.residents.push(0);
        self.lasting.push(0);
        self.closed.push(false);
        (self.residents.len() - 1) as u32
    }

    /// Number of hosts.
    pub const fn hosts(&self) -> usize {
        self.residents.len()
    }

    /// Number of hosts with at least one resident.
    pub const fn in_use(&self) -> usize {
        self.in_use
    }

    /// Residents of a host.
    ///
    /// # Panics
    /// If `host` is not an index below [`hosts`](Self::hosts).
    pub fn residents(&self, host: u32) -> u32 {
        self.residents[host as usize]
    }

    /// Free amounts of a host.
    ///
    /// # Panics
    /// If `host` is not an index below [`hosts`](Self::hosts).
    pub fn free(&self, host: u32) -> &[i64] {
        &self.free[host as usize * self.dims..(host as usize + 1) * self.dims]
    }

    /// Closes a host to new arrivals, or opens it again.
    ///
    /// # Panics
    /// If `host` is not an index below [`hosts`](Self::hosts).
    pub fn set_closed(&mut self, host: u32, closed: bool) {
        self.closed[host as usize] = closed;
    }

    /// A host for a demand; `None` if no open host has room.
    pub fn choose(&self, demand: &[i64], policy: Policy) -> Option<u32> {
        self.choose_where(demand, policy, |_| true)
    }

    /// Like [`choose`](Self::choose) among the hosts for which `allowed` holds: fences, taints, conflicts of the arrival.
    pub fn choose_where(&self, demand: &[i64], policy: Policy, allowed: impl Fn(u32) -> bool) -> Option<u32> {
        let mut unused = None;
        let mut best: Option<(f64, u32)> = None;
        for (host, free) in self.free.chunks_exact(self.dims.max(1)).enumerate() {
            if free.iter().zip(demand).any(|(f, d)| f < d) || self.closed[host] || !allowed(host as u32) {
                continue;
            }
            if self.residents[host] == 0 {
                unused = unused.or(Some(host as u32));
                continue;
            }
            if policy == Policy::FirstFit {
                return Some(host as u32);
            }
            let score = self.score(host, free, demand, policy);
            if best.is_none_or(|(least, _)| score.total_cmp(&least) == Ordering::Less) {
                best = Some((score, host as u32));
            }
        }
        best.map(|(_, host)| host).or(unused)
    }

    fn score(&self, host: usize, free: &[i64], demand: &[i64], policy: Policy) -> f64 {
        let at = host * self.dims;
        let share = &self.share[at..at + self.dims];
        let mut sum = 0.0;
        for ((f, d), s) in free.iter().zip(demand).zip(share) {
            let rest = (f - d) as f64 * s;
            sum += rest * rest;
        }
        match policy {
            Policy::Lasting { weight } if self.dims > 0 => {
                sum - weight * self.lasting[host] as f64 * share[0]
            }
            _ => sum,
        }
    }

    /// Takes room for an arrival.
    ///
    /// # Panics
    /// If `host` is not an index below [`hosts`](Self::hosts).
    pub fn occupy(&mut self, host: u32, demand: &[i64]) {
        self.shift(host, demand, -1);
        self.residents[host as usize] += 1;
        self.in_use += usize::from(self.residents[host as usize] == 1);
    }

    /// Gives the room of a departure back.
    ///
    /// # Panics
    /// If `host` is not an index below [`hosts`](Self::hosts) or has no residents.
    pub fn release(&mut self, host: u32, demand: &[i64]) {
        assert!(self.residents[host as usize] > 0, "host {host} has no residents to release");
        self.shift(host, demand, 1);
        self.residents[host as usize] -= 1;
        self.in_use -= usize::from(self.residents[host as usize] == 0);
    }

    /// Marks an amount of the first dimension on a host as held by a resident that will stay, or takes the mark back
    /// (negative).
    ///
    /// # Panics
    /// If `host` is not an index below [`hosts`](Self::hosts).
    pub fn mark_lasting(&mut self, host: u32, amount: i64) {
        self.lasting[host as usize] += amount;
    }

    fn shift(&mut self, host: u32, demand: &[i64], sign: i64) {
        let at = host as usize * self.dims;
        for (free, amount) in self.free[at..at + self.dims].iter_mut().zip(demand) {
            *free += sign * amount;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_policy_ever_overfills_a_host(demands in prop::collection::vec((1_i64..5, 1_i64..9), 1..60)) {
            for policy in [Policy::FirstFit, Policy::BestFit, Policy::Lasting { weight: 1.0 }] {
                let mut fleet = Fleet::new(2);
                for _ in 0..80 {
                    fleet.add_host(&[6, 12]);
                }
                let mut placed = Vec::new();
                for &(cpu, memory) in &demands {
                    let host = fleet.choose(&[cpu, memory], policy).unwrap();
                    fleet.occupy(host, &[cpu, memory]);
                    prop_assert!(fleet.free(host).iter().all(|&f| f >= 0));
                    placed.push((host, [cpu, memory]));
                }
                for (host, demand) in placed {
                    fleet.release(host, &demand);
                }
                prop_assert_eq!(fleet.in_use(), 0);
                prop_assert!((0..80).all(|h| fleet.free(h) == [6, 12]));
            }
        }
    }

    #[test]
    fn lasting_residents_attract_arrivals() {
        let mut fleet = Fleet::new(1);
        let (a, b) = (fleet.add_host(&[10]), fleet.add_host(&[10]));
        fleet.occupy(a, &[5]);
        fleet.occupy(b, &[4]);
        assert_eq!(fleet.choose(&[2], Policy::BestFit), Some(a));
        fleet.mark_lasting(b, 4);
        assert_eq!(fleet.choose(&[2], Policy::Lasting { weight: 1.0 }), Some(b));
        fleet.set_closed(b, true);
        assert_eq!(fleet.choose(&[2], Policy::Lasting { weight: 1.0 }), Some(a));
    }
}
