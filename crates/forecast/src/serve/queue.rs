//! Requests that wait, and the workers that answer them.
//!
//! # Model
//! A [`WorkQueue`] holds what was asked, first come first served, and no more than it was told: a request that finds it full is
//! [refused](Overloaded) at once and has cost nothing. [`take`](WorkQueue::take) gives a [`Batch`], whose [`answers`](Batch::answers)
//! are computed on the rayon pool from which it is called (feature `parallel`; else one by one) and come in the order in which they
//! were asked, with the bits of [`Inference::predict`]. There are no threads and no lock in it: a host puts the queue behind a lock
//! of its own, holds that while it submits or takes, and computes without it.
//!
//! A request holds its model, so that one that is replaced meanwhile still answers those that were asked of it.
//!
//! # Example
//! ```
//! use ecosystem_forecast::{Forecaster, Mean, serve::{Answer, Ask, Servable, WorkQueue}};
//! use std::sync::Arc;
//! let model = Arc::new(Servable::Series(Mean.fit(&[1.0, 3.0])?.into()));
//! let mut queue = WorkQueue::new(2, 100);
//! let ticket = queue.submit(&model, Ask::Forecast { horizon: 2, levels: vec![] })?;
//! queue.submit(&model, Ask::Forecast { horizon: 1, levels: vec![] })?;
//! assert!(queue.submit(&model, Ask::Rows(vec![])).is_err(), "two may wait");
//! let answers = queue.take(10).answers();
//! assert_eq!(answers[0].0, ticket);
//! assert!(matches!(&answers[0].1, Ok(Answer::Forecast(it)) if it.point == [2.0, 2.0]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use super::{Servable, ServeError};
use crate::{Forecast, model::Fitted};
use std::{collections::VecDeque, sync::Arc};

const NOT_ROWS: ServeError = ServeError::Question { needed: "rows" };
const NOT_A_HORIZON: ServeError = ServeError::Question { needed: "a horizon" };

/// What is asked of a model.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a model is asked with rows or with a horizon")]
pub enum Ask {
    /// Answers to rows, in order: all, or if one is refused none.
    Rows(Vec<Vec<f64>>),
    /// The coming steps with an interval per level.
    Forecast {
        /// Steps.
        horizon: usize,
        /// Levels of intervals, strictly between 0 and 1.
        levels: Vec<f64>,
    },
}

impl Ask {
    /// Values that one row may have and still count as one: a bound in rows alone would not bound memory.
    pub const VALUES_OF_ROW: usize = 64;

    /// How much is asked: rows (wide ones by their values, [`VALUES_OF_ROW`](Self::VALUES_OF_ROW) to a row), or steps times (1 + levels); at least 1. O(rows).
    pub fn size(&self) -> usize {
        let size = match self {
            Self::Rows(rows) => {
                let values: usize = rows.iter().map(Vec::len).sum();
                values.div_ceil(Self::VALUES_OF_ROW).max(rows.len())
            }
            Self::Forecast { horizon, levels } => horizon.saturating_mul(levels.len().saturating_add(1)),
        };
        size.max(1)
    }
}

/// What a model answers.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "as many as there are questions")]
pub enum Answer {
    /// One value per row.
    Rows(Vec<f64>),
    /// A forecast.
    Forecast(Forecast),
}

/// The number of a request: they rise by one, and are never used again.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Ticket(pub u64);

/// There is no room for the request, which was not taken. It may be made again later.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "{waiting} requests of {size} rows or steps are waiting and {asked} more do not fit: ask again later, or for less at once"
)]
pub struct Overloaded {
    /// Requests that wait.
    pub waiting: usize,
    /// Rows and steps that they ask for, by [`Ask::size`].
    pub size: usize,
    /// Rows or steps of the refused one.
    pub asked: usize,
}

/// Requests that wait for an answer, bounded in number and in size.
#[derive(Debug)]
pub struct WorkQueue {
    most_requests: usize,
    most_size: usize,
    size: usize,
    next: u64,
    waiting: VecDeque<Request>,
}

