//! Where work is put and answers are fetched.

use crate::NatsError;
use async_nats::HeaderMap;
use async_nats::jetstream::consumer::{AckPolicy, PullConsumer, pull};
use async_nats::jetstream::context::{Context, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{
    Config, DiscardPolicy, LastRawMessageErrorKind, RetentionPolicy, Stream,
};
use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use vm_ecosystem::audit::sha256;

pub(crate) const ID: &str = "Eco-Id";
pub(crate) const REASON: &str = "Eco-Reason";
pub(crate) const DELIVERIES: &str = "Eco-Deliveries";

/// Between two looks for an answer.
const LOOK: Duration = Duration::from_millis(20);

/// How a board is set up. Whoever opens it first decides.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Address of the server, `nats://host:port`.
    pub url: String,
    /// Name of the board: letters, digits, `-` and `_`.
    pub name: String,
    /// How long a worker may be silent before its item is given to another. Workers report that they are alive three times as
    /// often. 30 s.
    pub patience: Duration,
    /// How often an item is given out before it is given up. 5.
    pub deliveries: u64,
    /// Items that may be with workers at a time. 256.
    pub in_flight: i64,
    /// Items that may wait. 100,000.
    pub waiting: i64,
    /// How long answers are kept. One day.
    pub kept: Duration,
    /// For one answer of the server. 5 s.
    pub timeout: Duration,
}

impl Settings {
    /// The usual numbers.
    pub fn new(url: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            name: name.into(),
            patience: Duration::from_secs(30),
            deliveries: 5,
            in_flight: 256,
            waiting: 100_000,
            kept: Duration::from_secs(86_400),
            timeout: Duration::from_secs(5),
        }
    }
}

/// A piece of work.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "a name and its input")]
pub struct Item {
    /// Its name, shown to people.
    pub id: String,
    /// All that a worker needs to know.
    pub body: Vec<u8>,
}

impl Item {
    /// An item.
    pub fn new(id: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self { id: id.into(), body: body.into() }
    }

    /// Its key.
    pub fn key(&self) -> Key {
        // The length keeps the end of the name apart from the beginning of the input.
        let mut bytes = (self.id.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(self.id.as_bytes());
        bytes.extend_from_slice(&self.body);
        Key(sha256(&bytes).to_hex())
    }
}

/// Names an item and its input: SHA-256 of both, in hexadecimal.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Key(String);

impl Key {
    /// Work lies under its key.
    pub(crate) fn of_subject(subject: &str) -> Self {
        Self(subject.rsplit('.').next().unwrap_or_default().to_owned())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An item that was given up.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct DeadLetter {
    /// The item.
    pub item: Item,
    /// How often it was given out.
    pub deliveries: u64,
    /// Why it was given up.
    pub reason: String,
}

/// What became of an item.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "one or the other")]
pub enum Outcome {
    /// Its answer.
    Done(Vec<u8>),
    /// None will come.
    Dead(DeadLetter),
}

/// A connection to a board.
pub struct Board {
    pub(crate) runtime: Runtime,
    pub(crate) settings: Settings,
    pub(crate) context: Context,
    answers: Stream,
    pub(crate) workers: PullConsumer,
}

impl fmt::Debug for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Board").field("settings", &self.settings).finish_non_exhaustive()
    }
}

fn failed(what: &'static str, error: impl fmt::Display) -> NatsError {
    NatsError::Failed { what, reason: error.to_string() }
}

fn check_name(name: &str) -> Result<(), NatsError> {
    let good = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if (1..=64).contains(&name.len()) && name.bytes().all(good) {
        return Ok(());
    }
    Err(NatsError::Name { found: name.to_owned() })
}

impl Board {
    /// Connects, and makes the board if it is not there.
    pub fn open(settings: Settings) -> Result<Self, NatsError> {
        check_name(&settings.name)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(|e| NatsError::System { reason: e.to_string() })?;
        let (context, answers, workers) = runtime.block_on(connect(&settings))?;
        Ok(Self { runtime, settings, context, answers, workers })
    }

