//! Memory and processors of a running Linux guest, with `ECO_REAL=1` and a kernel in `ECO_GUEST`.
//!
//! `ECO_GUEST` is a folder into which the Debian packages of a kernel (`linux-image-…-cloud-amd64`) and `busybox-static` were
//! unpacked (`dpkg -x`), not installed.
#![allow(clippy::unwrap_used, reason = "tests")]

use ecosystem_core::{
    ActionId, ActionKind, ActionOutcome, ActionRequest, Bytes, Epoch, HostId, Hypervisor, HypervisorEvent,
    MigrationMode, Millicores, ReplicaId, Resources, Timestamp, Version,
};
use ecosystem_qemu::{Fleet, FleetSettings, Guest, Observer};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const MODULES: [&str; 6] = [
    "virtio_ring",
    "virtio",
    "virtio_pci_modern_dev",
    "virtio_pci_legacy_dev",
    "virtio_pci",
    "virtio_balloon",
];

/// Puts memory and processors online as they come, and says once a second what it has.
const INIT: &str = "#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev
/bin/busybox --install -s /bin
mount -t proc p /proc; mount -t sysfs s /sys; mount -t devtmpfs d /dev
for m in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_balloon; do insmod /mod/$m.ko; done
echo online > /sys/devices/system/memory/auto_online_blocks
TOKEN=$(head -c 8 /dev/urandom | od -An -tx1 | tr -d ' \\n')
n=0
while :; do
  for f in /sys/devices/system/cpu/cpu*/online; do [ -f $f ] && [ \"$(cat $f)\" = 0 ] && echo 1 > $f; done 2>/dev/null
  n=$((n+1))
  echo \"TICK $n $TOKEN $(grep -c ^processor /proc/cpuinfo) $(awk '/MemTotal/{print $2}' /proc/meminfo)\"
  sleep 1
done
";

fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.is_symlink() { walk(&path, found) } else { found.push(path) }
    }
}

/// One file of a `newc` archive (cpio(5)).
fn entry(archive: &mut Vec<u8>, number: u32, name: &str, mode: u32, content: &[u8]) {
    let fields = [
        number,
        mode,
        0,
        0,
        1,
        0,
        u32::try_from(content.len()).unwrap(),
        0,
        0,
        0,
        0,
        u32::try_from(name.len()).unwrap() + 1,
        0,
    ];
    archive.extend_from_slice(b"070701");
    for field in fields {
        archive.extend_from_slice(format!("{field:08x}").as_bytes());
    }
    archive.extend_from_slice(name.as_bytes());
    archive.push(0);
    archive.resize(archive.len().next_multiple_of(4), 0);
    archive.extend_from_slice(content);
    archive.resize(archive.len().next_multiple_of(4), 0);
}

/// Kernel and initial file system, or `None` with a printed reason.
fn linux() -> Option<Guest> {
    let unpacked = std::env::var("ECO_GUEST").map(PathBuf::from).unwrap_or_default();
    let real = std::env::var_os("ECO_REAL").is_some_and(|it| it == "1");
    if !real || !unpacked.join("boot").is_dir() {
        println!("skipped: a Linux guest is started only with ECO_REAL=1 and a kernel unpacked in ECO_GUEST");
        return None;
    }
    let mut files = Vec::new();
    walk(&unpacked, &mut files);
    let named = |name: &str| files.iter().find(|it| it.file_name().is_some_and(|it| it == name)).unwrap();
    let kernel = files.iter().find(|it| it.to_string_lossy().contains("/boot/vmlinuz-")).unwrap();
    let busybox = files.iter().find(|it| it.ends_with("bin/busybox")).unwrap();
    let mut archive = Vec::new();
    for (number, folder) in (1..).zip(["bin", "mod"]) {
        entry(&mut archive, number, folder, 0o040_755, &[]);
    }
    entry(&mut archive, 10, "bin/busybox", 0o100_755, &fs::read(busybox).unwrap());
    entry(&mut archive, 11, "init", 0o100_755, INIT.as_bytes());
    for (number, module) in (20..).zip(MODULES) {
        let content = fs::read(named(&format!("{module}.ko"))).unwrap();
        entry(&mut archive, number, &format!("mod/{module}.ko"), 0o100_644, &content);
    }
    entry(&mut archive, 0, "TRAILER!!!", 0, &[]);
    let initrd = std::env::temp_dir().join(format!("eco-initrd-{}", std::process::id()));
    fs::write(&initrd, archive).unwrap();
    Some(Guest::Linux { kernel: kernel.clone(), initrd })
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_unix_ms(u64::try_from(since.as_millis()).unwrap())
}

struct Lab {
    fleet: Fleet,
    settings: FleetSettings,
    next: u64,
}

impl Lab {
    fn new(guest: Guest) -> Self {
        let root = PathBuf::from(format!("/tmp/eco-linux-{}", std::process::id()));
        let size = Resources::new(Millicores::cores(4), Bytes::mib(1_024));
        let hosts = ["h1", "h2"].map(|name| (HostId::new(name).unwrap(), size.clone())).to_vec();
        let mut settings = FleetSettings::new(root, env!("CARGO_BIN_EXE_eco-host"), hosts);
        settings.guest = guest;
        let mut fleet = Fleet::connect(settings.clone()).unwrap();
        for (id, _) in &settings.hosts {
            fleet.power_on(id).unwrap();
        }
        Self { fleet, settings, next: 0 }
    }

