//! A control plane with simulated kubelets on the loopback, gone with the test.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) struct Plane {
    dir: PathBuf,
    children: Vec<Child>,
    pub(crate) url: String,
}

fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Plane {
    /// With the programs in a directory: `kube-apiserver`, `kube-scheduler`, `kube-controller-manager`, `kubemark`.
    pub(crate) fn start(programs: &Path, nodes: &[(&str, &str)]) -> Self {
        let dir = std::env::temp_dir().join(format!("eco-kube-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let (api, etcd, peer, proxy) = (port(), port(), port(), port());
        let mut plane = Self { dir, children: Vec::new(), url: format!("http://127.0.0.1:{proxy}") };
        let key = plane.path("sa.key");
        let made =
            Command::new("openssl").args(["genrsa", "-out", &key, "2048"]).stderr(Stdio::null()).status();
        assert!(made.unwrap().success());
        fs::write(plane.path("tokens.csv"), "admintoken,admin,admin,system:masters\n").unwrap();
        let kc = plane.path("kc");
        let config = format!(
            "{{apiVersion: v1, kind: Config, current-context: c, contexts: [{{name: c, context: {{cluster: k, user: u}}}}],\n\
             clusters: [{{name: k, cluster: {{server: 'https://127.0.0.1:{api}', insecure-skip-tls-verify: true}}}}],\n\
             users: [{{name: u, user: {{token: admintoken}}}}]}}\n"
        );
        fs::write(&kc, config).unwrap();
        let (client, peers) = (format!("http://127.0.0.1:{etcd}"), format!("http://127.0.0.1:{peer}"));
        let data = plane.path("etcd");
        plane.spawn(Path::new("etcd"), &format!(
            "--data-dir {data} --listen-client-urls {client} --advertise-client-urls {client} --listen-peer-urls {peers} \
             --initial-advertise-peer-urls {peers} --initial-cluster default={peers}"
        ));
        let certs = plane.path("certs");
        let tokens = plane.path("tokens.csv");
        plane.spawn(&programs.join("kube-apiserver"), &format!(
            "--etcd-servers={client} --bind-address=127.0.0.1 --secure-port={api} --endpoint-reconciler-type=none \
             --cert-dir={certs} --service-account-issuer=https://kubernetes.default.svc \
             --service-account-signing-key-file={key} --service-account-key-file={key} \
             --service-cluster-ip-range=10.96.0.0/16 --authorization-mode=RBAC --token-auth-file={tokens} \
             --disable-admission-plugins=ServiceAccount"
        ));
        plane.spawn(Path::new("kubectl"), &format!("--kubeconfig={kc} proxy --port={proxy}"));
        let begin = Instant::now();
        while plane.kubectl(&["get", "--raw", "/readyz"], "").as_deref() != Some("ok") {
            assert!(begin.elapsed() < Duration::from_secs(120), "the API server does not get ready");
            std::thread::sleep(Duration::from_millis(500));
        }
        plane.spawn(
            &programs.join("kube-scheduler"),
            &format!(
                "--kubeconfig={kc} --bind-address=127.0.0.1 --secure-port={} --port=0 --leader-elect=false",
                port()
            ),
        );
        plane.spawn(
            &programs.join("kube-controller-manager"),
            &format!(
                "--kubeconfig={kc} --bind-address=127.0.0.1 --secure-port={} --port=0 --leader-elect=false \
             --service-account-private-key-file={key}",
                port()
            ),
        );
        for (name, zone) in nodes {
            plane.spawn(&programs.join("kubemark"), &format!(
                "--morph=kubelet --name={name} --kubeconfig={kc} --kubelet-port={} --kubelet-read-only-port={} \
                 --node-labels=topology.kubernetes.io/zone={zone}", port(), port()
            ));
        }
        plane
    }

    fn path(&self, name: &str) -> String {
        self.dir.join(name).to_str().unwrap().to_owned()
    }

    fn spawn(&mut self, program: &Path, words: &str) {
        let name = program.file_name().unwrap().to_str().unwrap();
        let log = File::create(self.dir.join(format!("{name}-{}.log", self.children.len()))).unwrap();
        let mut command = Command::new(program);
        command.args(words.split_whitespace()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.children.push(command.spawn().unwrap());
    }

    /// What the client prints; `None` if it fails.
    pub(crate) fn kubectl(&self, words: &[&str], input: &str) -> Option<String> {
        let file = self.dir.join("input.yaml");
        fs::write(&file, input).unwrap();
        let mut command = Command::new("kubectl");
        command.arg(format!("--kubeconfig={}", self.path("kc"))).args(words);
        let output = command.stdin(File::open(&file).unwrap()).output().unwrap();
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        for child in self.children.iter_mut().rev() {
            drop(child.kill());
            drop(child.wait());
        }
        if std::thread::panicking() {
            for entry in fs::read_dir(&self.dir).into_iter().flatten().flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                if Path::new(&name).extension().is_some_and(|it| it == "log") {
                    let text = fs::read_to_string(entry.path()).unwrap_or_default();
                    let tail: Vec<&str> = text.lines().rev().take(4).collect();
                    eprintln!("{name}: {tail:#?}");
                }
            }
        }
        drop(fs::remove_dir_all(&self.dir));
    }
}
