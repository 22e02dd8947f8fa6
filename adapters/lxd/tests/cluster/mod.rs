//! Three real members on the loopback with their state in a directory of memory, gone with the test.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) struct Lxd {
    pub(crate) root: PathBuf,
    members: Vec<Option<Child>>,
}

/// The image of a system that sleeps, with its only program.
fn image(root: &Path) -> PathBuf {
    let guest = std::env::var_os("ECO_GUEST").map(PathBuf::from).unwrap_or_default();
    let places = [guest.join("bin/busybox"), "/bin/busybox".into(), "/usr/bin/busybox".into()];
    let busybox = places.iter().find(|it| it.is_file()).expect("a busybox (Debian package busybox-static)");
    let at = root.join("image");
    for dir in ["proc", "sys", "dev", "tmp", "run", "var", "etc", "sbin", "bin"] {
        fs::create_dir_all(at.join("rootfs").join(dir)).unwrap();
    }
    fs::copy(busybox, at.join("rootfs/sbin/init")).unwrap();
    for name in ["sh", "sleep"] {
        fs::hard_link(at.join("rootfs/sbin/init"), at.join("rootfs/bin").join(name)).unwrap();
    }
    fs::write(at.join("rootfs/etc/inittab"), "::respawn:/bin/sleep 1000000\n").unwrap();
    fs::write(at.join("rootfs/etc/passwd"), "root:x:0:0:root:/:/bin/sh\n").unwrap();
    let about = "architecture: x86_64\ncreation_date: 1700000000\nproperties: {os: busybox}\n";
    fs::write(at.join("metadata.yaml"), about).unwrap();
    let file = root.join("image.tar");
    let tar = Command::new("tar")
        .arg("-C")
        .arg(&at)
        .arg("-cf")
        .arg(&file)
        .args(["metadata.yaml", "rootfs"])
        .status();
    assert!(tar.unwrap().success());
    file
}

impl Lxd {
    pub(crate) fn start() -> Self {
        let shm = Path::new("/dev/shm");
        let parent = if shm.is_dir() { shm.to_owned() } else { std::env::temp_dir() };
        let root = parent.join(format!("eco-lxd-{}", std::process::id()));
        fs::create_dir_all(root.join("home")).unwrap();
        let mut lxd = Self { root, members: Vec::new() };
        for number in 1..=3 {
            let dir = lxd.dir(number);
            fs::create_dir_all(&dir).unwrap();
            let log = fs::File::create(lxd.root.join(format!("m{number}.log"))).unwrap();
            let mut daemon = Command::new("lxd");
            daemon.args(["--group", "root"]).env("LXD_DIR", &dir);
            let child = daemon.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
            lxd.members.push(Some(child));
        }
        for number in 1..=3 {
            lxd.run(number, "lxd", &["waitready", "--timeout", "60"], "");
        }
        let address = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let first = format!(
            "config: {{core.https_address: '{}'}}\n\
             storage_pools: [{{name: default, driver: dir}}]\n\
             profiles: [{{name: default, devices: {{root: {{type: disk, path: /, pool: default}}}}}}]\n\
             cluster: {{enabled: true, server_name: m1}}\n",
            address()
        );
        lxd.run(1, "lxd", &["init", "--preseed"], &first);
        for number in 2..=3 {
            let name = format!("m{number}");
            let said = lxd.run(1, "lxc", &["cluster", "add", &name], "");
            let token = said.lines().last().unwrap().to_owned();
            let joins = format!(
                "cluster:\n  enabled: true\n  server_name: {name}\n  server_address: {}\n  cluster_token: {token}\n",
                address()
            );
            lxd.run(number, "lxd", &["init", "--preseed"], &joins);
        }
        for number in 1..=3 {
            let path = format!("/1.0/cluster/members/m{number}");
            let member = lxd.run(1, "lxc", &["query", &path], "");
            let zoned = member.replace(
                "\"failure_domain\": \"default\"",
                &format!("\"failure_domain\": \"zone-{number}\""),
            );
            assert_ne!(zoned, member);
            lxd.run(1, "lxc", &["query", "-X", "PUT", "-d", &zoned, &path], "");
        }
        let file = image(&lxd.root);
        lxd.run(1, "lxc", &["image", "import", file.to_str().unwrap(), "--alias", "sleeper"], "");
        lxd
    }

