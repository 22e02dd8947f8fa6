//! Numbers of actions, how they ended, and the highest epoch, in a file that outlives the controllers and that they share.
//!
//! One line of JSON per fact, appended and flushed under an exclusive lock of the file; whoever asks reads first what others
//! have appended. A last line without its end was never acknowledged and is cut off. When more is dead than alive the file is written
//! anew beside itself and renamed.

use ecosystem_core::{ActionId, ActionOutcome, Epoch, ReplicaId};
use ecosystem_orders::{Done, Door};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Ends and stops that are remembered, of each as many.
const MOST: usize = 1_024;
/// Lines before it is worth writing the file anew.
const LINES_MAX: usize = 16_384;

/// Why the file could not be used.
#[derive(Debug, thiserror::Error)]
#[error("ledger {}: {source}; all controllers need to write it", path.display())]
#[non_exhaustive]
pub struct LedgerError {
    /// Which file.
    pub path: PathBuf,
    /// What the system says.
    pub source: std::io::Error,
}

/// A fact.
#[derive(Clone, Debug, Deserialize, Serialize)]
enum Line {
    Epoch(u64),
    End(u64, ActionOutcome),
    Stop(String, u64),
}

#[derive(Clone, Debug, Default)]
struct Known {
    done: Done,
    lines: usize,
}

impl Known {
    fn take(&mut self, line: &Line) {
        self.lines += 1;
        match line {
            Line::Epoch(epoch) => self.done.raise(Epoch(*epoch)),
            Line::End(action, outcome) => self.done.end(ActionId(*action), outcome, MOST),
            Line::Stop(replica, action) => {
                // Only what is a replica's name was ever written.
                if let Ok(replica) = replica.parse() {
                    self.done.stop(&replica, ActionId(*action), MOST);
                }
            }
        }
    }

    fn lines(&self) -> Vec<Line> {
        let ended = self.done.ends().map(|(action, outcome)| Line::End(action.0, outcome.clone()));
        let stops = self.done.stops().map(|(who, action)| Line::Stop(who.to_owned(), action.0));
        std::iter::once(Line::Epoch(self.done.epoch().0)).chain(ended).chain(stops).collect()
    }
}

/// The file.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
}

impl Ledger {
    /// A ledger in a file, which is made if it is not there.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, LedgerError> {
        let ledger = Self { path: path.into() };
        ledger.change(|_| Vec::new())?;
        Ok(ledger)
    }

    /// Reads under the lock, and appends what comes out.
    fn change(&self, decide: impl FnOnce(&Known) -> Vec<Line>) -> Result<Known, LedgerError> {
        self.locked(decide).map_err(|source| LedgerError { path: self.path.clone(), source })
    }

    fn locked(&self, decide: impl FnOnce(&Known) -> Vec<Line>) -> std::io::Result<Known> {
        // The lock is a file of its own, because the ledger is replaced now and then.
        let guard = OpenOptions::new().create(true).append(true).open(self.path.with_extension("lock"))?;
        guard.lock()?;
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(&self.path)?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        let whole = text.iter().rposition(|it| *it == b'\n').map_or(0, |it| it + 1);
        if whole < text.len() {
            file.set_len(whole as u64)?;
            file.seek(SeekFrom::End(0))?;
        }
        let mut known = Known::default();
        for line in text[..whole].split(|it| *it == b'\n').filter(|it| !it.is_empty()) {
            known.take(&serde_json::from_slice(line)?);
        }
        let added = decide(&known);
        if !added.is_empty() {
            write(&mut file, &added)?;
            for line in &added {
                known.take(line);
            }
        }
        if known.lines > LINES_MAX {
            let beside = self.path.with_extension("new");
            write(&mut File::create(&beside)?, &known.lines())?;
            std::fs::rename(&beside, &self.path)?;
            // Else the old file could be back after a power cut, without what is appended to the new one.
            File::open(
                self.path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or_else(|| Path::new(".")),
            )?
            .sync_all()?;
        }
        Ok(known)
    }

    /// Whether an action may begin; a higher epoch rules from now on. `starts`: the replica, if it is to be started.
    pub fn knock(
        &self,
        epoch: Epoch,
        action: ActionId,
        starts: Option<&ReplicaId>,
    ) -> Result<Door, LedgerError> {
        let higher =
            |known: &Known| if epoch > known.done.epoch() { vec![Line::Epoch(epoch.0)] } else { Vec::new() };
        Ok(self.change(higher)?.done.knock(epoch, action, starts))
    }

    /// Keeps how an action ended. `stopped`: the replica, if it was to be stopped.
    pub fn end(
        &self,
        action: ActionId,
        outcome: &ActionOutcome,
        stopped: Option<&ReplicaId>,
    ) -> Result<(), LedgerError> {
        let mut lines = vec![Line::End(action.0, outcome.clone())];
        lines.extend(stopped.map(|it| Line::Stop(it.to_string(), action.0)));
        self.change(|_| lines).map(|_| ())
    }
}

