//! Two real daemons on one machine, each in a mount and host name space of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub(crate) struct Daemons {
    pub(crate) root: PathBuf,
    children: Vec<Child>,
}

/// Waits for interrupts for ever: `sti; hlt; jmp`.
fn sector() -> [u8; 512] {
    let mut sector = [0; 512];
    sector[..4].copy_from_slice(&[0xfb, 0xf4, 0xeb, 0xfd]);
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    sector
}

impl Daemons {
    pub(crate) fn start(names: &[&str]) -> Self {
        let root = PathBuf::from(format!("/tmp/eco-lv-{}", std::process::id()));
        fs::create_dir_all(&root).unwrap();
        fs::write(root.join("boot.bin"), sector()).unwrap();
        let mut daemons = Self { root, children: Vec::new() };
        for name in names {
            let dir = daemons.root.join(name);
            for part in ["run", "lib", "log", "etc", "cache"] {
                fs::create_dir_all(dir.join(part)).unwrap();
            }
            let d = dir.display();
            let uuid = fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap();
            let settings = format!(
                "listen_tls = 0\nlisten_tcp = 0\nauth_unix_ro = \"none\"\nauth_unix_rw = \"none\"\n\
                 host_uuid = \"{}\"\nunix_sock_dir = \"{d}/run\"\nlog_outputs = \"3:file:{d}/log/libvirtd.log\"\n",
                uuid.trim()
            );
            fs::write(dir.join("etc/libvirtd.conf"), settings).unwrap();
            let qemu = "user = \"root\"\ngroup = \"root\"\nsecurity_driver = \"none\"\ncgroup_controllers = []\n\
                        namespaces = []\nstdio_handler = \"file\"\nremember_owner = 0\n";
            fs::write(dir.join("etc/qemu.conf"), qemu).unwrap();
            let script = format!(
                "hostname host-{name}\n\
                 mkdir -p /run/libvirt /var/lib/libvirt /var/cache/libvirt /var/log/libvirt /etc/libvirt\n\
                 mount --bind {d}/run /run/libvirt && mount --bind {d}/lib /var/lib/libvirt &&\n\
                 mount --bind {d}/cache /var/cache/libvirt && mount --bind {d}/log /var/log/libvirt &&\n\
                 mount --bind {d}/etc /etc/libvirt && exec libvirtd -f /etc/libvirt/libvirtd.conf -p {d}/pid\n"
            );
            let log = fs::File::create(dir.join("start.log")).unwrap();
            let mut command = Command::new("unshare");
            command.args(["-m", "-u", "bash", "-c", &script]).stdin(Stdio::null()).stdout(Stdio::null());
            daemons.children.push(command.stderr(log).spawn().unwrap());
        }
        daemons
    }

    pub(crate) fn uri(&self, name: &str) -> String {
        format!("qemu+unix:///system?socket={}/{name}/run/libvirt-sock", self.root.display())
    }

    /// A machine that boots the sector.
    pub(crate) fn template(&self) -> String {
        format!(
            "<domain type='qemu'><name>{{name}}</name>{{identity}}<memory unit='KiB'>{{memory_kib}}</memory>\
             <vcpu>{{vcpus}}</vcpu><os><type arch='x86_64' machine='pc'>hvm</type><boot dev='fd'/></os>\
             <cpu mode='custom' match='exact' check='none'><model>qemu64</model></cpu><devices>\
             <emulator>/usr/bin/qemu-system-x86_64</emulator><disk type='file' device='floppy'>\
             <driver name='qemu' type='raw'/><source file='{}'/><target dev='fda'/><readonly/></disk>\
             <memballoon model='none'/></devices></domain>",
            self.root.join("boot.bin").display()
        )
    }

    /// Ends every machine, as a crash of its process would.
    pub(crate) fn kill_machines(&self) {
        assert!(Command::new("kill").arg("-9").args(self.machines()).status().unwrap().success());
    }

    /// Machines by the sector on their command line.
    fn machines(&self) -> Vec<String> {
        let sector = self.root.join("boot.bin");
        let boots = |dir: &Path| {
            let line = fs::read(dir.join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(&*sector.to_string_lossy())
        };
        let all = fs::read_dir("/proc").unwrap().flatten();
        let numbered = all.filter_map(|it| it.file_name().to_str().map(|name| (name.to_owned(), it.path())));
        let numbered = numbered.filter(|(name, _)| name.bytes().all(|b| b.is_ascii_digit()));
        numbered.filter(|(_, dir)| boots(dir)).map(|(name, _)| name).collect()
    }
}

impl Drop for Daemons {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for name in fs::read_dir(&self.root).into_iter().flatten().flatten() {
                for log in ["log/libvirtd.log", "start.log"] {
                    let text = fs::read_to_string(name.path().join(log)).unwrap_or_default();
                    let tail: Vec<&str> = text.lines().rev().take(8).collect();
                    eprintln!("{}: {tail:#?}", name.path().display());
                }
            }
        }
        for child in &mut self.children {
            drop(child.kill());
            drop(child.wait());
        }
        let left = self.machines();
        if !left.is_empty() {
            drop(Command::new("kill").arg("-9").args(&left).status());
            std::thread::sleep(Duration::from_millis(200));
        }
        drop(fs::remove_dir_all(&self.root));
    }
}
