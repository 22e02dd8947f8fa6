//! etcd and `PostgreSQL` of our own, for controllers that hold their lease and their store there.

use crate::director::free_address;
use crate::lease::Lock;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// For a server to come up on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Both, in a directory; they end with the value.
#[derive(Debug)]
pub struct Services {
    etcd: Child,
    postgres: Child,
    lock: Lock,
}

impl Services {
    /// Starts both, and waits until the database answers.
    pub fn start(dir: &Path) -> Result<Self> {
        let (client, peer) = (format!("http://{}", free_address()?), format!("http://{}", free_address()?));
        let etcd = Command::new("etcd")
            .args(["--name", "e1", "--data-dir"])
            .arg(dir.join("etcd"))
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("e1={peer}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(dir.join("etcd.log"))?)
            .spawn()
            .map_err(|e| format!("etcd (Debian package etcd-server) cannot be started: {e}"))?;
        // From here on both end whatever goes wrong.
        let mut services = Self { postgres: database(dir, etcd.id())?, etcd, lock: Lock::File };
        let store = format!("host={} user=postgres dbname=postgres", place(dir).display());
        services.answers(dir)?;
        services.lock = Lock::Etcd { server: client, store };
        Ok(services)
    }

    /// What controllers are to be told.
    pub const fn lock(&self) -> &Lock {
        &self.lock
    }

    /// etcd stands still, or goes on: nobody is answered, and no lease runs out there.
    pub fn hang_etcd(&self, hang: bool) -> Result<()> {
        signal(self.etcd.id(), if hang { "STOP" } else { "CONT" })
    }

    fn answers(&mut self, dir: &Path) -> Result<()> {
        let (ready, begin) = (programs()?.join("pg_isready"), Instant::now());
        while begin.elapsed() < PATIENCE {
            if Command::new(&ready).arg("-q").arg("-h").arg(place(dir)).status()?.success() {
                return Ok(());
            }
            if let Some(status) = self.postgres.try_wait()? {
                return Err(
                    format!("PostgreSQL ended with {status}; see {}/log", place(dir).display()).into()
                );
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err(format!("PostgreSQL does not answer; see {}/log", place(dir).display()).into())
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        for child in [&mut self.etcd, &mut self.postgres] {
            // SIGINT ends the database with all its processes; what does not end in time is killed.
            drop(signal(child.id(), "CONT").and_then(|()| signal(child.id(), "INT")));
            let begin = Instant::now();
            while begin.elapsed() < Duration::from_secs(5) && matches!(child.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(20));
            }
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// Sends a signal by name to a process that we started.
pub(crate) fn signal(pid: u32, name: &str) -> Result<()> {
    let sent =
        Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).stderr(Stdio::null()).status()?;
    if sent.success() { Ok(()) } else { Err(format!("process {pid} cannot be sent SIG{name}").into()) }
}

fn place(dir: &Path) -> PathBuf {
    dir.join("pg")
}

/// Newest installed version.
fn programs() -> Result<PathBuf> {
    let missing = "PostgreSQL (Debian package postgresql) is not installed";
    let versions = std::fs::read_dir("/usr/lib/postgresql").map_err(|_| missing)?;
    let bins = versions.filter_map(|it| Some(it.ok()?.path().join("bin")));
    Ok(bins.filter(|it| it.join("initdb").exists()).max().ok_or(missing)?)
}

/// Makes and starts a database; `etcd` is ended if that fails.
fn database(dir: &Path, etcd: u32) -> Result<Child> {
    spawn_database(dir).inspect_err(|_| drop(signal(etcd, "KILL")))
}

fn spawn_database(dir: &Path) -> Result<Child> {
    let (place, bin) = (place(dir), programs()?);
    std::fs::create_dir_all(&place)?;
    let is_root = Command::new("id").arg("-u").output()?.stdout.trim_ascii() == b"0";
    // It does not run as root.
    let program = |name: &str| {
        let path = bin.join(name);
        if !is_root {
            return Command::new(path);
        }
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
        // initdb writes to /dev/null by a shell: on some machines only root may.
        command.args(["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]).arg(path);
        command
    };
    if is_root && !Command::new("chown").arg("postgres:").arg(&place).status()?.success() {
        return Err("there is no user postgres".into());
    }
    let made = program("initdb")
        .args(["--auth=trust", "--username=postgres", "--no-sync", "--no-instructions", "-D"])
        .arg(place.join("data"))
        .current_dir(&place)
        .output()?;
    if !made.status.success() {
        return Err(format!("initdb: {}", String::from_utf8_lossy(&made.stderr)).into());
    }
    let child = program("postgres")
        .arg("-D")
        .arg(place.join("data"))
        .args(["-c", "listen_addresses=", "-c"])
        .arg(format!("unix_socket_directories={}", place.display()))
        .args(["-c", "shared_buffers=16MB"])
        .current_dir(&place)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(place.join("log"))?)
        .spawn()?;
    Ok(child)
}
