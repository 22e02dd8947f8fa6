//! Several controllers over real QEMU hosts, a real etcd and a real `PostgreSQL`, with `ECO_REAL=1`: killed, standing still, cut
//! off from etcd, the leader never acts beside another one.
//!
//! Without the usual harness, because this program is its own controllers, hosts and observer.

use ecosystem_real::director::Director;
use ecosystem_real::verdict::verdict;
use ecosystem_real::{play_role, rivals};
use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    if let Some(ended) = play_role() {
        if let Err(e) = ended {
            eprintln!("{e}");
        }
        return ExitCode::FAILURE;
    }
    if std::env::var_os("ECO_REAL").is_none_or(|it| it != "1") {
        println!(
            "skipped: real systems are started only with ECO_REAL=1 (qemu-system-x86, prometheus, etcd-server, postgresql)"
        );
        return ExitCode::SUCCESS;
    }
    match two_controllers_never_both_act() {
        Ok(()) => {
            println!("test result: ok. 1 passed; 0 failed; 0 ignored");
            ExitCode::SUCCESS
        }
        Err(e) => {
            println!(
                "two controllers never both act: {e}\ntest result: FAILED. 0 passed; 1 failed; 0 ignored"
            );
            ExitCode::FAILURE
        }
    }
}

fn two_controllers_never_both_act() -> Result<(), Box<dyn std::error::Error>> {
    let work = std::env::temp_dir().join(format!("rt{}", std::process::id()));
    let mut stage = Director::start_with(&work, true, true)?;
    stage.start_controller()?;
    stage.wait("twelve machines", Duration::from_secs(180), Director::is_well)?;
    rivals::story(&mut stage)?;
    let found = verdict(&mut stage)?;
    if let Some(problem) = &found.audit_problem {
        return Err(format!("the audit log does not verify: {problem}").into());
    }
    let doubles = stage.watch.doubles();
    if found.lost > 0 || found.unfinished > 0 || !doubles.is_empty() {
        return Err(
            format!("{} records lost, {} unfinished, {doubles:?}", found.lost, found.unfinished).into()
        );
    }
    println!("{} records and entries were acknowledged, none is missing", found.acknowledged);
    drop(stage);
    drop(std::fs::remove_dir_all(work));
    Ok(())
}
