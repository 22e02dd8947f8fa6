//! An election that is kept going in a thread of its own.

use crate::{Election, Role, Settings};
use ecosystem_core::Epoch;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

/// What the thread found out.
#[derive(Clone, Debug, Default)]
struct Standing {
    // Our token, and the moment at which it is ours no longer unless the lease is renewed.
    ours: Option<(Epoch, Instant)>,
    leader: Option<String>,
    trouble: Option<String>,
}

/// Steps an [`Election`] every third of its time to live, so that whoever acts never waits for etcd.
///
/// Ask [`epoch`](Self::epoch) before every order. A process that was stopped for longer than its lease finds out by its own
/// clock at the first question after it woke; the clock does not count while the whole *machine* sleeps, which is what the
/// fencing token is for. When the value is dropped, the lease is given back and the next one need not wait.
#[derive(Debug)]
pub struct Keeper {
    standing: Arc<Mutex<Standing>>,
    // Dropped to end the thread.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

fn lock(standing: &Mutex<Standing>) -> MutexGuard<'_, Standing> {
    // Each write is whole.
    standing.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Keeper {
    /// A candidate from now on.
    pub fn start(settings: Settings) -> Self {
        let standing = Arc::<Mutex<Standing>>::default();
        let (stop, stopped) = channel::<()>();
        let shared = Arc::clone(&standing);
        let thread = std::thread::spawn(move || {
            let mut election = Election::new(settings);
            loop {
                let result = election.step();
                note(&shared, &election, result);
                if stopped.recv_timeout(election.pause()) != Err(RecvTimeoutError::Timeout) {
                    break;
                }
            }
            // If etcd is away, the lease runs out by itself.
            drop(election.resign());
        });
        Self { standing, stop: Some(stop), thread: Some(thread) }
    }

    /// The fencing token while we certainly lead; waits for nobody.
    pub fn epoch(&self) -> Option<Epoch> {
        lock(&self.standing).ours.filter(|(_, until)| Instant::now() < *until).map(|(epoch, _)| epoch)
    }

    /// Who leads if it is not us, as it calls itself and as far as known.
    pub fn leader(&self) -> Option<String> {
        lock(&self.standing).leader.clone()
    }

    /// Why etcd could not be asked last time; `None` if it answered.
    pub fn trouble(&self) -> Option<String> {
        lock(&self.standing).trouble.clone()
    }
}

fn note(standing: &Mutex<Standing>, election: &Election, result: Result<Role, crate::EtcdError>) {
    let mut standing = lock(standing);
    standing.ours = election.leads_until();
    match result {
        Ok(role) => {
            standing.trouble = None;
            standing.leader = match role {
                Role::Leader { .. } => None,
                Role::Follower { leader } => Some(leader),
            };
        }
        // What was known of the others stays: it is shown, nothing rests on it.
        Err(error) => standing.trouble = Some(error.to_string()),
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        lock(&self.standing).ours = None;
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
