//! What is usual for one actor.

use super::{
    rare::Actions,
    tally::{Spread, Tally},
};
use std::collections::BTreeMap;

/// Hours of a day.
const HOURS: usize = 24;
/// Most peers that are remembered as known; the one not met for longest gives way.
const MOST_PEERS: usize = 256;
/// Most different peers that are counted in one window, for entropy.
const MOST_IN_WINDOW: usize = 1024;
/// Fewest events towards peers in a window whose entropy is judged.
const LEAST_FOR_ENTROPY: u32 = 8;
/// What actions keep of their counts per window: half is forgotten after 8,600 windows (thirty days of five minutes).
const KEEP_ACTIONS: f64 = 0.999_92;

/// Events of one actor in the present window.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Window {
    pub(super) events: u32,
    pub(super) new_peers: u32,
    /// Events by peer.
    peers: BTreeMap<String, u32>,
    with_peer: u32,
    /// Signs already told in this window: rate, new peers.
    pub(super) told: [bool; 2],
}

impl Window {
    /// Shannon entropy of the peers in bits over its largest possible value: 0 for one peer, 1 when every event has its own.
    /// `None` with too few events.
    pub(super) fn evenness(&self) -> Option<f64> {
        if self.with_peer < LEAST_FOR_ENTROPY {
            return None;
        }
        let n = f64::from(self.with_peer);
        let bits: f64 = self.peers.values().map(|c| f64::from(*c) / n).map(|p| -p * p.log2()).sum();
        Some((bits / n.log2()).clamp(0.0, 1.0))
    }

    fn meet(&mut self, peer: &str) {
        self.with_peer = self.with_peer.saturating_add(1);
        if let Some(count) = self.peers.get_mut(peer) {
            *count = count.saturating_add(1);
        } else if self.peers.len() < MOST_IN_WINDOW {
            self.peers.insert(peer.to_owned(), 1);
        }
    }
}

/// Habits of one actor.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Actor {
    pub(super) rate: Tally,
    hours: Vec<Tally>,
    pub(super) actions: Actions,
    pub(super) newcomers: Tally,
    pub(super) evenness: Spread,
    /// Known peers and the window in which each was met last.
    peers: BTreeMap<String, u64>,
    pub(super) window: Window,
    /// Number of the window of the last event.
    pub(super) seen: u64,
}

impl Actor {
    pub(super) fn new(seen: u64) -> Self {
        Self {
            rate: Tally::default(),
            hours: vec![Tally::default(); HOURS],
            actions: Actions::default(),
            newcomers: Tally::default(),
            evenness: Spread::default(),
            peers: BTreeMap::new(),
            window: Window::default(),
            seen,
        }
    }

    pub(super) fn hour(&self, hour: usize) -> &Tally {
        &self.hours[hour % HOURS]
    }

    /// Counts an event in the present window.
    pub(super) fn count(&mut self, peer: Option<&str>) {
        self.window.events = self.window.events.saturating_add(1);
        let Some(peer) = peer else { return };
        self.window.meet(peer);
        if let Some(at) = self.peers.get_mut(peer) {
            *at = self.seen;
            return;
        }
        self.window.new_peers = self.window.new_peers.saturating_add(1);
        if self.peers.len() >= MOST_PEERS {
            let oldest = self.peers.iter().min_by_key(|(_, at)| **at).map(|(p, _)| p.clone());
            if let Some(oldest) = oldest {
                self.peers.remove(&oldest);
            }
        }
        self.peers.insert(peer.to_owned(), self.seen);
    }

    /// Learns the finished window, what was out of the usual only up to the limit, and starts a new one.
    pub(super) fn close(&mut self, hour: usize, limit: f64) {
        let window = std::mem::take(&mut self.window);
        let at = hour % HOURS;
        let events = self.rate.usual_at_most(f64::from(window.events), limit, Some(&self.hours[at]));
        self.rate.learn(events);
        self.hours[at].learn(events);
        let newcomers = self.newcomers.usual_at_most(f64::from(window.new_peers), limit, None);
        self.newcomers.learn(newcomers);
        if let Some(evenness) = window.evenness() {
            self.evenness.learn(evenness);
        }
        self.actions.fade(KEEP_ACTIONS);
    }
}
