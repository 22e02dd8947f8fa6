//! Against a real etcd with `ECO_REAL=1`.
#![allow(clippy::unwrap_used, reason = "tests")]

use ecosystem_etcd::{Election, EtcdError, Role, Settings};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

struct Etcd {
    child: Child,
    dir: PathBuf,
    url: String,
}

impl Etcd {
    fn start() -> Self {
        let dir = std::env::temp_dir().join(format!("eco-etcd-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&dir));
        std::fs::create_dir_all(&dir).unwrap();
        let address =
            || format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
        let (url, peer) = (address(), address());
        let log = std::fs::File::create(dir.join("log")).unwrap();
        let child = Command::new("etcd")
            .args(["--name", "e1", "--data-dir"])
            .arg(dir.join("data"))
            .args(["--listen-client-urls", &url, "--advertise-client-urls", &url])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("e1={peer}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { child, dir, url }
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        drop(std::fs::remove_dir_all(&self.dir));
    }
}

fn candidate(url: &str, me: &str) -> Election {
    // The first server does not exist: the next is asked.
    let mut settings = Settings::new(["http://127.0.0.1:9", url], "shard-1", me);
    settings.time_to_live = Duration::from_secs(2);
    Election::new(settings)
}

#[test]
fn one_of_two_leads_and_each_leader_has_a_higher_token() {
    if std::env::var_os("ECO_REAL").is_none_or(|it| it != "1") {
        println!("skipped: a real etcd is started only with ECO_REAL=1 (Debian package etcd-server)");
        return;
    }
    let server = Etcd::start();
    let (mut ann, mut bob) = (candidate(&server.url, "ann"), candidate(&server.url, "bob"));
    let begin = Instant::now();
    let first = loop {
        match ann.step() {
            Ok(Role::Leader { epoch }) => break epoch,
            other => assert!(begin.elapsed() < Duration::from_secs(30), "{other:?}"),
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    assert_eq!(bob.step().unwrap(), Role::Follower { leader: "ann".into() });
    assert_eq!((ann.epoch(), bob.epoch()), (Some(first), None));
    // Ann is renewed and keeps her token.
    assert_eq!(ann.step().unwrap(), Role::Leader { epoch: first });
    // Ann falls silent: by her own clock she stops before Bob begins.
    let begin = Instant::now();
    let second = loop {
        let ann_leads = ann.epoch().is_some();
        if let Role::Leader { epoch } = bob.step().unwrap() {
            assert!(!ann_leads, "two leaders");
            break epoch;
        }
        assert!(begin.elapsed() < Duration::from_secs(20), "nobody takes over");
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(second > first, "{second} after {first}");
    assert_eq!(ann.step().unwrap(), Role::Follower { leader: "bob".into() });
    // Bob steps down: Ann need not wait.
    bob.resign().unwrap();
    let Role::Leader { epoch: third } = ann.step().unwrap() else { panic!("nobody leads") };
    assert!(third > second);
    // etcd dies: an error, and after the time to live Ann knows that she may not act.
    drop(server);
    assert!(matches!(ann.step(), Err(EtcdError::Unreachable { servers: 2, .. })));
    std::thread::sleep(Duration::from_millis(2_100));
    assert_eq!(ann.epoch(), None);
}
