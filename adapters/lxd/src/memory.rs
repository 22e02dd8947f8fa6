//! What has been done, and who may order: remembered by the cluster itself.
//!
//! It is one text in the configuration of a profile that no instance uses. The cluster keeps it on a majority of its members, and a
//! change is tied to the text that was read (If-Match), so of two controllers that write at once one reads again.

use crate::LxdError;
use crate::api::Api;
use crate::wire::Profile;
use ecosystem_core::{ActionId, ActionOutcome, Epoch, ReplicaId};
use ecosystem_orders::{Done, Door, lock};
use serde_json::json;
use std::sync::Mutex;

const KEY: &str = "user.eco.memory";
/// Ends and stops that are remembered, of each as many: the cluster keeps them as one text.
const MOST: usize = 512;
/// Attempts of a change while others write.
const ATTEMPTS: u32 = 16;

/// How an action ended.
#[derive(Clone, Debug)]
pub(crate) struct End {
    pub(crate) action: ActionId,
    pub(crate) outcome: ActionOutcome,
    /// The replica, if it was to be stopped.
    pub(crate) stopped: Option<ReplicaId>,
}

impl End {
    fn put(&self, done: &mut Done) {
        done.end(self.action, &self.outcome, MOST);
        if let Some(replica) = &self.stopped {
            done.stop(replica, self.action, MOST);
        }
    }
}

#[derive(Debug)]
pub(crate) struct Memory {
    api: Api,
    profile: String,
    known: Mutex<Done>,
    pending: Mutex<Vec<End>>,
    writer: Mutex<()>,
}

impl Memory {
    pub(crate) fn new(api: Api, profile: String) -> Self {
        let (known, pending, writer) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { api, profile, known, pending, writer }
    }

    fn path(&self) -> String {
        format!("/profiles/{}", self.profile)
    }

    fn read(&self) -> Result<(Done, String), LxdError> {
        let (profile, etag) = match self.api.get_tagged::<Profile>(&self.path()) {
            Err(e) if e.is_missing() => {
                let body = json!({
                    "name": self.profile,
                    "description": "Memory of the controllers of an ecosystem; used by no instance",
                    "config": { KEY: "" },
                });
                // Another controller may have been faster.
                let made = self.api.change("POST", "/profiles", &body, std::time::Instant::now());
                let read = self.api.get_tagged::<Profile>(&self.path());
                match (made, read) {
                    (Err(e), Err(_)) => return Err(e),
                    (_, read) => read?,
                }
            }
            read => read?,
        };
        let text = profile.config.get(KEY).map_or("", String::as_str);
        if text.is_empty() {
            return Ok((Done::default(), etag));
        }
        let garbage =
            |e: serde_json::Error| LxdError::Garbage { what: self.path(), reason: format!("{KEY}: {e}") };
        Ok((serde_json::from_str(text).map_err(garbage)?, etag))
    }

    fn write(&self, mut change: impl FnMut(&mut Done)) -> Result<(), LxdError> {
        let mut attempt = 0;
        loop {
            let (mut kept, etag) = self.read()?;
            let before = kept.clone();
            change(&mut kept);
            let text = serde_json::to_string(&kept)
                .map_err(|e| LxdError::Garbage { what: self.path(), reason: e.to_string() })?;
            let body = json!({
                "description": "Memory of the controllers of an ecosystem; used by no instance",
                "config": { KEY: text },
                "devices": {},
            });
            let written =
                if kept == before { Ok(()) } else { self.api.put_tagged(&self.path(), &etag, &body) };
            match written {
                Err(LxdError::Refused { status: 412, .. }) if attempt < ATTEMPTS => attempt += 1,
                Err(e) => return Err(e),
                Ok(()) => {
                    self.learn(kept);
                    return Ok(());
                }
            }
        }
    }

    /// Ends of our own that are still to be written stay known.
    fn learn(&self, mut kept: Done) {
        let pending = lock(&self.pending);
        pending.iter().for_each(|end| end.put(&mut kept));
        let mut known = lock(&self.known);
        kept.raise(known.epoch());
        *known = kept;
    }

    /// What is known here without asking the cluster; a higher epoch rules from now on.
    pub(crate) fn knock(&self, epoch: Epoch, action: ActionId, starts: Option<&ReplicaId>) -> Door {
        let mut known = lock(&self.known);
        let door = known.knock(epoch, action, starts);
        known.raise(epoch);
        door
    }

    /// As [`knock`](Self::knock), by what the cluster knows. Nothing is begun before this.
    pub(crate) fn enter(
        &self,
        epoch: Epoch,
        action: ActionId,
        starts: Option<&ReplicaId>,
    ) -> Result<Door, LxdError> {
        let (kept, _) = self.read()?;
        let older = kept.epoch() < epoch;
        self.learn(kept);
        let door = self.knock(epoch, action, starts);
        if older && door == Door::Open {
            let guard = lock(&self.writer);
            self.write(|kept| kept.raise(epoch))?;
            drop(guard);
            return Ok(self.knock(epoch, action, starts));
        }
        Ok(door)
    }

    /// Keeps an end. Those of several actions are written together; what cannot be written is tried again with the next.
    pub(crate) fn end(&self, end: End) -> Result<(), LxdError> {
        end.put(&mut lock(&self.known));
        lock(&self.pending).push(end);
        self.flush()
    }

    pub(crate) fn flush(&self) -> Result<(), LxdError> {
        let guard = lock(&self.writer);
        let batch: Vec<End> = lock(&self.pending).clone();
        if batch.is_empty() {
            return Ok(());
        }
        self.write(|kept| batch.iter().for_each(|end| end.put(kept)))?;
        lock(&self.pending).retain(|it| !batch.iter().any(|done| done.action == it.action));
        drop(guard);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(action: u64, stopped: Option<&str>) -> End {
        let stopped = stopped.map(|it| it.parse().expect("a replica"));
        End { action: ActionId(action), outcome: ActionOutcome::DONE, stopped }
    }

    #[test]
    fn a_lower_epoch_and_a_start_before_the_newest_stop_find_the_door_closed() {
        let api = Api {
            sockets: Vec::new(),
            project: "default".into(),
            answer_within: std::time::Duration::from_secs(1),
        };
        let memory = Memory::new(api, "eco".into());
        let web = "web#0".parse().expect("a replica");
        assert_eq!(memory.knock(Epoch(2), ActionId(5), Some(&web)), Door::Open);
        assert!(matches!(memory.knock(Epoch(1), ActionId(6), Some(&web)), Door::Closed(_)));
        // Nobody can be told, but it is known here, and stays so.
        assert!(memory.end(end(7, Some("web#0"))).is_err());
        assert!(matches!(memory.knock(Epoch(2), ActionId(6), Some(&web)), Door::Closed(_)));
        assert_eq!(memory.knock(Epoch(2), ActionId(7), None), Door::Ended(ActionOutcome::DONE));
        assert_eq!(memory.knock(Epoch(2), ActionId(8), Some(&web)), Door::Open);
    }
}
