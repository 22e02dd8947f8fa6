//! A NATS server of our own on the loopback with `JetStream`, its data in a temporary directory.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) struct Nats {
    child: Child,
    dir: PathBuf,
    pub(crate) url: String,
}

impl Nats {
    /// Where the server's program is, if it is installed. Debian puts it where only root looks.
    pub(crate) fn program() -> Option<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
        folders.map(|it| it.join("nats-server")).find(|it| it.is_file())
    }

    pub(crate) fn start(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("eco-nats-{name}-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&dir));
        std::fs::create_dir_all(&dir).unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let config = dir.join("nats.conf");
        let store = dir.join("store");
        std::fs::write(
            &config,
            format!("listen: {address}\njetstream {{ store_dir: \"{}\" }}\n", store.display()),
        )
        .unwrap();
        let child = Command::new(Self::program().expect("nats-server is installed"))
            .arg("-c")
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(dir.join("log")).unwrap())
            .spawn()
            .unwrap();
        let begin = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(begin.elapsed() < Duration::from_secs(30), "nats-server does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { child, dir, url: format!("nats://{address}") }
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        drop(std::fs::remove_dir_all(&self.dir));
    }
}
