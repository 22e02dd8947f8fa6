//! All actors: events in, findings out.

use super::{actor::Actor, rare::Actions, tally::Tally};
use std::collections::{BTreeMap, BTreeSet};

/// Something that an actor did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain input")]
pub struct ActorEvent<'a> {
    /// When. Events that come late count in the present window.
    pub at_unix_ms: u64,
    /// Who: a user, a service account, an address.
    pub actor: &'a str,
    /// What: `login failed`, `connect 443`, `secrets.read`. A few dozen different ones, not one per object.
    pub action: &'a str,
    /// Whom or what it was done to, if anything.
    pub peer: Option<&'a str>,
}

/// What is unusual.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Sign {
    /// Events in this window, and the usual number of an active window.
    Rate {
        /// Events so far.
        events: u32,
        /// Mean of active windows.
        usual: f64,
    },
    /// An action that this actor never did (or not for long).
    RareAction {
        /// Share of the events of all actors that were this action: 0 when nobody ever did it.
        elsewhere: f64,
    },
    /// Peers that this actor never met, and the usual number of new ones.
    NewPeers {
        /// New peers so far in this window.
        peers: u32,
        /// Mean of active windows.
        usual: f64,
    },
    /// Evenness of the peers in the window (0: always the same, 1: always another), and the usual one.
    Entropy {
        /// In this window.
        evenness: f64,
        /// Usual.
        usual: f64,
    },
    /// Actors never seen before, and the usual number of new ones.
    NewActors {
        /// New actors so far in this window.
        actors: u32,
        /// Mean of windows with events.
        usual: f64,
    },
}

/// An actor that does not behave like itself.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct SecurityFinding {
    /// When it was noticed: at an event, or at the end of its window.
    pub at_unix_ms: u64,
    /// Who.
    pub actor: String,
    /// The action of the event, empty for findings at the end of a window.
    pub action: String,
    /// What is unusual.
    pub sign: Sign,
    /// `−log10` of its probability, up to 30.
    pub rarity: f64,
}

/// Why an event was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecurityError {
    /// A name is longer than is kept.
    #[error("{name} has {found} bytes: expected at most {LONGEST_NAME}")]
    Name {
        /// `actor`, `action` or `peer`.
        name: &'static str,
        /// Its length.
        found: usize,
    },
    /// A setting is out of its range.
    #[error("{name} is {found}: expected {expected}")]
    Setting {
        /// Name of the setting.
        name: &'static str,
        /// Its value.
        found: String,
        /// What is allowed.
        expected: &'static str,
    },
}

/// Longest name of an actor, action or peer, in bytes.
pub const LONGEST_NAME: usize = 256;

/// Settings of a [`Behaviour`].
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct BehaviourSettings {
    /// Length of a window, 1 s to 1 h.
    pub window_ms: u64,
    /// Rarity of a window that is a finding: 5 is one in 100,000 windows of one actor.
    pub limit: f64,
    /// Rarity of a new action that is a finding: 3 is one in 1,000 events.
    pub action_limit: f64,
    /// Active windows of an actor before it is judged.
    pub least_windows: u32,
    /// Most actors that are remembered; the one not seen for longest gives way.
    pub most_actors: usize,
}

impl Default for BehaviourSettings {
    fn default() -> Self {
        Self { window_ms: 300_000, limit: 5.0, action_limit: 3.0, least_windows: 50, most_actors: 10_000 }
    }
}

impl BehaviourSettings {
    /// Length of a window.
    #[must_use]
    pub fn with_window_ms(mut self, time: u64) -> Self {
        self.window_ms = time;
        self
    }

    /// Rarities that are findings: of a window, of a new action.
    #[must_use]
    pub fn with_limits(mut self, window: f64, action: f64) -> Self {
        (self.limit, self.action_limit) = (window, action);
        self
    }

    /// Most actors that are remembered.
    #[must_use]
    pub fn with_most_actors(mut self, actors: usize) -> Self {
        self.most_actors = actors;
        self
    }
}

