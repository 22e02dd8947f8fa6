//! Segments as files: `segments/<first entry>.seg`, written once, synced before anything is acknowledged.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use ecosystem_audit::segment::{self, Record};
use ecosystem_audit::verify::{Head, Kind, Report, Verifier};
use ecosystem_audit::{AppendError, Draft, Hash, Log, Receipt, Tree, Writer};

use crate::cli::{Failure, failed};

/// Length after which the next segment begins.
const SEGMENT_LEN: u64 = 4 << 20;

/// A folder with a log, for reading.
pub(crate) struct Store {
    folder: PathBuf,
}

impl Store {
    /// The log in a folder, which must exist.
    pub(crate) fn open(folder: &Path) -> Result<Self, Failure> {
        if folder.is_dir() {
            Ok(Self { folder: folder.to_owned() })
        } else {
            Err(Failure::Usage(format!("no log at `{}`: append something first", folder.display())))
        }
    }

    /// The files with segments, in order.
    pub(crate) fn segment_files(&self) -> Result<Vec<PathBuf>, Failure> {
        let folder = self.folder.join("segments");
        if !folder.exists() {
            return Ok(Vec::new());
        }
        let mut files = Vec::new();
        for entry in fs::read_dir(&folder).map_err(failed(folder.display()))? {
            let path = entry.map_err(failed(folder.display()))?.path();
            if path.extension().is_some_and(|extension| extension == "seg") {
                files.push(path);
            }
        }
        files.sort();
        Ok(files)
    }

    /// Verifies everything with memory for one piece of a file.
    pub(crate) fn verify(&self, heads: &[Head]) -> Result<Report, Failure> {
        let mut verifier = Verifier::new().against(heads);
        let mut buffer = vec![0; 1 << 20];
        for path in self.segment_files()? {
            let mut file = File::open(&path).map_err(failed(path.display()))?;
            loop {
                match file.read(&mut buffer).map_err(failed(path.display()))? {
                    0 => break,
                    len => verifier.push(&buffer[..len]),
                }
            }
            verifier.end_segment();
        }
        Ok(verifier.finish())
    }

