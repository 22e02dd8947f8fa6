//! Who behaves unlike himself: rates, rare actions, new peers and entropy per actor.
//!
//! # Model
//! An actor (user, service account, address, container) makes events: at a time, an action, perhaps towards a peer. [`Behaviour`]
//! keeps what is usual for every actor and says when something is not:
//!
//! | sign | question | model |
//! |---|---|---|
//! | [`Sign::Rate`] | more events in this window than this actor makes at this hour? | Gamma–Poisson with overdispersion |
//! | [`Sign::RareAction`] | an action that this actor has never done, or not for long? | Good–Turing: the share of actions seen once |
//! | [`Sign::NewPeers`] | more unknown peers in this window than usual? | Gamma–Poisson |
//! | [`Sign::Entropy`] | peers spread much wider (a scan) or narrower (a brute force) than usual? | Student's t of the evenness |
//! | [`Sign::NewActors`] | more unknown actors than usual? | Gamma–Poisson |
//!
//! Every finding has a rarity, `−log10` of the probability of something as unusual among the actor's own past: the same unit as
//! of [`crate::anomaly::rows::Calibrated`], so that findings can be compared, added and given to an
//! [`AlertRule`](crate::alert::AlertRule).
//!
//! Only windows in which an actor is active are learnt: silence costs nothing and teaches nothing (absence is a matter of alert rules).
//! What an attack does is learnt only up to the limit, so it does not become usual at once; a lasting change does within days.
//!
//! # References
//! Good (1953), The population frequencies of species, Biometrika 40; Gelman et al. (2013), Bayesian Data Analysis, 2.6 (Gamma–Poisson);
//! Wagner & Plattner (2005), Entropy based worm and anomaly detection, WETICE; Denning (1987), An intrusion-detection
//! model, IEEE TSE 13.

mod actor;
mod behaviour;
mod rare;
mod tally;

pub use behaviour::{
    ActorEvent, Behaviour, BehaviourSettings, LONGEST_NAME, SecurityError, SecurityFinding, Sign,
};
