//! What executors of orders share, wherever they keep it: who may order and what has been done ([`Done`]), and what is under way
//! and told at the next poll ([`News`]).
//!
//! ```
//! use ecosystem_core::{ActionId, ActionOutcome, Epoch};
//! use ecosystem_orders::{Done, Door};
//!
//! let mut done = Done::default();
//! let web = "web#0".parse()?;
//! done.raise(Epoch(2));
//! done.end(ActionId(7), &ActionOutcome::DONE, 512);
//! done.stop(&web, ActionId(7), 512);
//! assert_eq!(done.knock(Epoch(2), ActionId(7), None), Door::Ended(ActionOutcome::DONE));
//! assert!(matches!(done.knock(Epoch(2), ActionId(6), Some(&web)), Door::Closed(_)), "stopped since");
//! assert!(matches!(done.knock(Epoch(1), ActionId(8), None), Door::Closed(_)), "another controller rules");
//! # Ok::<(), ecosystem_core::InvalidId>(())
//! ```

mod done;
mod news;

pub use done::{Done, Door};
pub use news::News;

use ecosystem_core::{ActionKind, ReplicaId};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The lock, also after a thread that held it panicked: what is kept here is changed in single steps.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The replica that an action starts.
pub const fn started(kind: &ActionKind) -> Option<&ReplicaId> {
    match kind {
        ActionKind::Start { replica, .. } => Some(replica),
        _ => None,
    }
}

/// The replica that an action stops.
pub const fn stopped(kind: &ActionKind) -> Option<&ReplicaId> {
    match kind {
        ActionKind::Stop { replica, .. } => Some(replica),
        _ => None,
    }
}
