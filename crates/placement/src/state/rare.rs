//! Rules that look at hosts, sums or pairs instead of counts in parts.

use super::{Delta, State};
use crate::compile::Force;
use crate::custom::View;
use crate::dense::{Dense, NONE, percent_over};

/// Running sums of the rare rules.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rare {
    /// Members of each lonely rule on each host, row-major by rule.
    lonely: Vec<u32>,
    online: Vec<i64>,
    quota: Vec<i64>,
    open: Vec<i64>,
    moved: i64,
    custom: Vec<i64>,
}

impl Rare {
    pub(super) fn empty(p: &Dense) -> (Self, Delta) {
        let nowhere = vec![NONE; p.items];
        let view = View::new(&nowhere);
        let mut value = Delta::default();
        let custom = p
            .tables
            .customs
            .iter()
            .map(|(rule, force)| {
                let degree = degree(rule.degree(&view));
                value.hard += force.hard * degree;
                value.cost += force.cost * degree;
                degree
            })
            .collect();
        let rare = Self {
            lonely: vec![0; p.tables.lonely.len() * p.hosts],
            online: vec![0; p.tables.online.len()],
            quota: vec![0; p.tables.quotas.len()],
            open: vec![0; p.tables.open_limits.len()],
            moved: 0,
            custom,
        };
        (rare, value)
    }

    pub(super) fn delta(&self, state: &State<'_>, item: u32, from: u32, to: u32) -> Delta {
        let p = state.p;
        let mut delta = Delta::default();
        let mut add = |force: Force, degree: i64| {
            delta.hard += force.hard * degree;
            delta.cost += force.cost * degree;
        };
        if let Some(&force) = p.tables.root.get(item as usize) {
            add(force, i64::from(state.is_away(item, to)) - i64::from(state.is_away(item, from)));
        }
        for (rule, (member, force)) in p.tables.lonely.iter().enumerate() {
            let is_member = member[item as usize];
            add(
                *force,
                self.lonely_change(state, (rule, is_member), to, 1)
                    + self.lonely_change(state, (rule, is_member), from, -1),
            );
        }
        let (closes, opens) = openings(state, from, to);
        for (rule, limit) in p.tables.online.iter().enumerate() {
            let change = i64::from(opens && limit.hosts[to as usize])
                - i64::from(closes && limit.hosts[from as usize]);
            let sum = self.online[rule];
            add(limit.force, (sum + change - limit.max).max(0) - (sum - limit.max).max(0));
        }
        for &(rule, amount) in p.tables.quotas_of.row(item) {
            let limit = &p.tables.quotas[rule as usize];
            let inside = |host: u32| host != NONE && limit.hosts[host as usize];
            let change = amount * (i64::from(inside(to)) - i64::from(inside(from)));
            if change != 0 {
                let sum = self.quota[rule as usize];
                add(limit.force, percent_over(sum + change, limit.max) - percent_over(sum, limit.max));
            }
        }
        for near in p.tables.near.row(item) {
            let other = state.host_of[near.other as usize];
            let far = |host: u32| {
                i64::from(host != NONE && other != NONE && p.latency.between(host, other) > near.max)
            };
            add(near.force, far(to) - far(from));
        }
        for (sum, (amounts, max, force)) in self.open.iter().zip(&p.tables.open_limits) {
            let change = open_change(amounts, (closes, from), (opens, to));
            add(*force, percent_over(sum + change, *max) - percent_over(*sum, *max));
        }
        if !p.tables.move_limits.is_empty() {
            let change = i64::from(state.is_away(item, to)) - i64::from(state.is_away(item, from));
            for &(max, force) in &p.tables.move_limits {
                add(force, (self.moved + change - max).max(0) - (self.moved - max).max(0));
            }
        }
        for &rule in p.tables.customs_of.row(item) {
            let (custom, force) = &p.tables.customs[rule as usize];
            let view = View::with_change(&state.host_of, item, to);
            add(*force, degree(custom.degree(&view)) - self.custom[rule as usize]);
        }
        delta
    }

    /// Change of a lonely rule's degree on one host when an item comes (1) or leaves (-1).
    fn lonely_change(
        &self,
        state: &State<'_>,
        (rule, is_member): (usize, bool),
        host: u32,
        sign: i64,
    ) -> i64 {
        if host == NONE {
            return 0;
        }
        let members = i64::from(self.lonely[rule * state.p.hosts + host as usize]);
        let all = state.residents[host as usize].len() as i64;
        let degree = |members: i64, all: i64| if members > 0 { all - members } else { 0 };
        degree(members + sign * i64::from(is_member), all + sign) - degree(members, all)
    }

    pub(super) fn commit(&mut self, state: &State<'_>, item: u32, from: u32, to: u32) {
        let p = state.p;
        let (closes, opens) = openings(state, from, to);
        for (rule, (member, _)) in p.tables.lonely.iter().enumerate() {
            if member[item as usize] {
                if from != NONE {
                    self.lonely[rule * p.hosts + from as usize] -= 1;
                }
                if to != NONE {
                    self.lonely[rule * p.hosts + to as usize] += 1;
                }
            }
        }
        for (rule, limit) in p.tables.online.iter().enumerate() {
            self.online[rule] += i64::from(opens && limit.hosts[to as usize])
                - i64::from(closes && limit.hosts[from as usize]);
        }
        for &(rule, amount) in p.tables.quotas_of.row(item) {
            let hosts = &p.tables.quotas[rule as usize].hosts;
            let inside = |host: u32| host != NONE && hosts[host as usize];
            self.quota[rule as usize] += amount * (i64::from(inside(to)) - i64::from(inside(from)));
        }
        for (sum, (amounts, ..)) in self.open.iter_mut().zip(&p.tables.open_limits) {
            *sum += open_change(amounts, (closes, from), (opens, to));
        }
        self.moved += i64::from(state.is_away(item, to)) - i64::from(state.is_away(item, from));
        for &rule in p.tables.customs_of.row(item) {
            let view = View::with_change(&state.host_of, item, to);
            self.custom[rule as usize] = degree(p.tables.customs[rule as usize].0.degree(&view));
        }
    }
}

/// Whether the host left becomes empty and the host entered was.
fn openings(state: &State<'_>, from: u32, to: u32) -> (bool, bool) {
    (
        from != NONE && state.residents[from as usize].len() == 1,
        to != NONE && state.residents[to as usize].is_empty(),
    )
}

fn open_change(amounts: &[i64], (closes, from): (bool, u32), (opens, to): (bool, u32)) -> i64 {
    let opened = if opens { amounts[to as usize] } else { 0 };
    opened - if closes { amounts[from as usize] } else { 0 }
}

/// Degrees of custom rules are clamped, so that sums cannot overflow.
fn degree(degree: u64) -> i64 {
    i64::try_from(degree.min(1_000_000)).unwrap_or(1_000_000)
}
