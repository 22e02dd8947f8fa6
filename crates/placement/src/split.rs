//! Splitting a load that is too large for one host over replicas or shards.

use ecosystem_core::{BitsPerSecond, Bytes, Millicores, Resources};
use std::sync::Arc;

/// Splits a load into the least number of parts of which none is larger than `limit` in any dimension. The parts add
/// up to the load exactly and differ by at most one unit in each dimension.
///
/// `None` if a dimension is asked for of which the limit has nothing, or if more than `parts_max` parts were needed.
/// O(parts · dimensions).
///
/// # Example
/// ```
/// use ecosystem_core::{Bytes, Millicores, Resources};
/// use ecosystem_placement::split;
///
/// let load = Resources::new(Millicores(10_000), Bytes::gib(9));
/// let host = Resources::new(Millicores(4_000), Bytes::gib(16));
/// let parts = split(&load, &host, 100).unwrap();
/// assert_eq!(parts.iter().map(|part| part.cpu.get()).collect::<Vec<_>>(), [3_334, 3_333, 3_333]);
/// assert_eq!(parts.iter().map(|part| part.memory.get()).sum::<u64>(), load.memory.get());
/// ```
pub fn split(load: &Resources, limit: &Resources, parts_max: u32) -> Option<Vec<Resources>> {
    let mut count = 1_u64;
    for (name, amount) in load.iter() {
        let room = limit.get(name);
        if amount > 0 {
            count = count.max(amount.checked_add(room.checked_sub(1)?).map_or(u64::MAX, |sum| sum / room));
        }
    }
    if count > u64::from(parts_max) {
        return None;
    }
    Some((0..count).map(|part| share(load, part, count)).collect())
}

/// Part number `part` of `count`: the remainder of each dimension goes to the first parts.
fn share(load: &Resources, part: u64, count: u64) -> Resources {
    let of = |amount: u64| amount / count + u64::from(part < amount % count);
    Resources {
        cpu: Millicores(of(load.cpu.get())),
        memory: Bytes(of(load.memory.get())),
        disk: Bytes(of(load.disk.get())),
        network: BitsPerSecond(of(load.network.get())),
        extended: load.extended.iter().map(|(name, &amount)| (Arc::clone(name), of(amount))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn parts_keep_the_sum_and_the_limit_and_one_part_less_would_not_do(
            cpu in 0_u64..1_000_000, memory in 0_u64..1_000_000, gpu in 0_u64..50, by_cpu in 1_u64..50_000,
            by_memory in 1_u64..50_000, by_gpu in 1_u64..5,
        ) {
            let load = Resources::new(Millicores(cpu), Bytes(memory)).with("gpu", gpu);
            let limit = Resources::new(Millicores(by_cpu), Bytes(by_memory)).with("gpu", by_gpu);
            let parts = split(&load, &limit, u32::MAX).unwrap();
            let sum = parts.iter().fold(Resources::default(), |sum, part| sum.saturating_add(part));
            prop_assert!(load.iter().all(|(name, amount)| sum.get(name) == amount));
            prop_assert!(parts.iter().all(|part| part.fits_in(&limit)));
            let fewer = parts.len() as u64 - 1;
            let enough = |amount: u64, room: u64| amount <= fewer * room;
            prop_assert!(fewer == 0 || !(enough(cpu, by_cpu) && enough(memory, by_memory) && enough(gpu, by_gpu)));
        }
    }

    #[test]
    fn what_no_number_of_parts_can_hold_is_refused() {
        let load = Resources::new(Millicores(1), Bytes(1)).with("gpu", 1);
        assert_eq!(split(&load, &Resources::new(Millicores(1), Bytes(1)), 10), None);
        let large = Resources::new(Millicores(11), Bytes(0));
        assert_eq!(split(&large, &Resources::new(Millicores(1), Bytes(1)), 10), None);
        assert_eq!(split(&Resources::default(), &Resources::default(), 1).map(|parts| parts.len()), Some(1));
    }
}
