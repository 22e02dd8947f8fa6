//! What has been done, and who may order: remembered by the cluster itself.
//!
//! It is one text in the configuration of a profile that no instance uses. The cluster keeps it on a majority of its members, and a
//! change is tied to the text that was read (If-Match), so of two controllers that write at once one reads again.

use crate::LxdError;
use crate::api::Api;
use crate::wire::Profile;
use ecosystem_core::{ActionId, ActionOutcome, Epoch, ReplicaId};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

const KEY: &str = "user.eco.memory";
/// Ends that are remembered; the oldest numbers go first.
const ENDS_MAX: usize = 512;
/// Replicas whose newest stop is remembered; the oldest stops go first.
const STOPS_MAX: usize = 512;
/// Attempts of a change while others write.
const ATTEMPTS: u32 = 16;

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The text.
#[derive(Clone, Debug, Default, Eq, PartialEq, Deserialize, Serialize)]
struct Kept {
    epoch: u64,
    #[serde(default)]
    ended: BTreeMap<u64, ActionOutcome>,
    /// Newest stop of each replica: starts with a lower number are over.
    #[serde(default)]
    stops: BTreeMap<String, u64>,
}

impl Kept {
    fn take(&mut self, end: &End) {
        self.ended.insert(end.action.0, end.outcome.clone());
        if let Some(replica) = &end.stopped {
            let newest = self.stops.entry(replica.to_string()).or_default();
            *newest = (*newest).max(end.action.0);
        }
        while self.ended.len() > ENDS_MAX {
            self.ended.pop_first();
        }
        while self.stops.len() > STOPS_MAX {
            let oldest = self.stops.iter().min_by_key(|it| it.1).map(|it| it.0.clone());
            oldest.map(|it| self.stops.remove(&it));
        }
    }
}

/// How an action ended.
#[derive(Clone, Debug)]
pub(crate) struct End {
    pub(crate) action: ActionId,
    pub(crate) outcome: ActionOutcome,
    /// The replica, if it was to be stopped.
    pub(crate) stopped: Option<ReplicaId>,
}

#[derive(Debug)]
pub(crate) struct Memory {
    api: Api,
    profile: String,
    known: Mutex<Kept>,
    pending: Mutex<Vec<End>>,
    writer: Mutex<()>,
}

/// What an order is told before it begins.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Door {
    Open,
    Ended(ActionOutcome),
    Closed(String),
}

impl Memory {
    pub(crate) fn new(api: Api, profile: String) -> Self {
        let (known, pending, writer) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { api, profile, known, pending, writer }
    }

    fn path(&self) -> String {
        format!("/profiles/{}", self.profile)
    }

    fn read(&self) -> Result<(Kept, String), LxdError> {
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
            return Ok((Kept::default(), etag));
        }
        let garbage =
            |e: serde_json::Error| LxdError::Garbage { what: self.path(), reason: format!("{KEY}: {e}") };
        Ok((serde_json::from_str(text).map_err(garbage)?, etag))
    }

    fn write(&self, mut change: impl FnMut(&mut Kept)) -> Result<(), LxdError> {
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
    fn learn(&self, mut kept: Kept) {
        let pending = lock(&self.pending);
        pending.iter().for_each(|end| kept.take(end));
        let mut known = lock(&self.known);
        kept.epoch = kept.epoch.max(known.epoch);
        *known = kept;
    }

    /// What is known here without asking the cluster; a higher epoch rules from now on.
    pub(crate) fn knock(&self, epoch: Epoch, action: ActionId, starts: Option<&ReplicaId>) -> Door {
        let mut known = lock(&self.known);
        if epoch.0 < known.epoch {
            return Door::Closed(format!("epoch {epoch} is over, {} rules", known.epoch));
        }
        known.epoch = epoch.0;
        if let Some(outcome) = known.ended.get(&action.0) {
            return Door::Ended(outcome.clone());
        }
        let stop = starts.and_then(|it| known.stops.get(&it.to_string()).copied());
        match stop.filter(|stop| action.0 < *stop) {
            Some(stop) => Door::Closed(format!("the replica was to be stopped by the later action {stop}")),
            None => Door::Open,
        }
    }

    /// As [`knock`](Self::knock), by what the cluster knows. Nothing is begun before this.
    pub(crate) fn enter(
        &self,
        epoch: Epoch,
        action: ActionId,
        starts: Option<&ReplicaId>,
    ) -> Result<Door, LxdError> {
        let (kept, _) = self.read()?;
        let older = kept.epoch < epoch.0;
        self.learn(kept);
        let door = self.knock(epoch, action, starts);
        if older && door == Door::Open {
            let guard = lock(&self.writer);
            self.write(|kept| kept.epoch = kept.epoch.max(epoch.0))?;
            drop(guard);
            return Ok(self.knock(epoch, action, starts));
        }
        Ok(door)
    }

    /// Keeps an end. Those of several actions are written together; what cannot be written is tried again with the next.
    pub(crate) fn end(&self, end: End) -> Result<(), LxdError> {
        lock(&self.known).take(&end);
        lock(&self.pending).push(end);
        self.flush()
    }

    pub(crate) fn flush(&self) -> Result<(), LxdError> {
        let guard = lock(&self.writer);
        let batch: Vec<End> = lock(&self.pending).clone();
        if batch.is_empty() {
            return Ok(());
        }
        self.write(|kept| batch.iter().for_each(|end| kept.take(end)))?;
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
    fn memory_is_bounded_and_forgets_the_oldest_first() {
        let mut kept = Kept::default();
        for number in 0..2_000 {
            kept.take(&end(number, Some(&format!("web#{number}"))));
        }
        assert_eq!((kept.ended.len(), kept.stops.len()), (ENDS_MAX, STOPS_MAX));
        assert_eq!(kept.ended.first_key_value().map(|it| *it.0), Some(2_000 - 512));
        assert_eq!(kept.stops.get("web#1999"), Some(&1_999));
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