    /// Puts an item on the board. One that waits, is being done or is answered already is not put there again.
    pub fn submit(&self, item: &Item) -> Result<Key, NatsError> {
        let key = item.key();
        self.fits("item", item.body.len() + item.id.len())?;
        self.runtime.block_on(async {
            if self.look(&key).await?.is_some() {
                return Ok(key);
            }
            let mut headers = HeaderMap::new();
            headers.insert(ID, one_line(&item.id).as_str());
            let message = PublishMessage::build()
                .payload(item.body.clone().into())
                .headers(headers)
                .expected_last_subject_sequence(0);
            match self.publish(format!("{}.work.{key}", self.settings.name), message).await {
                // It is there already.
                Ok(()) | Err(PublishErrorKind::WrongLastSequence) => Ok(key),
                // The server says only in words that a stream is full: ask it.
                Err(_) if self.is_full().await => Err(NatsError::Full { waiting: self.settings.waiting }),
                Err(kind) => Err(failed("work could not be put", kind)),
            }
        })
    }

    /// What became of an item; `None` = nothing yet.
    pub fn outcome(&self, key: &Key) -> Result<Option<Outcome>, NatsError> {
        self.runtime.block_on(self.look(key))
    }

    /// Waits until everything is done or given up. A server that is away for a while is waited for.
    pub fn collect(&self, keys: &[Key], patience: Duration) -> Result<BTreeMap<Key, Outcome>, NatsError> {
        let begin = Instant::now();
        let mut found = BTreeMap::new();
        for key in keys {
            while !found.contains_key(key) {
                let looked = self.outcome(key);
                if let Ok(Some(outcome)) = looked {
                    found.insert(key.clone(), outcome);
                    break;
                }
                if begin.elapsed() >= patience {
                    looked?;
                    let missing = keys.iter().filter(|it| !found.contains_key(it)).count();
                    return Err(NatsError::Late { missing, of: keys.len(), waited: begin.elapsed() });
                }
                std::thread::sleep(LOOK);
            }
        }
        Ok(found)
    }

    /// Items that wait and items that are with workers.
    pub fn waiting(&self) -> Result<(u64, usize), NatsError> {
        self.runtime.block_on(async {
            let info = self.workers.get_info().await.map_err(|e| failed("state of the workers", e))?;
            Ok((info.num_pending, info.num_ack_pending))
        })
    }

    /// Number of answers and dead letters that are kept.
    pub fn answered(&self) -> Result<u64, NatsError> {
        let info = self.runtime.block_on(self.answers.get_info());
        Ok(info.map_err(|e| failed("state of the answers", e))?.state.messages)
    }

    pub(crate) fn fits(&self, what: &'static str, bytes: usize) -> Result<(), NatsError> {
        // Headers of ours and of the protocol.
        const ROOM: usize = 4_096;
        let most = self.context.client().server_info().max_payload.saturating_sub(ROOM);
        if bytes > most { Err(NatsError::TooLarge { what, bytes, most }) } else { Ok(()) }
    }

    pub(crate) async fn publish(
        &self,
        subject: String,
        message: PublishMessage,
    ) -> Result<(), PublishErrorKind> {
        let sent = self.context.send_publish(subject, message).await.map_err(|e| e.kind())?;
        sent.await.map(drop).map_err(|e| e.kind())
    }

    pub(crate) async fn look(&self, key: &Key) -> Result<Option<Outcome>, NatsError> {
        let name = &self.settings.name;
        if let Some(message) = self.last(format!("{name}.answer.{key}")).await? {
            return Ok(Some(Outcome::Done(message.payload.to_vec())));
        }
        let Some(message) = self.last(format!("{name}.dead.{key}")).await? else { return Ok(None) };
        let header =
            |name: &str| message.headers.get(name).map(|it| it.as_str().to_owned()).unwrap_or_default();
        let item = Item { id: header(ID), body: message.payload.to_vec() };
        let deliveries = header(DELIVERIES).parse().unwrap_or(0);
        Ok(Some(Outcome::Dead(DeadLetter { item, deliveries, reason: header(REASON) })))
    }

