//! The example program `audit_log`, built and run as a user does.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// The program, built if need be.
pub(crate) fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        // This test lies in `target/<profile>/deps`, the program in `target/<profile>/examples`.
        let mut path = std::env::current_exe().unwrap();
        path.pop();
        path.pop();
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--example", "audit_log"]).current_dir(env!("CARGO_MANIFEST_DIR"));
        if path.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.status().unwrap().success(), "the example does not build");
        path.push("examples");
        path.join("audit_log")
    })
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
