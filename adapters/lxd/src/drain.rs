//! Emptying a member and filling it again, by the cluster's own means.

use crate::LxdError;
use crate::cluster::Cluster;
use ecosystem_core::HostId;
use ecosystem_orders::lock;
use serde_json::json;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// How far a drain or its reversal is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum DrainState {
    /// Under way.
    #[default]
    Running,
    /// Ended; `members` shows it.
    Done,
    /// Ended badly; what was moved until then stays where it is.
    Failed(LxdError),
}

/// A drain that was begun.
#[derive(Clone, Debug, Default)]
pub struct Drain {
    state: Arc<Mutex<DrainState>>,
}

impl Drain {
    /// How far it is; returns at once.
    pub fn state(&self) -> DrainState {
        lock(&self.state).clone()
    }
}

impl Cluster {
    /// Begins to move every instance off a member, stopped and started again elsewhere (LXD's evacuation), and closes it.
    pub fn drain(&self, host: &HostId) -> Drain {
        self.turn(host, "evacuate")
    }

    /// Opens a drained member again and moves what was there back.
    pub fn restore(&self, host: &HostId) -> Drain {
        self.turn(host, "restore")
    }

    fn turn(&self, host: &HostId, action: &'static str) -> Drain {
        let drain = Drain::default();
        let (state, shared) = (Arc::clone(&drain.state), Arc::clone(&self.shared));
        let path = format!("/cluster/members/{host}/state");
        std::thread::spawn(move || {
            let until = Instant::now() + shared.settings.operation_within;
            let end = shared.api.change("POST", &path, &json!({ "action": action }), until);
            *lock(&state) = end.map_or_else(DrainState::Failed, |()| DrainState::Done);
        });
        drain
    }
}