    async fn last(
        &self,
        subject: String,
    ) -> Result<Option<async_nats::jetstream::message::StreamMessage>, NatsError> {
        match self.answers.get_last_raw_message_by_subject(&subject).await {
            Ok(message) => Ok(Some(message)),
            Err(e) if e.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
            Err(e) => Err(failed("answers could not be read", e)),
        }
    }

    async fn is_full(&self) -> bool {
        let stream = self.context.get_stream(work_stream(&self.settings)).await;
        stream.is_ok_and(|it| {
            i64::try_from(it.cached_info().state.messages).unwrap_or(i64::MAX) >= self.settings.waiting
        })
    }
}

/// Header values are single lines.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(|it| if it.is_control() { ' ' } else { it }).take(1_000).collect()
}

fn work_stream(settings: &Settings) -> String {
    format!("{}-work", settings.name)
}

async fn connect(settings: &Settings) -> Result<(Context, Stream, PullConsumer), NatsError> {
    let client = async_nats::ConnectOptions::new()
        .connection_timeout(settings.timeout)
        .request_timeout(Some(settings.timeout))
        .connect(settings.url.as_str())
        .await;
    let unreachable = |e: String| NatsError::Unreachable { url: settings.url.clone(), reason: e };
    let context = async_nats::jetstream::new(client.map_err(|e| unreachable(e.to_string()))?);
    let name = &settings.name;
    let work = Config {
        name: work_stream(settings),
        subjects: vec![format!("{name}.work.*")],
        // What is done is gone.
        retention: RetentionPolicy::WorkQueue,
        max_messages: settings.waiting,
        // A full board refuses new work and forgets none.
        discard: DiscardPolicy::New,
        ..Config::default()
    };
    let answers = Config {
        name: format!("{name}-answers"),
        subjects: vec![format!("{name}.answer.*"), format!("{name}.dead.*")],
        max_age: settings.kept,
        ..Config::default()
    };
    let bad = |stream: &str, e: String| NatsError::Stream { stream: stream.to_owned(), reason: e };
    let (work_name, answers_name) = (work.name.clone(), answers.name.clone());
    let work = context.get_or_create_stream(work).await.map_err(|e| bad(&work_name, e.to_string()))?;
    let answers =
        context.get_or_create_stream(answers).await.map_err(|e| bad(&answers_name, e.to_string()))?;
    let consumer = pull::Config {
        durable_name: Some("workers".into()),
        ack_policy: AckPolicy::Explicit,
        ack_wait: settings.patience,
        max_ack_pending: settings.in_flight,
        // Counted by the workers, which say why an item was given up.
        max_deliver: -1,
        ..pull::Config::default()
    };
    let workers = work.get_or_create_consumer("workers", consumer).await;
    let workers = workers.map_err(|e| bad(&work_name, e.to_string()))?;
    Ok((context, answers, workers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_the_item_and_its_input() {
        let key = |id: &str, body: &str| Item::new(id, body).key();
        assert_eq!(key("a", "b"), key("a", "b"));
        let all = [key("a", "b"), key("a", "c"), key("b", "b"), key("ab", ""), key("", "ab")];
        for (at, one) in all.iter().enumerate() {
            assert!(all[at + 1..].iter().all(|it| it != one));
        }
    }

    #[test]
    fn a_name_cannot_reach_other_subjects() {
        for bad in ["", "a.b", "a b", "*", ">", "ä", &"x".repeat(65)] {
            assert!(matches!(check_name(bad), Err(NatsError::Name { .. })), "{bad}");
        }
        assert!(check_name("shards-2").is_ok());
    }

    #[test]
    fn headers_carry_no_second_line() {
        assert_eq!(one_line("a\r\nEco-Id: b"), "a  Eco-Id: b");
        assert_eq!(one_line(&"x".repeat(5_000)).len(), 1_000);
    }
}
