//! How much of a guest's memory is filled and how much of it the guest writes in a time: measured, whatever the guest is.
//!
//! The pages of the guest are read from the memory of its process and compared with how they were: the sampling of QEMU's
//! own `calc-dirty-rate` (`docs/devel/migration/dirty-limit`), which leaves out memory below 128 MiB and, without KVM, has no other
//! way that QEMU 7.2 survives. A page that is written with what it held counts as not written.

use super::{Machine, lock};
use crate::error::HostError;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

const PAGE: usize = 4_096;
/// Pages that are compared at most: 32 MiB. Of a larger memory every so many-th, at a random place in each stretch.
const PAGES_MAX: u64 = 8_192;
/// Looks at one measurement at most, and how long it may take.
const LOOKS_MAX: usize = 16;
const LONGEST: Duration = Duration::from_secs(20);

/// What was measured.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[expect(clippy::exhaustive_structs, reason = "one line of a report")]
pub struct Writing {
    /// Bytes of memory that are not zero.
    pub filled: u64,
    /// Milliseconds since the begin, and bytes of the pages that were written since then, each counted once.
    pub written: Vec<(u64, u64)>,
}

/// Where pages are in the process, and how many each stands for.
struct Sample {
    addresses: Vec<u64>,
    of: u64,
}

impl Sample {
    /// Of blocks of memory: address in the process and pages.
    fn new(blocks: &[(u64, u64)]) -> Self {
        let of: u64 = blocks.iter().map(|it| it.1).sum();
        let stride = of.div_ceil(PAGES_MAX).max(1);
        let mut addresses = Vec::new();
        for (address, pages) in blocks {
            for begin in (0..*pages).step_by(usize::try_from(stride).unwrap_or(usize::MAX)) {
                let room = stride.min(pages - begin);
                addresses.push(address + (begin + scattered(begin) % room) * PAGE as u64);
            }
        }
        Self { addresses, of }
    }

    fn bytes(&self, pages: usize) -> u64 {
        let all = self.addresses.len().max(1) as u128;
        let bytes = pages as u128 * PAGE as u128 * u128::from(self.of) / all;
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }

    /// Reads every page and hands it over with its number.
    fn read(&self, memory: &File, mut each: impl FnMut(usize, &[u8; PAGE])) -> Result<(), HostError> {
        let mut page = [0; PAGE];
        for (number, address) in self.addresses.iter().enumerate() {
            memory.read_exact_at(&mut page, *address).map_err(HostError::system("memory of the guest"))?;
            each(number, &page);
        }
        Ok(())
    }
}

/// A number that says nothing about the place it is made from (the finalizer of Steele et al., `SplitMix` 2014), so that no
/// pattern of the guest falls in step with the sample.
const fn scattered(place: u64) -> u64 {
    let mut it = place.wrapping_add(0x9e37_79b9_7f4a_7c15);
    it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    it ^ (it >> 31)
}

impl Machine {
    /// Measures, with a look after each of these many milliseconds, in ascending order.
    pub(crate) fn writing(&self, looks: &[u64]) -> Result<Writing, HostError> {
        let ascend = looks.is_sorted_by(|a, b| a < b) && looks.len() <= LOOKS_MAX;
        if !ascend || looks.last().is_none_or(|it| Duration::from_millis(*it) > LONGEST) {
            let most = LONGEST.as_secs();
            return Err(HostError::failed(format!(
                "looks at memory are 1 to {LOOKS_MAX} ascending times within {most} s, not {looks:?}"
            )));
        }
        let sample = Sample::new(&self.blocks()?);
        let path = format!("/proc/{}/mem", self.pid);
        let memory = File::open(path).map_err(HostError::system("memory of the machine's process"))?;
        let begin = Instant::now();
        let mut before = Vec::with_capacity(sample.addresses.len() * PAGE);
        sample.read(&memory, |_, page| before.extend_from_slice(page))?;
        let filled = before.chunks_exact(PAGE).filter(|it| it.iter().any(|byte| *byte != 0)).count();
        let mut writing = Writing { filled: sample.bytes(filled), written: Vec::new() };
        // What has changed once stays written, even if it changes back.
        let mut written = vec![false; sample.addresses.len()];
        for look in looks {
            std::thread::sleep(Duration::from_millis(*look).saturating_sub(begin.elapsed()));
            let at = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
            sample.read(&memory, |number, page| {
                written[number] |= before[number * PAGE..(number + 1) * PAGE] != page[..];
            })?;
            let pages = written.iter().filter(|it| **it).count();
            writing.written.push((at, sample.bytes(pages)));
        }
        Ok(writing)
    }

    /// The guest's memory in the process: what it was made with, and the modules plugged in since.
    fn blocks(&self) -> Result<Vec<(u64, u64)>, HostError> {
        let pages = |bytes: u64| bytes / PAGE as u64;
        let mut blocks = vec![(self.address_of(0)?, pages(lock(&self.plugged).boot_mib << 20))];
        let modules = self.execute("query-memory-devices", &json!({}))?;
        for module in modules.as_array().into_iter().flatten() {
            if let (Some(at), Some(size)) = (module["data"]["addr"].as_u64(), module["data"]["size"].as_u64())
            {
                blocks.push((self.address_of(at)?, pages(size)));
            }
        }
        Ok(blocks)
    }

    /// Where an address of the guest is in the process.
    fn address_of(&self, guest: u64) -> Result<u64, HostError> {
        let line = format!("gpa2hva {guest:#x}");
        let text = self.execute("human-monitor-command", &json!({"command-line": line}))?;
        let found = text.as_str().and_then(|it| it.rsplit_once("is 0x")).map(|it| it.1.trim());
        let bad = || HostError::failed(format!("memory of the guest is not found: {text}"));
        u64::from_str_radix(found.ok_or_else(bad)?, 16).map_err(|_| bad())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_memory_is_read_whole_and_a_large_one_in_stretches() {
        let small = Sample::new(&[(1 << 30, 100), (1 << 32, 3)]);
        assert_eq!(small.addresses.len(), 103);
        assert_eq!((small.addresses[1], small.addresses[100]), ((1 << 30) + 4_096, 1 << 32));
        assert_eq!(small.bytes(103), 103 * 4_096);
        let large = Sample::new(&[(0, 1 << 20)]);
        assert_eq!(large.addresses.len(), 8_192);
        for (stretch, address) in large.addresses.iter().enumerate() {
            assert_eq!(address / 4_096 / 128, stretch as u64);
        }
        assert_eq!(large.bytes(4_096), 1 << 31, "half of 4 GiB");
        let places: std::collections::BTreeSet<u64> =
            large.addresses.iter().map(|it| it / 4_096 % 128).collect();
        assert!(places.len() > 120, "not always at one place of the stretch");
        assert_eq!(Sample::new(&[]).bytes(0), 0);
    }
}
