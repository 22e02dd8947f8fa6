//! The example program `audit_log`, built and run as a user does.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::SystemTime;

/// The program. A run of all tests has built it together with them; it is built here if a run of some tests has not, or
/// not since its sources changed.
pub(crate) fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        // This test lies in `target/<profile>/deps`, the program in `target/<profile>/examples`.
        let mut path = std::env::current_exe().unwrap();
        path.pop();
        path.pop();
        let release = path.ends_with("release");
        path.extend(["examples", "audit_log"]);
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let sources =
            ["examples/audit_log", "crates/audit/src", "Cargo.lock"].map(|name| newest(&root.join(name)));
        if path.metadata().and_then(|file| file.modified()).ok() < sources.into_iter().max() {
            let mut build = Command::new(env!("CARGO"));
            build.args(["build", "--quiet", "--all-features", "--example", "audit_log", "--profile"]);
            build.arg(if release { "release" } else { "test" }).current_dir(root);
            assert!(build.status().unwrap().success(), "the example does not build");
        }
        path
    })
}

/// When something at this place was changed last.
fn newest(path: &Path) -> SystemTime {
    if path.is_dir() {
        let inside = std::fs::read_dir(path).unwrap().map(|entry| newest(&entry.unwrap().path()));
        return inside.max().unwrap_or(SystemTime::UNIX_EPOCH);
    }
    path.metadata().unwrap().modified().unwrap()
}

/// An empty folder for one test.
pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Runs a command of the program on a log.
#[allow(dead_code, reason = "every test file uses its part")]
pub(crate) fn run(folder: &Path, words: &[&str], input: &str) -> Output {
    let mut child = Command::new(program())
        .arg(folder)
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// An entry as a JSON line.
pub(crate) fn line(i: u64) -> String {
    format!(
        "{{\"at_unix_ms\":{},\"actor\":\"user-{}\",\"action\":\"vm.restart\",\"category\":\"recovery\",\
         \"severity\":\"warning\",\"subject\":\"vm/{}\",\"outcome\":\"success\",\"attempt\":{i}}}\n",
        1_767_225_600_000 + i,
        i % 7,
        i % 3
    )
}
