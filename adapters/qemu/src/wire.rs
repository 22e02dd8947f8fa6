//! What a controller and the supervisors of hosts say to each other: one JSON line there, one back, over a unix socket.

use crate::error::HostError;
use crate::machine::{Plugged, Writing};
use ecosystem_core::{
    ActionId, ActionRequest, ComponentId, Epoch, HostHealth, HypervisorEvent, NetworkPolicy, ReplicaId,
    ReplicaReport, Resources, Version,
};
use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Longest line that is read.
const LINE_MAX: u64 = 8 << 20;

/// A question to a supervisor.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Ask {
    /// Begin an action.
    Submit {
        /// Which.
        request: ActionRequest,
    },
    /// What has happened since event number `since`, and how everything is.
    Poll {
        /// The first event number that was not seen yet.
        since: u64,
        /// Of which controller; older ones are refused from then on. 0 = somebody who only looks.
        #[serde(default)]
        epoch: Epoch,
    },
    /// What runs.
    Inventory,
    /// Make room for a machine that comes from another host and listen for it.
    Prepare {
        /// The migration.
        action: ActionId,
        /// Of which controller.
        epoch: Epoch,
        /// Who comes.
        replica: ReplicaId,
        /// In which build.
        version: Version,
        /// With what.
        resources: Resources,
        /// Memory is fetched afterwards.
        post_copy: bool,
        /// What is plugged into it.
        plugged: Plugged,
    },
    /// Has the machine that was prepared for taken over?
    Arrived {
        /// Who.
        replica: ReplicaId,
    },
    /// Give up the machine that was prepared for, unless it has taken over.
    Discard {
        /// Who.
        replica: ReplicaId,
    },
    /// Give up an action that is carried out here.
    Abort {
        /// Of which controller.
        epoch: Epoch,
        /// Which.
        action: ActionId,
    },
    /// Cut a component's machines off the network, now and whenever one starts or arrives; or connect them again.
    Policy {
        /// Of which controller.
        epoch: Epoch,
        /// Whose.
        component: ComponentId,
        /// `None` = no restriction any more.
        policy: Option<NetworkPolicy>,
    },
    /// Send a byte to the guest's serial port.
    Dial {
        /// Whose.
        replica: ReplicaId,
        /// The byte.
        byte: u8,
    },
    /// Limits of migrations that begin from now on.
    Limits {
        /// Bytes per second.
        bandwidth: u64,
        /// Longest accepted stand-still in milliseconds.
        downtime_ms: u64,
    },
    /// Measure how a guest writes its memory.
    Measure {
        /// Whose.
        replica: ReplicaId,
        /// Milliseconds after which to look, ascending.
        looks: Vec<u64>,
    },
    /// Suspend a machine or let it go on.
    Pause {
        /// Which.
        replica: ReplicaId,
        /// True = suspend.
        paused: bool,
    },
}

/// A supervisor's answer.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Answer {
    /// It was begun, or done.
    Accepted,
    /// It was not and will not be.
    Rejected {
        /// Why.
        reason: String,
    },
    /// What has happened.
    News {
        /// The first number that is not in `events`.
        next: u64,
        /// Answers and progress.
        events: Vec<HypervisorEvent>,
        /// How the host is.
        health: HostHealth,
        /// What runs.
        replicas: Vec<ReplicaReport>,
        /// Components whose machines are restricted here.
        policies: Vec<(ComponentId, NetworkPolicy)>,
        /// What it uses.
        usage: Vec<Usage>,
        /// The newest migrations, as measured.
        migrations: Vec<Migration>,
    },
    /// Where to send the machine.
    Listening {
        /// A migration address of QEMU.
        uri: String,
    },
    /// What was measured.
    Writes {
        /// By the guest.
        writing: Writing,
    },
    /// Yes or no.
    Says {
        /// Which.
        yes: bool,
    },
}

/// What a machine uses.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[expect(clippy::exhaustive_structs, reason = "one line of a report")]
pub struct Usage {
    /// Whose.
    pub replica: ReplicaId,
    /// Processor time since it began, in milliseconds.
    pub cpu_ms: u64,
    /// Resident memory in bytes.
    pub rss: u64,
    /// When, in milliseconds since the Unix epoch.
    pub at_unix_ms: u64,
}

/// A migration as it was measured.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[expect(clippy::exhaustive_structs, reason = "one line of a report")]
pub struct Migration {
    /// Which action.
    pub action: ActionId,
    /// From the order to the switch-over.
    pub total_ms: u64,
    /// How long the guest stood still, as QEMU says.
    pub downtime_ms: u64,
    /// Bytes of memory that were sent.
    pub sent: u64,
    /// Whether it arrived.
    pub arrived: bool,
}

/// Asks and waits for the answer, at most about twice `timeout` in all.
pub fn ask(socket: &Path, question: &Ask, timeout: Duration) -> Result<Answer, HostError> {
    let fail = |source| HostError::Socket { path: socket.to_owned(), source };
    let mut stream = UnixStream::connect(socket).map_err(fail)?;
    stream.set_read_timeout(Some(timeout)).map_err(fail)?;
    stream.set_write_timeout(Some(timeout)).map_err(fail)?;
    write_line(&mut stream, question).map_err(fail)?;
    read_line(&stream).map_err(fail)
}

/// Writes one JSON line.
pub(crate) fn write_line(stream: &mut UnixStream, value: &impl Serialize) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(value).map_err(std::io::Error::other)?;
    line.push(b'\n');
    stream.write_all(&line)
}

/// Reads one JSON line.
pub(crate) fn read_line<T: for<'de> Deserialize<'de>>(stream: &UnixStream) -> std::io::Result<T> {
    let mut line = Vec::new();
    BufReader::new(stream.take(LINE_MAX)).read_until(b'\n', &mut line)?;
    serde_json::from_slice(&line).map_err(|e| std::io::Error::new(std::io::ErrorKind::InvalidData, e))
}