#[derive(Debug)]
struct Request {
    ticket: Ticket,
    model: Arc<Servable>,
    ask: Ask,
    size: usize,
}

impl WorkQueue {
    /// At most so many requests, of at most so many rows and steps ([`Ask::size`]) together.
    pub const fn new(most_requests: usize, most_size: usize) -> Self {
        Self { most_requests, most_size, size: 0, next: 0, waiting: VecDeque::new() }
    }

    /// Takes a request in. O(rows) of it. What the model is sure to refuse can be found out before by [`Servable::check`].
    pub fn submit(&mut self, model: &Arc<Servable>, ask: Ask) -> Result<Ticket, Overloaded> {
        let asked = ask.size();
        if self.waiting.len() >= self.most_requests || asked > self.most_size - self.size {
            return Err(Overloaded { waiting: self.waiting.len(), size: self.size, asked });
        }
        let ticket = Ticket(self.next);
        self.next += 1;
        self.size += asked;
        self.waiting.push_back(Request { ticket, model: Arc::clone(model), ask, size: asked });
        Ok(ticket)
    }

    /// Takes the requests that have waited longest, at most so many.
    pub fn take(&mut self, most: usize) -> Batch {
        let requests: Vec<Request> = self.waiting.drain(..most.min(self.waiting.len())).collect();
        self.size -= requests.iter().map(|it| it.size).sum::<usize>();
        Batch { requests }
    }

    /// Takes out a request that nobody waits for any more; false if it is not there. O(requests).
    pub fn cancel(&mut self, ticket: Ticket) -> bool {
        let Ok(at) = self.waiting.binary_search_by_key(&ticket, |it| it.ticket) else { return false };
        if let Some(request) = self.waiting.remove(at) {
            self.size -= request.size;
        }
        true
    }

    /// Requests that wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// True when none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

/// Requests that are answered together.
#[derive(Debug)]
pub struct Batch {
    requests: Vec<Request>,
}

impl Batch {
    /// How many requests.
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// Which requests, in order.
    pub fn tickets(&self) -> impl Iterator<Item = Ticket> {
        self.requests.iter().map(|it| it.ticket)
    }

    /// The answers, in the order of the requests: a request that fails does not touch the others.
    pub fn answers(self) -> Vec<(Ticket, Result<Answer, ServeError>)> {
        let each = |request: Request| (request.ticket, answer(&request.model, &request.ask));
        #[cfg(feature = "parallel")]
        if self.requests.len() > 1 {
            use rayon::prelude::*;
            return self.requests.into_par_iter().map(each).collect();
        }
        self.requests.into_iter().map(each).collect()
    }
}

impl Servable {
    /// Refuses what this model is sure to refuse, without computing: another kind of question, a row of another length. What the
    /// values are is looked at with the answer. O(rows).
    pub fn check(&self, ask: &Ask) -> Result<(), ServeError> {
        match (self, ask) {
            (Self::Rows(inference), Ask::Rows(rows)) => {
                rows.iter().enumerate().try_for_each(|(at, row)| inference.check_width(at, row))
            }
            (Self::Series(_), Ask::Forecast { .. }) => Ok(()),
            (Self::Rows(_), Ask::Forecast { .. }) => Err(NOT_ROWS),
            (Self::Series(_), Ask::Rows(_)) => Err(NOT_A_HORIZON),
        }
    }
}

/// The answer of a model to a request.
fn answer(model: &Servable, ask: &Ask) -> Result<Answer, ServeError> {
    match (model, ask) {
        (Servable::Rows(inference), Ask::Rows(rows)) => inference.predict_batch(rows).map(Answer::Rows),
        (Servable::Series(fitted), Ask::Forecast { horizon, levels }) => {
            Ok(Answer::Forecast(fitted.predict(*horizon, levels)?))
        }
        (Servable::Rows(_), Ask::Forecast { .. }) => Err(NOT_ROWS),
        (Servable::Series(_), Ask::Rows(_)) => Err(NOT_A_HORIZON),
    }
}
