//! The closed loop on real systems, as two programs: `real_loop` tells one story of each fault, `real_chaos` draws them.
//!
//! | process | what it is |
//! |---|---|
//! | director | starts everything, does the faults, measures from outside ([`director`]) |
//! | hosts | supervisors with their QEMU children, one process group each (`ecosystem-qemu`) |
//! | controller | the façade's driver with a durable store; killed and restarted at will ([`controller`]) |
//! | observer | counts instances straight from QEMU's sockets, all the time ([`observe`]) |
//! | etcd, `PostgreSQL` | lease and store of several controllers, where asked for ([`lease`], [`services`]) |
//! | Prometheus | scrapes what the controller measures, and is read by it |

pub mod chaos;
pub mod controller;
pub mod director;
pub mod draw;
pub mod faults;
pub mod keep;
pub mod lease;
pub mod moves;
pub mod observe;
pub mod outlook;
pub mod plot;
pub mod predict;
pub mod report;
pub mod rivals;
pub mod services;
pub mod stack;
pub mod verdict;
pub mod witness;

use std::io::Write;

/// The role that the first argument names, if it names one; programs call this first.
///
/// `host …` is the supervisor of a host, `control DIR` a controller, `observe DIR` an observer. They live until they are
/// killed, hosts at most as long as the director, the observer until its input ends. `control DIR heedless` does not look at its lease once it has it.
pub fn play_role() -> Option<Result<(), Box<dyn std::error::Error>>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.first().map(String::as_str) {
        Some("host") => {
            if let Some(root) = words.get(1) {
                director::end_with_the_director(std::path::Path::new(root));
            }
            let settings = ecosystem_qemu::HostSettings::from_arguments(&words[1..]);
            Some(settings.map_err(Into::into).and_then(|it| Ok(ecosystem_qemu::serve(it)?)))
        }
        Some("control") if words.len() == 2 || (words.len() == 3 && words[2] == "heedless") => {
            Some(controller::run(std::path::Path::new(&words[1]), words.len() == 3))
        }
        Some("observe") if words.len() == 2 => {
            observe::run(std::path::Path::new(&words[1]));
            Some(Ok(()))
        }
        _ => None,
    }
}

/// Milliseconds since the Unix epoch.
pub fn unix_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Writes a line for the director.
pub(crate) fn say(line: &serde_json::Value) {
    // A director that has gone reads nothing more; whoever speaks goes on.
    let mut out = std::io::stdout().lock();
    drop(writeln!(out, "{line}").and_then(|()| out.flush()));
}