fn write(file: &mut File, lines: &[Line]) -> std::io::Result<()> {
    let mut text = Vec::new();
    for line in lines {
        serde_json::to_writer(&mut text, line)?;
        text.push(b'\n');
    }
    file.write_all(&text)?;
    file.sync_data()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Place(PathBuf);

    impl Drop for Place {
        fn drop(&mut self) {
            drop(std::fs::remove_dir_all(&self.0));
        }
    }

    fn place(name: &str) -> Place {
        let dir = std::env::temp_dir().join(format!("eco-ledger-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a directory");
        Place(dir)
    }

    #[test]
    fn two_controllers_share_what_ended_and_the_higher_epoch_rules() {
        let dir = place("share");
        let open = || Ledger::open(dir.0.join("ledger")).expect("a ledger");
        let (old, new) = (open(), open());
        let web: ReplicaId = "web#0".parse().expect("an id");
        assert_eq!(old.knock(Epoch(1), ActionId(1), Some(&web)).expect("read"), Door::Open);
        old.end(ActionId(2), &ActionOutcome::DONE, Some(&web)).expect("written");
        assert!(matches!(new.knock(Epoch(1), ActionId(1), Some(&web)), Ok(Door::Closed(_))), "stopped since");
        assert_eq!(new.knock(Epoch(2), ActionId(2), None).expect("read"), Door::Ended(ActionOutcome::DONE));
        assert!(matches!(old.knock(Epoch(1), ActionId(3), None), Ok(Door::Closed(_))), "over");
    }

    #[test]
    fn a_torn_line_is_cut_off_and_a_long_file_is_written_anew() {
        let dir = place("torn");
        let path = dir.0.join("ledger");
        let ledger = Ledger::open(&path).expect("a ledger");
        ledger.end(ActionId(1), &ActionOutcome::DONE, None).expect("written");
        let mut torn = OpenOptions::new().append(true).open(&path).expect("the file");
        torn.write_all(b"{\"End\":[2,").expect("half a line");
        assert_eq!(ledger.knock(Epoch(1), ActionId(2), None).expect("read"), Door::Open);
        assert_eq!(
            ledger.knock(Epoch(1), ActionId(1), None).expect("read"),
            Door::Ended(ActionOutcome::DONE)
        );
        let many: Vec<Line> =
            (0..LINES_MAX as u64).map(|it| Line::End(it + 10, ActionOutcome::DONE)).collect();
        ledger.change(|_| many).expect("written");
        let lines = std::fs::read_to_string(&path).expect("the file").lines().count();
        assert_eq!(lines, 1 + MOST);
        assert!(
            matches!(ledger.knock(Epoch(0), ActionId(1), None), Ok(Door::Closed(_))),
            "the epoch is kept"
        );
    }
}