/// What is usual for every actor, and who leaves it. See the [module](super) for the model.
///
/// An event costs O(log actors + actions + log peers); the end of a window O(active actors). Memory per actor: 25 tallies, at most 64
/// actions, 256 known peers and 1,024 peers of the present window; at most `most_actors` actors. A flood of invented names
/// therefore pushes out old actors, and is itself a finding ([`Sign::NewActors`]) before it does.
///
/// # Example
/// ```
/// use ecosystem_forecast::security::{ActorEvent, Behaviour, BehaviourSettings, Sign};
/// let mut usual = Behaviour::new(&BehaviourSettings::default())?;
/// let login = |minute: u64, action| ActorEvent { at_unix_ms: minute * 60_000, actor: "ana", action, peer: None };
/// for minute in 0..6000 {
///     assert!(usual.observe(&login(minute, "login"))?.is_empty());
/// }
/// let attack: Vec<_> =
///     (0..60).map(|_| usual.observe(&login(6000, "login failed"))).collect::<Result<Vec<_>, _>>()?.concat();
/// assert!(matches!(attack[0].sign, Sign::RareAction { .. }) && matches!(attack[1].sign, Sign::Rate { .. }));
/// assert_eq!(attack.len(), 2, "sixty events, two findings");
/// # Ok::<(), ecosystem_forecast::security::SecurityError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Behaviour {
    settings: BehaviourSettings,
    actors: BTreeMap<String, Actor>,
    /// Actions of everybody.
    actions: Actions,
    /// New actors per window.
    arrivals: Tally,
    arrived: u32,
    told_arrivals: bool,
    /// Number of the present window.
    window: Option<u64>,
    active: BTreeSet<String>,
}

impl Behaviour {
    /// Nothing is usual yet.
    pub fn new(settings: &BehaviourSettings) -> Result<Self, SecurityError> {
        let refuse = |name, found: String, expected| Err(SecurityError::Setting { name, found, expected });
        if !(1_000..=3_600_000).contains(&settings.window_ms) {
            return refuse("window_ms", settings.window_ms.to_string(), "1000 to 3600000");
        }
        for (name, limit) in [("limit", settings.limit), ("action_limit", settings.action_limit)] {
            if !(limit > 0.0 && limit < super::tally::MOST) {
                return refuse(name, limit.to_string(), "a number above 0, below 30");
            }
        }
        if !(1..=1_000_000).contains(&settings.most_actors) {
            return refuse("most_actors", settings.most_actors.to_string(), "1 to 1000000");
        }
        Ok(Self {
            settings: settings.clone(),
            actors: BTreeMap::new(),
            actions: Actions::default(),
            arrivals: Tally::default(),
            arrived: 0,
            told_arrivals: false,
            window: None,
            active: BTreeSet::new(),
        })
    }

    /// Actors that are remembered.
    pub fn actors(&self) -> usize {
        self.actors.len()
    }

