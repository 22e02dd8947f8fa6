//! Areas: a coarse partition of the hosts with the least distances within and between them.

use crate::dense::{Dense, DenseRule, NONE, Partition, PartitionIx};
use ecosystem_core::Weight;

/// More parts would make each bounded search slow.
const AREAS_MAX: usize = 16;
/// More points would make the table of least distances slow.
const POINTS_MAX: usize = 4_096;

/// Hosts in areas; whatever an area says of its hosts holds for the best of them.
#[derive(Clone, Debug)]
pub(super) struct Areas {
    pub(super) of: Vec<u32>,
    pub(super) count: usize,
    /// How many hosts each has.
    pub(super) hosts: Vec<usize>,
    /// Largest capacity of a host of the area, by area and dimension.
    pub(super) capacity: Vec<i64>,
    /// Least distance of two different hosts by areas, row-major; the diagonal is for two hosts of one area.
    pub(super) least: Vec<i64>,
    /// For each partition the part of each area, if no area has hosts of two parts.
    parts: Vec<Option<Vec<u32>>>,
    /// Whether an area has a host that the hard fences of a class allow, by class and area.
    allowed: Vec<bool>,
    /// Hard rules of keeping apart and of spreading, by item.
    pub(super) rules_of: Vec<Vec<u32>>,
}

impl Areas {
    /// The partition that most hard rules of spreading speak of, if it is coarse; one area otherwise.
    pub(super) fn of(p: &Dense) -> Self {
        let mut uses = vec![0_usize; p.partitions.len()];
        for lowered in p.rules.iter().filter(|l| l.weight == Weight::Hard) {
            if let DenseRule::Spread { partition, .. } = lowered.rule {
                uses[partition.0 as usize] += 1;
            }
        }
        let coarse = |ix: &usize| {
            uses[*ix] > 0
                && (2..=AREAS_MAX).contains(&(p.partitions[*ix].parts as usize))
                && p.distance.points as usize <= POINTS_MAX
        };
        let chosen =
            (0..p.partitions.len()).filter(coarse).max_by_key(|&ix| (uses[ix], std::cmp::Reverse(ix)));
        let (of, count) = match chosen {
            Some(ix) => (p.partitions[ix].of.clone(), p.partitions[ix].parts as usize),
            None => (vec![0; p.hosts], 1),
        };
        let mut areas = Self {
            hosts: vec![0; count],
            capacity: vec![i64::MIN; count * p.dims],
            least: vec![i64::MAX; count * count],
            parts: Vec::new(),
            allowed: Vec::new(),
            rules_of: rules_by_item(p),
            of,
            count,
        };
        areas.measure(p);
        areas.parts = p.partitions.iter().map(|partition| areas.parts_of(partition)).collect();
        let classes = p.tables.fence_hard.len() / p.hosts.max(1);
        areas.allowed = vec![false; classes * count];
        for (at, &hard) in p.tables.fence_hard.iter().enumerate() {
            let (class, area) = (at / p.hosts, areas.of[at % p.hosts] as usize);
            areas.allowed[class * count + area] |= hard == 0;
        }
        areas
    }

    /// Areas where the item may be as far as its hard fences and its root go.
    pub(super) fn allowed(&self, p: &Dense, item: u32) -> Vec<bool> {
        let mut list = match p.tables.fence_class.get(item as usize) {
            None | Some(&NONE) => vec![true; self.count],
            Some(&class) => self.allowed[class as usize * self.count..][..self.count].to_vec(),
        };
        let home = p.home[item as usize];
        if home != NONE && p.tables.root.get(item as usize).is_some_and(|force| force.hard > 0) {
            for (area, allowed) in list.iter_mut().enumerate() {
                *allowed &= self.of[home as usize] as usize == area;
            }
        }
        list
    }

    fn measure(&mut self, p: &Dense) {
        let points = p.distance.points as usize;
        // how many hosts of each area are at each point; two suffice
        let mut at = vec![0_u8; points * self.count];
        for host in 0..p.hosts {
            let area = self.of[host] as usize;
            self.hosts[area] += 1;
            for r in 0..p.dims {
                let most = &mut self.capacity[area * p.dims + r];
                *most = (*most).max(p.capacity[host * p.dims + r]);
            }
            let seen = &mut at[p.distance.point[host] as usize * self.count + area];
            *seen = (*seen + 1).min(2);
        }
        if points > POINTS_MAX {
            // one area
            self.least.fill(p.distance.table.iter().copied().min().unwrap_or(0));
            return;
        }
        let present: Vec<Vec<usize>> =
            (0..points).map(|q| (0..self.count).filter(|a| at[q * self.count + a] > 0).collect()).collect();
        for x in 0..points {
            for y in x..points {
                let distance = p.distance.table[x * points + y];
                for &a in &present[x] {
                    for &b in &present[y] {
                        if x == y && a == b && at[x * self.count + a] < 2 {
                            continue;
                        }
                        for slot in [a * self.count + b, b * self.count + a] {
                            self.least[slot] = self.least[slot].min(distance);
                        }
                    }
                }
            }
        }
    }

    /// Least distance of two different hosts of these areas; `None` if there are no two.
    pub(super) fn least(&self, a: usize, b: usize) -> Option<i64> {
        Some(self.least[a * self.count + b]).filter(|&least| least < i64::MAX)
    }

    /// The part of each area, if no area has hosts of two parts.
    pub(super) fn parts(&self, partition: PartitionIx) -> Option<&[u32]> {
        self.parts[partition.0 as usize].as_deref()
    }

    fn parts_of(&self, partition: &Partition) -> Option<Vec<u32>> {
        let mut part_of = vec![u32::MAX; self.count];
        for (&area, &part) in self.of.iter().zip(&partition.of) {
            let known = &mut part_of[area as usize];
            if *known != u32::MAX && *known != part {
                return None;
            }
            *known = part;
        }
        Some(part_of)
    }
}

fn rules_by_item(p: &Dense) -> Vec<Vec<u32>> {
    let mut rules_of: Vec<Vec<u32>> = vec![Vec::new(); p.items];
    for (ix, lowered) in p.rules.iter().enumerate().filter(|(_, l)| l.weight == Weight::Hard) {
        if let DenseRule::Limit { group, max: 1, .. } | DenseRule::Spread { group, .. } = &lowered.rule {
            for &item in &p.groups[group.0 as usize] {
                rules_of[item as usize].push(ix as u32);
            }
        }
    }
    rules_of
}
