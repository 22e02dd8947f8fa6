//! A small client of the QEMU Machine Protocol: JSON lines over a unix socket.
//!
//! One command at a time; events that come in between are kept. Every call has a deadline, so that a process that stands
//! still (SIGSTOP) is an error and not a wait. Protocol: QEMU's `docs/interop/qmp-spec`.

use serde_json::{Value, json};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Longest accepted line: answers of a few hundred bytes are usual.
const LINE_MAX: usize = 1 << 20;
/// Events kept at most; the oldest go first.
const EVENTS_MAX: usize = 1_000;

/// Why QEMU could not be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QmpError {
    /// The socket cannot be reached or broke.
    #[error("QMP socket {}: {source}; does the machine run?", path.display())]
    Socket {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// No answer in time.
    #[error("QMP command `{command}` had no answer within {millis} ms; the process may stand still")]
    Silent {
        /// Which.
        command: String,
        /// How long was waited.
        millis: u128,
    },
    /// QEMU refused the command.
    #[error("QMP command `{command}` was refused: {reason}")]
    Refused {
        /// Which.
        command: String,
        /// What QEMU says.
        reason: String,
    },
    /// What came is not QMP.
    #[error("QMP answer cannot be read: {what}")]
    Garbage {
        /// What is wrong.
        what: String,
    },
}

/// A connection to one machine.
#[derive(Debug)]
pub struct Qmp {
    path: PathBuf,
    stream: UnixStream,
    buffer: Vec<u8>,
    timeout: Duration,
    // INVARIANT: at most EVENTS_MAX.
    events: Vec<Value>,
}

impl Qmp {
    /// Connects and shakes hands; every call, this one included, takes at most `timeout`.
    pub fn connect(path: &Path, timeout: Duration) -> Result<Self, QmpError> {
        let socket = |source| QmpError::Socket { path: path.to_owned(), source };
        let stream = UnixStream::connect(path).map_err(socket)?;
        stream.set_write_timeout(Some(timeout)).map_err(socket)?;
        let mut qmp = Self { path: path.to_owned(), stream, buffer: Vec::new(), timeout, events: Vec::new() };
        let greeting = qmp.line("greeting", Instant::now() + timeout)?;
        if greeting.get("QMP").is_none() {
            return Err(QmpError::Garbage { what: format!("no greeting but {greeting}") });
        }
        qmp.execute("qmp_capabilities", &json!({}))?;
        Ok(qmp)
    }

    /// Carries out a command and gives what it returns.
    pub fn execute(&mut self, command: &str, arguments: &Value) -> Result<Value, QmpError> {
        let mut line = json!({"execute": command, "arguments": arguments}).to_string();
        line.push('\n');
        self.stream.write_all(line.as_bytes()).map_err(|source| self.socket(source))?;
        let deadline = Instant::now() + self.timeout;
        loop {
            let mut answer = self.line(command, deadline)?;
            if let Some(value) = answer.get_mut("return") {
                return Ok(value.take());
            }
            if let Some(error) = answer.get("error") {
                let reason = error["desc"].as_str().unwrap_or("no reason given").to_owned();
                return Err(QmpError::Refused { command: command.to_owned(), reason });
            }
            if self.events.len() == EVENTS_MAX {
                self.events.remove(0);
            }
            self.events.push(answer);
        }
    }

    /// Events since the last call.
    pub fn take_events(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.events)
    }

    fn socket(&self, source: std::io::Error) -> QmpError {
        QmpError::Socket { path: self.path.clone(), source }
    }

    fn line(&mut self, command: &str, deadline: Instant) -> Result<Value, QmpError> {
        loop {
            if let Some(end) = self.buffer.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return serde_json::from_slice(&line).map_err(|e| QmpError::Garbage { what: e.to_string() });
            }
            if self.buffer.len() > LINE_MAX {
                return Err(QmpError::Garbage { what: format!("a line of more than {LINE_MAX} bytes") });
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(QmpError::Silent {
                    command: command.to_owned(),
                    millis: self.timeout.as_millis(),
                });
            }
            self.stream.set_read_timeout(Some(left)).map_err(|source| self.socket(source))?;
            let mut part = [0; 4096];
            match self.stream.read(&mut part) {
                Ok(0) => return Err(self.socket(ErrorKind::UnexpectedEof.into())),
                Ok(count) => self.buffer.extend_from_slice(&part[..count]),
                Err(e)
                    if matches!(
                        e.kind(),
                        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                    ) => {}
                Err(source) => return Err(self.socket(source)),
            }
        }
    }
}
