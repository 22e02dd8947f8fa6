//! Against a real control plane, with `ECO_K8S=DIR` where `DIR` holds its programs (CONTRIBUTING.md says how to build them). With
//! `ECO_K8S_RECORD=FILE` the dialogue is written down, for `recorded.rs` to play back.
#![allow(clippy::unwrap_used, reason = "tests")]

mod control_plane;
mod record;
mod scenario;

use control_plane::Plane;
use ecosystem_core::Timestamp;
use record::Recorder;
use scenario::World;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const NODES: [(&str, &str); 3] = [("n1", "z1"), ("n2", "z2"), ("n3", "z3")];

const SHOP: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 4
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: main, image: 'shop/web:1', resources: {requests: {cpu: 50m, memory: 16Mi}}}]
---
apiVersion: policy/v1beta1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {maxUnavailable: 1, selector: {matchLabels: {app: web}}}
";

struct Live {
    plane: Plane,
    recorder: Option<Recorder>,
    begin: Instant,
    // When what is waited for was first asked for.
    since: Instant,
}

impl World for Live {
    fn url(&self) -> String {
        self.recorder.as_ref().map_or_else(|| self.plane.url.clone(), |it| it.url.clone())
    }

    fn open_shop(&mut self) {
        self.plane.kubectl(&["apply", "-f", "-"], SHOP).unwrap();
    }

    fn look(&mut self, again: bool) -> Timestamp {
        if again {
            assert!(self.since.elapsed() < Duration::from_secs(180), "it does not come to pass");
            std::thread::sleep(Duration::from_millis(300));
        } else {
            self.since = Instant::now();
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let now = u64::try_from(now.as_millis()).unwrap();
        if let Some(recorder) = &self.recorder {
            recorder.look(now, again);
        }
        Timestamp::from_unix_ms(now)
    }

    fn say(&mut self, what: &str) {
        println!("{:6.1} s  {what}", self.begin.elapsed().as_secs_f64());
    }
}

#[test]
fn a_real_control_plane_follows_a_plan_and_its_budgets_are_kept() {
    let Some(programs) = std::env::var_os("ECO_K8S") else {
        println!(
            "left out: a real control plane is started only with ECO_K8S=DIR, the directory of its programs"
        );
        return;
    };
    let begin = Instant::now();
    let plane = Plane::start(programs.as_ref(), &NODES);
    let into = std::env::var_os("ECO_K8S_RECORD");
    let recorder = into.as_ref().map(|_| Recorder::start(&plane.url));
    let server = plane.kubectl(&["version", "--output=json"], "").unwrap();
    let mut live = Live { plane, recorder, begin, since: begin };
    scenario::play(&mut live);
    if let (Some(into), Some(recorder)) = (into, &live.recorder) {
        let version: serde_json::Value = serde_json::from_str(&server).unwrap();
        let server = format!("kube-apiserver {}", version["serverVersion"]["gitVersion"].as_str().unwrap());
        std::fs::write(into, recorder.write(&server)).unwrap();
    }
}
