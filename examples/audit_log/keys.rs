//! Keys as files: `master.key`, and `keys/<hash of the subject>.keys` with the wrapped keys of a subject.

use std::fs;
use std::path::{Path, PathBuf};

use ecosystem_audit::seal::{Aead, Aes256Gcm, KeyMaster, KeyStore, Random, WrappedKey, XChaCha20Poly1305};
use ecosystem_audit::sha256;

use crate::cli::{Failure, failed};
use crate::store::{sync_folder, write_durably};

const CIPHERS: &[&dyn Aead] = &[&Aes256Gcm, &XChaCha20Poly1305];

/// Randomness of the operating system.
pub(crate) struct OsRandom;

impl Random for OsRandom {
    fn fill(&mut self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system has randomness");
    }
}

/// The key master of a log; its secret is made when there is none.
pub(crate) fn master(folder: &Path) -> Result<KeyMaster<'static>, Failure> {
    let path = folder.join("master.key");
    if !path.exists() {
        let mut secret = [0; 32];
        OsRandom.fill(&mut secret);
        write_durably(&path, &secret)?;
        restrict(&path)?;
        sync_folder(folder)?;
    }
    let bytes = fs::read(&path).map_err(failed(path.display()))?;
    let secret = <[u8; 32]>::try_from(bytes)
        .map_err(|_| Failure::Usage(format!("{}: expected 32 bytes", path.display())))?;
    Ok(KeyMaster::new(&secret, CIPHERS))
}

/// Lets only the owner read a file.
#[cfg(unix)]
fn restrict(path: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed(path.display()))
}

#[cfg(not(unix))]
fn restrict(_: &Path) -> Result<(), Failure> {
    Ok(())
}

/// One file per subject: a line `<epoch> <hex of the wrapped key>` for each key, `<epoch> erased` for what is gone.
pub(crate) struct FileKeys {
    folder: PathBuf,
}

impl FileKeys {
    /// The keys in a folder.
    pub(crate) fn open(folder: &Path) -> Result<Self, Failure> {
        let folder = folder.join("keys");
        fs::create_dir_all(&folder).map_err(failed(folder.display()))?;
        Ok(Self { folder })
    }

    fn path(&self, subject: &str) -> PathBuf {
        self.folder.join(format!("{}.keys", sha256(subject.as_bytes()).to_hex()))
    }

    fn lines(&self, subject: &str) -> Result<Vec<(u32, Option<WrappedKey>)>, Failure> {
        let path = self.path(subject);
        if !path.exists() {
            return Ok(Vec::new());
        }
        let text = fs::read_to_string(&path).map_err(failed(path.display()))?;
        let bad = |line: usize| Failure::Usage(format!("{}: line {line} is damaged", path.display()));
        let parse = |(line, number): (&str, usize)| {
            let (epoch, key) = line.split_once(' ').ok_or_else(|| bad(number))?;
            let epoch = epoch.parse().map_err(|_| bad(number))?;
            if key == "erased" {
                return Ok((epoch, None));
            }
            let bytes = from_hex(key).ok_or_else(|| bad(number))?;
            let key = WrappedKey::from_bytes(&bytes).ok_or_else(|| bad(number))?;
            Ok((epoch, Some(key)))
        };
        text.lines().zip(1..).map(parse).collect()
    }

    fn write(&self, subject: &str, lines: &[(u32, Option<WrappedKey>)]) -> Result<(), Failure> {
        let path = self.path(subject);
        let text: String = lines
            .iter()
            .map(|(epoch, key)| match key {
                None => format!("{epoch} erased\n"),
                Some(key) => {
                    format!("{epoch} {}\n", to_hex(&key.to_bytes()))
                }
            })
            .collect();
        let temporary = path.with_extension("new");
        write_durably(&temporary, text.as_bytes())?;
        fs::rename(&temporary, &path).map_err(failed(path.display()))?;
        sync_folder(&self.folder)
    }
}

fn to_hex(bytes: &[u8]) -> String {
    let digit = |d: u8| char::from_digit(u32::from(d), 16).unwrap_or('0');
    bytes.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)]).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> =
        text.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect::<Option<_>>()?;
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    Some(pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

impl KeyStore for FileKeys {
    type Error = Problem;

    fn newest(&self, subject: &str) -> Result<Option<u32>, Problem> {
        Ok(self.lines(subject)?.last().map(|(epoch, _)| *epoch))
    }

    fn get(&self, subject: &str, epoch: u32) -> Result<Option<WrappedKey>, Problem> {
        Ok(self.lines(subject)?.into_iter().find(|(known, _)| *known == epoch).and_then(|(_, key)| key))
    }

    fn put(&mut self, key: WrappedKey) -> Result<(), Problem> {
        let subject = key.subject.clone();
        let mut lines = self.lines(&subject)?;
        lines.push((key.epoch, Some(key)));
        Ok(self.write(&subject, &lines)?)
    }

    fn erase(&mut self, subject: &str) -> Result<u32, Problem> {
        let mut lines = self.lines(subject)?;
        let path = self.path(subject);
        let mut destroyed = 0;
        for (_, key) in &mut lines {
            destroyed += u32::from(key.take().is_some());
        }
        if destroyed > 0 {
            // Overwrite in place before the file is replaced, for disks where that helps.
            let len = fs::metadata(&path).map_err(failed(path.display()))?.len();
            write_durably(&path, &vec![0; usize::try_from(len).unwrap_or_default()])?;
            self.write(subject, &lines)?;
        }
        Ok(destroyed)
    }
}

/// A failure of the key files.
#[derive(Debug)]
pub(crate) struct Problem(String);

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Self(match failure {
            Failure::Usage(message) | Failure::Unsound(message) => message,
            Failure::Help => String::new(),
        })
    }
}
