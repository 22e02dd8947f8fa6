//! The supervisor of one host: `eco-host ROOT NAME MILLICORES MEMORY_BYTES`. Lives until it is killed.

use ecosystem_qemu::{HostSettings, serve};
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let ended = HostSettings::from_arguments(&words).and_then(|it| serve(it).map_err(|e| e.to_string()));
    eprintln!("eco-host: {}", ended.err().unwrap_or_else(|| "ended".into()));
    ExitCode::from(2)
}
