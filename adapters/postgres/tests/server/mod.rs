//! A `PostgreSQL` server of our own in a temporary directory, reachable by a socket in it only.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Runs programs as the user that the server wants when we are root, which it refuses.
fn unprivileged(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
    // initdb writes to /dev/null by a shell: on some machines only root may.
    command.args(["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]).arg(program);
    command
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("`id` of coreutils");
    id.stdout.trim_ascii() == b"0"
}

/// Newest installed version.
fn programs() -> PathBuf {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .expect("Debian package postgresql is not installed")
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|bin| bin.join("initdb").exists())
        .collect();
    found.sort();
    found.pop().expect("no initdb below /usr/lib/postgresql")
}

fn run(command: &mut Command) {
    let output = command.output().expect("program starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A running server; it and its files are gone when this is dropped.
pub(crate) struct Server {
    dir: PathBuf,
    bin: PathBuf,
    child: Option<Child>,
}

impl Server {
    pub(crate) fn start(name: &str) -> Self {
        // A server of this name may still be on its way out.
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("eco-pg-{name}-{}-{number}", std::process::id()));
        drop(std::fs::remove_dir_all(&dir));
        std::fs::create_dir_all(&dir).unwrap();
        if is_root() {
            run(Command::new("chown").arg("postgres:").arg(&dir));
        }
        let mut server = Self { bin: programs(), dir, child: None };
        run(unprivileged(&server.bin.join("initdb"))
            .args(["--auth=trust", "--username=postgres", "--no-sync", "--no-instructions", "-D"])
            .arg(server.dir.join("data"))
            .current_dir(&server.dir));
        server.launch();
        server
    }

    /// Connection string.
    pub(crate) fn address(&self) -> String {
        format!("host={} user=postgres dbname=postgres", self.dir.display())
    }

    /// Starts the program; the server recovers from its log if it was killed.
    pub(crate) fn launch(&mut self) {
        let begin = Instant::now();
        loop {
            let log = std::fs::File::create(self.dir.join("log")).unwrap();
            let child = unprivileged(&self.bin.join("postgres"))
                .arg("-D")
                .arg(self.dir.join("data"))
                .args(["-c", "listen_addresses=", "-c"])
                .arg(format!("unix_socket_directories={}", self.dir.display()))
                .args(["-c", "shared_buffers=16MB", "-c", "fsync=on"])
                .current_dir(&self.dir)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .unwrap();
            self.child = Some(child);
            if self.answers(begin) {
                return;
            }
            // Processes of the killed server that have not noticed yet hold its shared memory.
            assert!(begin.elapsed() < Duration::from_secs(30), "{}", self.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn answers(&mut self, begin: Instant) -> bool {
        let ready = self.bin.join("pg_isready");
        while begin.elapsed() < Duration::from_secs(30) {
            if self.child.as_mut().is_none_or(|c| c.try_wait().unwrap().is_some()) {
                return false;
            }
            let asked = Command::new(&ready).arg("-q").arg("-h").arg(&self.dir).status().unwrap();
            if asked.success() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    /// SIGKILL to the server and all its processes, as when the machine stops.
    pub(crate) fn kill(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let processes = children(child.id());
        // The parent first, so that it starts no others.
        drop(child.kill());
        for process in processes {
            drop(Command::new("kill").args(["-KILL", &process.to_string()]).stderr(Stdio::null()).status());
        }
        drop(child.wait());
    }

    /// SIGKILL to one process that serves a client: the server ends all connections and recovers by itself.
    pub(crate) fn kill_one_backend(&self) {
        let parent = self.child.as_ref().unwrap().id();
        let serves = |process: &u32| {
            let line = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains("[local]")
        };
        if let Some(process) = children(parent).into_iter().find(serves) {
            run(Command::new("kill").args(["-KILL", &process.to_string()]));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        drop(std::fs::remove_dir_all(&self.dir));
    }
}

/// Processes whose parent this is.
fn children(parent: u32) -> Vec<u32> {
    let of = |process: u32| {
        let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        // The name in brackets may hold blanks; state and parent follow it.
        text.rsplit(") ").next()?.split(' ').nth(1)?.parse::<u32>().ok()
    };
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|process| of(*process) == Some(parent))
        .collect()
}