    pub(crate) fn dir(&self, number: usize) -> PathBuf {
        self.root.join(format!("m{number}"))
    }

    pub(crate) fn sockets(&self) -> Vec<PathBuf> {
        (1..=3).map(|number| self.dir(number).join("unix.socket")).collect()
    }

    /// Runs a client against a member and says what it printed.
    pub(crate) fn run(&self, number: usize, program: &str, words: &[&str], input: &str) -> String {
        let mut child = Command::new(program)
            .args(words)
            .env("LXD_DIR", self.dir(number))
            .env("HOME", self.root.join("home"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{program} {words:?}: {}", said(&output.stderr));
        said(&output.stdout)
    }

    /// Power lost, as far as the daemon goes: its containers run on.
    pub(crate) fn kill(&mut self, number: usize) {
        if let Some(mut child) = self.members[number - 1].take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Processes with the root directory on their command line, and their children.
    fn processes(&self) -> Vec<i32> {
        let mut all: Vec<(i32, i32, bool)> = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|it| it.parse().ok()) else { continue };
            let text = |name: &str| fs::read(entry.path().join(name)).unwrap_or_default();
            let stat = String::from_utf8_lossy(&text("stat")).into_owned();
            let parent = stat.rsplit(')').next().and_then(|it| it.split_whitespace().nth(1)?.parse().ok());
            let root = self.root.to_str().unwrap();
            let ours = String::from_utf8_lossy(&text("cmdline")).contains(root);
            all.push((pid, parent.unwrap_or_default(), ours));
        }
        let me = i32::try_from(std::process::id()).unwrap();
        let monitors: Vec<i32> = all.iter().filter(|it| it.2 && it.0 != me).map(|it| it.0).collect();
        let children = all.iter().filter(|it| monitors.contains(&it.1)).map(|it| it.0);
        children.chain(monitors.iter().copied()).collect()
    }

    fn clear_away(&mut self) {
        for number in 1..=3 {
            if let Some(mut child) = self.members[number - 1].take() {
                drop(child.kill());
                drop(child.wait());
            }
        }
        let begin = Instant::now();
        loop {
            let left = self.processes();
            if left.is_empty() || begin.elapsed() > Duration::from_secs(10) {
                break;
            }
            let ids: Vec<String> = left.iter().map(i32::to_string).collect();
            drop(Command::new("kill").arg("-9").args(&ids).stderr(Stdio::null()).status());
            std::thread::sleep(Duration::from_millis(100));
        }
        let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
        let below = mounts.lines().filter_map(|it| it.split(' ').nth(1));
        let root = self.root.to_str().unwrap();
        let mut below: Vec<&str> = below.filter(|it| it.starts_with(root)).collect();
        below.reverse();
        for mount in below {
            drop(Command::new("umount").args(["-l", mount]).status());
        }
        // Control groups of the containers, with the names that the adapter gives.
        for dir in fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
            for group in fs::read_dir(dir.path()).into_iter().flatten().flatten() {
                let name = group.file_name();
                let name = name.to_string_lossy();
                if name.starts_with("lxc.") && (name.contains(".eco-") || name == "lxc.pivot") {
                    drop(
                        Command::new("find")
                            .arg(group.path())
                            .args(["-depth", "-type", "d", "-exec", "rmdir", "{}", ";"])
                            .stderr(Stdio::null())
                            .status(),
                    );
                }
            }
        }
        drop(fs::remove_dir_all(&self.root));
    }
}

impl Drop for Lxd {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for number in 1..=3 {
                let log = fs::read_to_string(self.root.join(format!("m{number}.log"))).unwrap_or_default();
                let tail: Vec<&str> = log.lines().rev().take(8).collect();
                eprintln!("m{number}: {tail:#?}");
            }
        }
        self.clear_away();
    }
}
