//! Who takes work and answers it.

use crate::board::{DELIVERIES, ID, REASON, one_line};
use crate::{Board, Item, Key, NatsError};
use async_nats::HeaderMap;
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{AckKind, Message};
use futures_util::StreamExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// Pause before an item that failed is given out again; it doubles each time up to a minute.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What a worker did with an item.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "the ends there are")]
pub enum Done {
    /// Its answer is on the board.
    Answered(Key),
    /// Somebody had answered it before.
    Known(Key),
    /// It failed, and is given out again.
    Failed(Key, String),
    /// It was given up.
    GivenUp(Key, String),
}

struct Taken {
    message: Message,
    item: Item,
    key: Key,
    // With this one.
    deliveries: u64,
}

fn failed(what: &'static str, error: impl std::fmt::Display) -> NatsError {
    NatsError::Failed { what, reason: error.to_string() }
}

impl Board {
    /// Takes one item, waiting for it at most as long as said, has it done in this thread, and puts the answer on the board;
    /// `None` if there was none. While `work` runs, the server is told that somebody is at it. An error of `work` and a panic in it
    /// are failures of the item, not of the worker.
    pub fn work_one<F>(&self, wait: Duration, work: F) -> Result<Option<Done>, NatsError>
    where
        F: FnOnce(&Item) -> Result<Vec<u8>, String>,
    {
        let Some(taken) = self.runtime.block_on(self.take(wait))? else { return Ok(None) };
        if taken.deliveries > self.settings.deliveries {
            let reason = "its workers died or fell silent".to_owned();
            return self.runtime.block_on(self.give_up(&taken, reason)).map(Some);
        }
        if self.runtime.block_on(self.look(&taken.key))?.is_some() {
            self.runtime.block_on(forget(&taken))?;
            return Ok(Some(Done::Known(taken.key)));
        }
        let done = self.watched(&taken, work);
        self.runtime.block_on(self.settle(taken, done)).map(Some)
    }

    async fn take(&self, wait: Duration) -> Result<Option<Taken>, NatsError> {
        let mut batch = self
            .workers
            .fetch()
            .max_messages(1)
            .expires(wait)
            .messages()
            .await
            .map_err(|e| failed("work could not be asked for", e))?;
        let Some(message) = batch.next().await else { return Ok(None) };
        let message = message.map_err(|e| failed("work could not be taken", e))?;
        let deliveries = message.info().map_err(|e| failed("work without a number", e))?.delivered;
        let id = message.headers.as_ref().and_then(|it| it.get(ID)).map(|it| it.as_str().to_owned());
        let item = Item { id: id.unwrap_or_default(), body: message.payload.to_vec() };
        // As it was submitted: a header cannot carry every name.
        let key = Key::of_subject(&message.subject);
        Ok(Some(Taken { item, key, deliveries: u64::try_from(deliveries).unwrap_or(0), message }))
    }

    /// Does the work and says meanwhile that somebody is at it.
    fn watched<F>(&self, taken: &Taken, work: F) -> Result<Vec<u8>, String>
    where
        F: FnOnce(&Item) -> Result<Vec<u8>, String>,
    {
        let (_, acker) = taken.message.clone().split();
        let every = self.settings.patience / 3;
        let alive = self.runtime.spawn(async move {
            loop {
                tokio::time::sleep(every).await;
                // A word that is lost is said again; too many, and another worker does it, too.
                drop(acker.ack_with(AckKind::Progress).await);
            }
        });
        // Nothing of the caller's is used after a panic but what the caller hands to the next item.
        let done = catch_unwind(AssertUnwindSafe(|| work(&taken.item)));
        alive.abort();
        done.unwrap_or_else(|panic| Err(format!("panic: {}", words(&*panic))))
    }

    async fn settle(&self, taken: Taken, done: Result<Vec<u8>, String>) -> Result<Done, NatsError> {
        let answer = match done {
            Ok(answer) => match self.fits("answer", answer.len()) {
                Ok(()) => answer,
                Err(e) => return self.fail(taken, e.to_string()).await,
            },
            Err(reason) => return self.fail(taken, reason).await,
        };
        let subject = format!("{}.answer.{}", self.settings.name, taken.key);
        // Only the first answer is kept.
        let message = PublishMessage::build().payload(answer.into()).expected_last_subject_sequence(0);
        let known = match self.publish(subject, message).await {
            Ok(()) => false,
            Err(PublishErrorKind::WrongLastSequence) => true,
            // It is given out again when the patience is over.
            Err(kind) => return Err(failed("an answer could not be put", kind)),
        };
        forget(&taken).await?;
        Ok(if known { Done::Known(taken.key) } else { Done::Answered(taken.key) })
    }

    async fn fail(&self, taken: Taken, reason: String) -> Result<Done, NatsError> {
        if taken.deliveries >= self.settings.deliveries {
            return self.give_up(&taken, reason).await;
        }
        let doubled = u32::try_from(taken.deliveries.saturating_sub(1)).unwrap_or(u32::MAX).min(16);
        let pause = (FIRST_PAUSE * (1 << doubled)).min(LONGEST_PAUSE);
        let told = taken.message.ack_with(AckKind::Nak(Some(pause))).await;
        told.map_err(|e| failed("a failure could not be told", e))?;
        Ok(Done::Failed(taken.key, reason))
    }

    async fn give_up(&self, taken: &Taken, reason: String) -> Result<Done, NatsError> {
        let mut headers = HeaderMap::new();
        headers.insert(ID, one_line(&taken.item.id).as_str());
        headers.insert(REASON, one_line(&reason).as_str());
        headers.insert(DELIVERIES, taken.deliveries.min(self.settings.deliveries).to_string().as_str());
        let message = PublishMessage::build()
            .payload(taken.item.body.clone().into())
            .headers(headers)
            .expected_last_subject_sequence(0);
        match self.publish(format!("{}.dead.{}", self.settings.name, taken.key), message).await {
            Ok(()) | Err(PublishErrorKind::WrongLastSequence) => {}
            Err(kind) => return Err(failed("a dead letter could not be put", kind)),
        }
        forget(taken).await?;
        Ok(Done::GivenUp(taken.key.clone(), reason))
    }
}

/// The item leaves the board; the server's word for it is waited for.
async fn forget(taken: &Taken) -> Result<(), NatsError> {
    taken.message.double_ack().await.map_err(|e| failed("an item could not be taken off the board", e))
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|it| (*it).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without words".into())
}