    fn order(&mut self, kind: ActionKind) -> ActionOutcome {
        self.next += 1;
        let (id, deadline) = (ActionId(self.next), now().saturating_add(Duration::from_secs(120)));
        let request = ActionRequest { id, epoch: Epoch(1), kind, deadline, expected: None };
        self.fleet.submit(&request).unwrap();
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(120) {
            for event in self.fleet.poll(now()).unwrap() {
                if let HypervisorEvent::Finished { action, outcome } = event
                    && action == id
                {
                    return outcome;
                }
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("action {id} does not end")
    }

    /// The newest complete line of the guest on a host: count, token, processors, MiB.
    fn line(&self, host: &str) -> Option<(u64, String, u64, u64)> {
        let mut files = Vec::new();
        walk(&self.settings.root.join(host), &mut files);
        let console = files.into_iter().find(|it| it.extension().is_some_and(|it| it == "con"))?;
        let text = String::from_utf8_lossy(&fs::read(console).ok()?).into_owned();
        let whole = &text[..text.rfind('\n')?];
        let words: Vec<&str> =
            whole.lines().rev().find(|it| it.starts_with("TICK "))?.split_whitespace().collect();
        let number = |index: usize| words.get(index)?.parse::<u64>().ok();
        Some((number(1)?, (*words.get(2)?).to_owned(), number(3)?, number(4)? / 1_024))
    }

    fn wait(&self, host: &str, what: &str, holds: impl Fn(&(u64, String, u64, u64)) -> bool) {
        let begin = Instant::now();
        while !self.line(host).is_some_and(|it| holds(&it)) {
            assert!(begin.elapsed() < Duration::from_secs(60), "{what}: {:?}", self.line(host));
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for (id, _) in &self.settings.hosts {
            drop(self.fleet.kill(id));
        }
        drop(fs::remove_dir_all(&self.settings.root));
        if let Guest::Linux { initrd, .. } = &self.settings.guest {
            drop(fs::remove_file(initrd));
        }
    }
}

#[test]
fn a_running_linux_guest_grows_shrinks_and_moves_with_what_was_plugged_in() {
    let Some(guest) = linux() else { return };
    let mut lab = Lab::new(guest);
    let (replica, h1) = (ReplicaId::new("vm".parse().unwrap(), 0), HostId::new("h1").unwrap());
    let size = |cores: u64, mib: u64| Resources::new(Millicores::cores(cores), Bytes::mib(mib));
    let start = ActionKind::Start {
        replica: replica.clone(),
        host: h1.clone(),
        version: Version::new("1"),
        resources: size(1, 256),
    };
    assert_eq!(lab.order(start), ActionOutcome::DONE);
    lab.wait("h1", "the first line", |it| it.2 == 1);
    let before = lab.line("h1").unwrap();
    // Another processor and two modules of memory.
    let resize =
        |resources: Resources| ActionKind::Resize { replica: replica.clone(), host: h1.clone(), resources };
    assert_eq!(lab.order(resize(size(2, 512))), ActionOutcome::DONE);
    lab.wait("h1", "two processors and twice the memory", |it| it.2 == 2 && it.3 >= before.3 + 250);
    let grown = lab.line("h1").unwrap();
    // Memory is measured in all its parts: a large one by a sample.
    let looks = [Duration::from_secs(1), Duration::from_secs(3)];
    let writing = lab.fleet.writing(&h1, &replica, &looks).unwrap();
    println!("512 MiB of Linux at rest: {writing:?}");
    assert!((16 << 20..512 << 20).contains(&writing.filled), "{writing:?}");
    let (early, late) = (writing.written[0].1, writing.written[1].1);
    assert!(early <= late && late < writing.filled, "{writing:?}");
    // The balloon takes some back, exactly; the machine goes on.
    assert_eq!(lab.order(resize(size(2, 400))), ActionOutcome::DONE);
    lab.wait("h1", "less memory", |it| it.0 > grown.0 && it.3 + 100 <= grown.3);
    // What was plugged in is there on the other side, and so is the guest with its token and its count.
    let there = HostId::new("h2").unwrap();
    let moved = ActionKind::Migrate {
        replica: replica.clone(),
        from: h1.clone(),
        to: there.clone(),
        mode: MigrationMode::PreCopy,
    };
    let ended = lab.order(moved);
    assert!(matches!(ended, ActionOutcome::Done { .. }), "{ended:?}");
    lab.wait("h2", "the same guest", |it| it.0 > grown.0 && it.1 == grown.1 && it.2 == 2);
    let seen = Observer::new(&lab.settings.root).running();
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [("vm#0".to_owned(), vec!["h2".to_owned()])]);
    // And given back again.
    let shrink = ActionKind::Resize { replica, host: there, resources: size(1, 400) };
    assert_eq!(lab.order(shrink), ActionOutcome::DONE);
    lab.wait("h2", "one processor", |it| it.2 == 1);
}
