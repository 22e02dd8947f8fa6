//! The cluster as a [`Hypervisor`].

use crate::LxdError;
use crate::api::Api;
use crate::ground::Ground;
use crate::measure::Measured;
use crate::memory::{End, Memory};
use ecosystem_core::{
    ActionId, ActionKind, ActionOutcome, ActionRequest, Capabilities, Capability, HostId, Hypervisor,
    HypervisorEvent, Inventory, ReplicaId, Resources, SubmitError, Timestamp,
};
use ecosystem_orders::{Door, News, lock, started, stopped};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How a cluster is spoken to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Unix sockets of members; the first that takes a connection is asked, the others when it does not. Measurements come from
    /// each of them.
    pub sockets: Vec<PathBuf>,
    /// The project of the instances. `default`.
    pub project: String,
    /// The profile that holds the memory of the controllers; made if it is not there. `eco-control`.
    pub memory: String,
    /// Alias of the image of a new instance, with `{component}` and `{version}`. `{component}/{version}`.
    pub image: String,
    /// Profiles of new instances. `default`.
    pub profiles: Vec<String>,
    /// Further configuration of new instances, e.g. `security.privileged`. Nothing.
    pub config: BTreeMap<String, String>,
    /// What members have for instances; of others, what the cluster says that the machine has.
    pub capacity: BTreeMap<HostId, Resources>,
    /// For one answer. 10 s.
    pub answer_within: Duration,
    /// For one background operation; a move of a large instance takes long. 10 min.
    pub operation_within: Duration,
    /// Between two looks at members and instances. 1 s.
    pub every: Duration,
    /// Between two measurements. 10 s: the cluster itself measures no more often than every eight.
    pub measure_every: Duration,
}

impl Settings {
    /// The usual values for a cluster with these sockets.
    pub fn new<P: Into<PathBuf>>(sockets: impl IntoIterator<Item = P>) -> Self {
        Self {
            sockets: sockets.into_iter().map(Into::into).collect(),
            project: "default".into(),
            memory: "eco-control".into(),
            image: "{component}/{version}".into(),
            profiles: vec!["default".into()],
            config: BTreeMap::new(),
            capacity: BTreeMap::new(),
            answer_within: Duration::from_secs(10),
            operation_within: Duration::from_secs(600),
            every: Duration::from_secs(1),
            measure_every: Duration::from_secs(10),
        }
    }

    fn check(&self) -> Result<(), LxdError> {
        for name in [&self.project, &self.memory] {
            let sound = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
            if name.is_empty() || !name.bytes().all(sound) {
                let reason = "expected letters, digits, `-`, `_`, `.`".into();
                return Err(LxdError::Name { name: name.clone(), reason });
            }
        }
        Ok(())
    }
}

/// What threads share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) api: Api,
    pub(crate) memory: Memory,
    pub(crate) news: Mutex<News>,
    pub(crate) measured: Mutex<Measured>,
    /// What is about to run where, so that two starts do not share one room.
    pub(crate) reserved: Mutex<BTreeMap<ReplicaId, (HostId, Resources)>>,
    pub(crate) over: AtomicBool,
}

/// An LXD cluster.
///
/// Its members are the hosts, their failure domains the zones, its instances with a mark of ours the replicas. Actions are carried
/// out by a thread each, which looks at the operation it has begun until that ends; no call of the traits waits for one.
#[derive(Debug)]
pub struct Cluster {
    pub(crate) shared: Arc<Shared>,
}

impl Cluster {
    /// Speaks to a cluster. Nothing needs to answer yet.
    pub fn connect(settings: Settings) -> Result<Self, LxdError> {
        settings.check()?;
        let api = Api {
            sockets: settings.sockets.clone(),
            project: settings.project.clone(),
            answer_within: settings.answer_within,
        };
        let memory = Memory::new(api.clone(), settings.memory.clone());
        let shared = Arc::new(Shared {
            settings,
            api,
            memory,
            news: Mutex::default(),
            measured: Mutex::default(),
            reserved: Mutex::default(),
            over: AtomicBool::new(false),
        });
        let (watcher, meter) = (Arc::clone(&shared), Arc::clone(&shared));
        std::thread::spawn(move || watcher.watch());
        std::thread::spawn(move || meter.measure());
        Ok(Self { shared })
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Sleeps unless the cluster is given up meanwhile.
    pub(crate) fn rest(&self, span: Duration) {
        let part = Duration::from_millis(100);
        let mut left = span;
        while !left.is_zero() && !self.is_over() {
            std::thread::sleep(left.min(part));
            left = left.saturating_sub(part);
        }
    }

    /// Looks around again and again. What is silent is not spoken of.
    fn watch(&self) {
        while !self.is_over() {
            let mark = lock(&self.news).mark();
            if let Ok(ground) = Ground::look(&self.api) {
                lock(&self.news).see(mark, ground.hosts(), ground.reports());
            }
            // What could not be written when it ended.
            drop(self.memory.flush());
            self.rest(self.settings.every);
        }
    }

    fn finish(&self, request: &ActionRequest, outcome: ActionOutcome, keep: bool) {
        if keep {
            let stopped = stopped(&request.kind).cloned();
            // What cannot be written now is written with the next; the action has ended all the same.
            drop(self.memory.end(End { action: request.id, outcome: outcome.clone(), stopped }));
        }
        lock(&self.news).end(request.id, outcome);
    }
}

impl Hypervisor for Cluster {
    type Error = LxdError;

    fn capabilities(&self) -> Capabilities {
        use Capability as C;
        [C::Lifecycle, C::ColdMigration, C::Resize, C::Cordon].into_iter().collect()
    }

    fn submit(&mut self, request: &ActionRequest) -> Result<(), SubmitError<LxdError>> {
        let door = self.shared.memory.knock(request.epoch, request.id, started(&request.kind));
        match lock(&self.shared.news).admit(door, request, &self.capabilities()) {
            Err(reason) => return Err(SubmitError::Rejected { reason }),
            Ok(false) => return Ok(()),
            Ok(true) => {}
        }
        let (shared, request) = (Arc::clone(&self.shared), request.clone());
        std::thread::spawn(move || {
            let entered = shared.memory.enter(request.epoch, request.id, started(&request.kind));
            match entered {
                Ok(Door::Open) => {
                    let outcome = shared.carry_out(&request);
                    // A probe has no effect that could come twice.
                    let keep = !matches!(request.kind, ActionKind::Probe { .. });
                    shared.finish(&request, outcome, keep);
                }
                Ok(Door::Ended(outcome)) => shared.finish(&request, outcome, false),
                Ok(Door::Closed(reason)) => shared.finish(&request, ActionOutcome::failed(reason), false),
                Err(e) => shared.finish(&request, ActionOutcome::failed(format!("not begun: {e}")), false),
            }
        });
        Ok(())
    }

    fn poll(&mut self, _: Timestamp) -> Result<Vec<HypervisorEvent>, LxdError> {
        Ok(lock(&self.shared.news).take())
    }

    fn inventory(&mut self) -> Result<Inventory, LxdError> {
        Ok(Ground::look(&self.shared.api)?.inventory())
    }
}

impl Cluster {
    /// Numbers of the actions that are under way.
    pub fn under_way(&self) -> Vec<ActionId> {
        lock(&self.shared.news).under_way().collect()
    }
}
