//! The closed loop on real systems, as two programs: `real_loop` tells one story of each fault, `real_chaos` draws them.
//!
//! | process | what it is |
//! |---|---|
//! | director | starts everything, does the faults, measures from outside ([`director`]) |
//! | hosts | supervisors with their QEMU children, one process group each (`ecosystem-qemu`) |
//! | controller | the façade's driver with a durable store; killed and restarted at will ([`controller`]) |
//! | Prometheus | scrapes what the controller measures, and is read by it |

pub mod controller;
pub mod director;
pub mod predict;
pub mod report;
pub mod stack;

/// The role that the first argument names, if it names one; programs call this first.
///
/// `host …` is the supervisor of a host, `control DIR` a controller. Both live until they are killed.
pub fn play_role() -> Option<Result<(), Box<dyn std::error::Error>>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.first().map(String::as_str) {
        Some("host") => {
            let settings = ecosystem_qemu::HostSettings::from_arguments(&words[1..]);
            Some(settings.map_err(Into::into).and_then(|it| Ok(ecosystem_qemu::serve(it)?)))
        }
        Some("control") if words.len() == 2 => Some(controller::run(std::path::Path::new(&words[1]))),
        _ => None,
    }
}

/// Milliseconds since the Unix epoch.
pub fn unix_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
