//! Questions that wait, and the thread that has them answered on the pool.

use crate::counters::Counters;
use ecosystem_forecast::serve::{Answer, Ask, Overloaded, Servable, ServeError, Ticket, WorkQueue};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot::{Receiver, Sender, channel};

type Answered = Result<Answer, ServeError>;

/// The queue behind its lock.
#[derive(Debug)]
pub(crate) struct Workers {
    work: Mutex<Work>,
    changed: Condvar,
    batch_max: usize,
}

#[derive(Debug)]
struct Work {
    queue: WorkQueue,
    answers: BTreeMap<Ticket, Sender<Answered>>,
    closing: bool,
}

/// Why a question was not taken.
#[derive(Debug)]
pub(crate) enum Refused {
    Overloaded(Overloaded),
    Closing,
}

/// A question that was taken. One that is dropped is taken back, if nobody has begun with it.
#[derive(Debug)]
pub(crate) struct Taken {
    workers: Arc<Workers>,
    ticket: Ticket,
    pub(crate) answer: Receiver<Answered>,
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut work = self.workers.lock();
        if work.answers.remove(&self.ticket).is_some() {
            work.queue.cancel(self.ticket);
        }
    }
}

impl Workers {
    pub(crate) fn new(waiting_max: usize, size_max: usize, batch_max: usize) -> Self {
        let queue = WorkQueue::new(waiting_max, size_max);
        let work = Work { queue, answers: BTreeMap::new(), closing: false };
        Self { work: Mutex::new(work), changed: Condvar::new(), batch_max }
    }

    fn lock(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn submit(self: &Arc<Self>, model: &Arc<Servable>, ask: Ask) -> Result<Taken, Refused> {
        let mut work = self.lock();
        if work.closing {
            return Err(Refused::Closing);
        }
        let ticket = work.queue.submit(model, ask).map_err(Refused::Overloaded)?;
        let (sender, answer) = channel();
        work.answers.insert(ticket, sender);
        drop(work);
        self.changed.notify_one();
        Ok(Taken { workers: Arc::clone(self), ticket, answer })
    }

    pub(crate) fn waiting(&self) -> usize {
        self.lock().queue.len()
    }

    /// Takes nothing any more; [`run`](Self::run) ends when what was taken is answered.
    pub(crate) fn close(&self) {
        self.lock().closing = true;
        self.changed.notify_all();
    }

    /// Answers until it is closed and nothing waits.
    pub(crate) fn run(&self, pool: &rayon::ThreadPool, counters: &Counters) {
        loop {
            let mut work = self.lock();
            while work.queue.is_empty() {
                if work.closing {
                    return;
                }
                work = self.changed.wait(work).unwrap_or_else(PoisonError::into_inner);
            }
            let batch = work.queue.take(self.batch_max);
            let mut senders: BTreeMap<Ticket, Sender<Answered>> =
                batch.tickets().filter_map(|it| Some((it, work.answers.remove(&it)?))).collect();
            drop(work);
            counters.batch();
            // A model of the host's that panics costs its batch the answers, which is told, and not the server.
            let answers = catch_unwind(AssertUnwindSafe(|| pool.install(|| batch.answers())));
            for (ticket, answer) in answers.unwrap_or_default() {
                if let Some(sender) = senders.remove(&ticket) {
                    // Who asked may be gone.
                    drop(sender.send(answer));
                }
            }
        }
    }
}