    /// Calls `each` with the bytes of every segment.
    fn for_each_segment(
        &self,
        mut each: impl FnMut(&Path, &[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        for path in self.segment_files()? {
            each(&path, &fs::read(&path).map_err(failed(path.display()))?)?;
        }
        Ok(())
    }

    /// The tree over all leaf hashes, verified on the way: no proof and no checkpoint comes from a log that is not sound. A
    /// torn tail is left out, as it would be after the next append.
    pub(crate) fn tree(&self) -> Result<Tree, Failure> {
        let (mut tree, mut verifier) = (Tree::new(), Verifier::new());
        self.for_each_segment(|_, bytes| {
            verifier.push(bytes);
            verifier.end_segment();
            for record in segment::records(bytes) {
                match record {
                    Ok(Record::Entry(_, leaf)) => tree.push(leaf),
                    Ok(Record::Pruned(_, leaves)) => leaves.into_iter().for_each(|leaf| tree.push(leaf)),
                    Ok(_) => {}
                    Err(_) => break,
                }
            }
            Ok(())
        })?;
        sound(verifier.finish())?;
        Ok(tree)
    }

    /// The whole log in memory, verified; what is not sound is refused.
    pub(crate) fn log(&self) -> Result<Log, Failure> {
        let (log, report) = self.open_log()?;
        sound(report).map(|()| log)
    }

    /// The sound part of the log in memory, and what the verifier found.
    pub(crate) fn open_log(&self) -> Result<(Log, Report), Failure> {
        let mut segments = Vec::new();
        self.for_each_segment(|_, bytes| {
            segments.push(bytes.to_vec());
            Ok(())
        })?;
        Ok(Log::open(segments.iter().map(|segment| &segment[..])))
    }
}

/// Refuses a log with any problem but a torn tail.
fn sound(report: Report) -> Result<(), Failure> {
    match report.problem {
        Some(problem) if problem.kind != Kind::TornTail => Err(Failure::Unsound(problem.to_string())),
        _ => Ok(()),
    }
}

/// A folder with a log, for writing. Only one process can have it.
pub(crate) struct WritableStore {
    folder: PathBuf,
    writer: Writer,
    file: File,
    len: u64,
    pending: Vec<u8>,
    segment_len: u64,
    _lock: File,
}

impl WritableStore {
    /// Opens or creates the log in a folder. What a crash has left incomplete at the end is cut off; any other damage of
    /// the last segment is refused.
    pub(crate) fn open(folder: &Path) -> Result<Self, Failure> {
        let segments = folder.join("segments");
        fs::create_dir_all(&segments).map_err(failed(segments.display()))?;
        let path = folder.join("lock");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let lock = lock.map_err(failed(path.display()))?;
        lock.try_lock().map_err(|_| Failure::Usage("another process writes to this log".to_owned()))?;
        let files = Store { folder: folder.to_owned() }.segment_files()?;
        let (writer, file, len) = match files.last() {
            Some(path) => resume(path)?,
            None => create(folder, Writer::new())?,
        };
        Ok(Self {
            folder: folder.to_owned(),
            writer,
            file,
            len,
            pending: Vec::new(),
            segment_len: SEGMENT_LEN,
            _lock: lock,
        })
    }

    /// Sets the length after which the next segment begins.
    pub(crate) fn set_segment_len(&mut self, bytes: u64) {
        self.segment_len = bytes;
    }

    /// Number of entries, those not yet synced included.
    pub(crate) fn size(&self) -> u64 {
        self.writer.size()
    }

    /// The root over them.
    pub(crate) fn root(&self) -> Hash {
        self.writer.root()
    }

    /// Adds an entry, which is on disk only after [`WritableStore::sync`].
    pub(crate) fn append(&mut self, draft: &Draft) -> Result<Receipt, AppendError> {
        self.writer.append(draft, &mut self.pending)
    }

    /// Writes what was added and waits until it is on disk.
    pub(crate) fn sync(&mut self) -> Result<(), Failure> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let full = self.len + self.pending.len() as u64 > self.segment_len;
        if full {
            self.writer.end_segment(&mut self.pending);
        }
        self.file.write_all(&self.pending).map_err(failed("writing the segment"))?;
        self.file.sync_data().map_err(failed("syncing the segment"))?;
        self.len += self.pending.len() as u64;
        self.pending.clear();
        if full {
            (self.writer, self.file, self.len) =
                create(&self.folder, Writer::resume(self.writer.state().clone()))?;
        }
        Ok(())
    }
}

/// Opens the last segment for appending, from the state in its header.
fn resume(path: &Path) -> Result<(Writer, File, u64), Failure> {
    let bytes = fs::read(path).map_err(failed(path.display()))?;
    let unsound = |what: String| Failure::Unsound(format!("{}: {what}", path.display()));
    let begin = segment::records(&bytes).next().and_then(Result::ok);
    let Some(Record::Begin(begin)) = begin else {
        return Err(unsound("the segment does not begin with a header".to_owned()));
    };
    let mut verifier = Verifier::resume(&begin);
    verifier.push(&bytes);
    let report = verifier.finish();
    let file = OpenOptions::new().append(true).open(path).map_err(failed(path.display()))?;
    match report.problem {
        None => {}
        Some(problem) if problem.kind == Kind::TornTail => {
            eprintln!("cutting off {} bytes of an entry that was never acknowledged", report.remaining_bytes);
            file.set_len(report.valid_bytes).map_err(failed(path.display()))?;
            file.sync_all().map_err(failed(path.display()))?;
        }
        Some(problem) => return Err(unsound(problem.to_string())),
    }
    Ok((Writer::resume(report.state), file, report.valid_bytes))
}

/// Begins a segment: complete under another name first, so that a file with this name always has its header.
fn create(folder: &Path, writer: Writer) -> Result<(Writer, File, u64), Failure> {
    let segments = folder.join("segments");
    let path = segments.join(format!("{:020}.seg", writer.size()));
    let temporary = path.with_extension("new");
    let mut bytes = Vec::new();
    writer.begin_segment(&mut bytes);
    write_durably(&temporary, &bytes)?;
    fs::rename(&temporary, &path).map_err(failed(path.display()))?;
    sync_folder(&segments)?;
    let file = OpenOptions::new().append(true).open(&path).map_err(failed(path.display()))?;
    Ok((writer, file, bytes.len() as u64))
}

/// Writes a file and waits until it is on disk.
pub(crate) fn write_durably(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let mut file = File::create(path).map_err(failed(path.display()))?;
    file.write_all(bytes).map_err(failed(path.display()))?;
    file.sync_all().map_err(failed(path.display()))
}

/// Waits until the names in a folder are on disk.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), Failure> {
    let handle = File::open(folder).map_err(failed(folder.display()))?;
    handle.sync_all().map_err(failed(folder.display()))
}