    /// Judges an event, then learns it. An event of a later window ends the present one first.
    pub fn observe(&mut self, event: &ActorEvent<'_>) -> Result<Vec<SecurityFinding>, SecurityError> {
        let names = [("actor", Some(event.actor)), ("action", Some(event.action)), ("peer", event.peer)];
        for (name, text) in names {
            let found = text.map_or(0, str::len);
            if found > LONGEST_NAME {
                return Err(SecurityError::Name { name, found });
            }
        }
        let mut findings = self.advance(event.at_unix_ms);
        let window = self.window.unwrap_or(0);
        self.admit(event, window, &mut findings);
        let hour = self.hour(window);
        let settings = &self.settings;
        let Some(actor) = self.actors.get_mut(event.actor) else { return Ok(findings) };
        actor.seen = window;
        actor.count(event.peer);
        let old = actor.rate.weight() >= f64::from(settings.least_windows);
        if old {
            let mut find = |sign, rarity| {
                let (actor, action) = (event.actor.to_owned(), event.action.to_owned());
                findings.push(SecurityFinding { at_unix_ms: event.at_unix_ms, actor, action, sign, rarity });
            };
            if let Some(rarity) = actor.actions.rarity(event.action).filter(|r| *r >= settings.action_limit) {
                find(Sign::RareAction { elsewhere: self.actions.share(event.action) }, rarity);
            }
            let events = actor.window.events;
            let rarity = actor.rate.rarity(f64::from(events), Some(actor.hour(hour)));
            if rarity >= settings.limit && !actor.window.told[0] {
                find(Sign::Rate { events, usual: actor.rate.mean() }, rarity);
                actor.window.told[0] = true;
            }
            let peers = actor.window.new_peers;
            let rarity = actor.newcomers.rarity(f64::from(peers), None);
            if rarity >= settings.limit && !actor.window.told[1] {
                find(Sign::NewPeers { peers, usual: actor.newcomers.mean() }, rarity);
                actor.window.told[1] = true;
            }
        }
        actor.actions.learn(event.action);
        self.actions.learn(event.action);
        if !self.active.contains(event.actor) {
            self.active.insert(event.actor.to_owned());
        }
        Ok(findings)
    }

    /// Makes sure that the actor is known.
    fn admit(&mut self, event: &ActorEvent<'_>, window: u64, findings: &mut Vec<SecurityFinding>) {
        if self.actors.contains_key(event.actor) {
            return;
        }
        if self.actors.len() >= self.settings.most_actors {
            let oldest = self.actors.iter().min_by_key(|(_, a)| a.seen).map(|(name, _)| name.clone());
            if let Some(oldest) = oldest {
                self.active.remove(&oldest);
                self.actors.remove(&oldest);
            }
        }
        self.actors.insert(event.actor.to_owned(), Actor::new(window));
        self.arrived = self.arrived.saturating_add(1);
        let rarity = self.arrivals.rarity(f64::from(self.arrived), None);
        let old = self.arrivals.weight() >= f64::from(self.settings.least_windows);
        if old && rarity >= self.settings.limit && !self.told_arrivals {
            self.told_arrivals = true;
            findings.push(SecurityFinding {
                at_unix_ms: event.at_unix_ms,
                actor: event.actor.to_owned(),
                action: event.action.to_owned(),
                sign: Sign::NewActors { actors: self.arrived, usual: self.arrivals.mean() },
                rarity,
            });
        }
    }

    fn hour(&self, window: u64) -> usize {
        usize::try_from(window.saturating_mul(self.settings.window_ms) / 3_600_000 % 24).unwrap_or(0)
    }

    /// Lets time pass: ends the present window if its time is over. Windows without events cost nothing.
    pub fn advance(&mut self, at_unix_ms: u64) -> Vec<SecurityFinding> {
        let now = at_unix_ms / self.settings.window_ms;
        let Some(window) = self.window else {
            self.window = Some(now);
            return Vec::new();
        };
        if now <= window {
            return Vec::new();
        }
        let (hour, limit) = (self.hour(window), self.settings.limit);
        let end = (window + 1).saturating_mul(self.settings.window_ms);
        let mut findings = Vec::new();
        for name in std::mem::take(&mut self.active) {
            let Some(actor) = self.actors.get_mut(&name) else { continue };
            if let Some(evenness) = actor.window.evenness() {
                let (rarity, usual) = (actor.evenness.rarity(evenness), actor.evenness.mean());
                let old = actor.rate.weight() >= f64::from(self.settings.least_windows);
                if old && rarity >= limit {
                    let sign = Sign::Entropy { evenness, usual };
                    let action = String::new();
                    findings.push(SecurityFinding { at_unix_ms: end, actor: name, action, sign, rarity });
                }
            }
            actor.close(hour, limit);
        }
        let arrived = self.arrivals.usual_at_most(f64::from(self.arrived), limit, None);
        self.arrivals.learn(arrived);
        (self.arrived, self.told_arrivals) = (0, false);
        self.window = Some(now);
        findings
    }
}
