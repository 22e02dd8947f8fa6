//! An audit log in a folder: `cargo run --release --example audit_log -- DIR COMMAND`.
//!
//! The library does no input and output; this program shows what a host adds: files that are synced before an entry is
//! acknowledged, keys, randomness and a clock. Evaluation figures go to standard output, the last line being JSON;
//! everything else goes to standard error. Exit code 1 means that the log is not sound, 2 that the input was bad.

mod cli;
mod commands;
mod draft;
mod keys;
mod store;
mod using;

use std::process::ExitCode;

const HELP: &str = "\
usage: audit_log DIR COMMAND

  append [--seal FIELDS] [--plain]   read entries as JSON lines from standard input; each is acknowledged on
                                     standard output after it was synced to disk. Fields named in FIELDS (default
                                     before,after,details,payload,personal) are sealed with the key of the
                                     entry's subject; --plain seals nothing. --segment-bytes N sets when the
                                     next file begins
  verify [--against CHECKPOINT]...   check everything that is stored, and the history against trusted checkpoints
         [--vkey KEY]                (files with signed notes; with --vkey their signatures are checked, too).
                                     A rollback, a cut at an entry's end and a rewritten tail can be seen only
                                     against a checkpoint that was kept elsewhere
  root [--size N]                    the root hash, now or when the log had N entries
  inclusion I [--size N]             proof that entry I is in the log
  consistency M N                    proof that the log of N entries begins with the log of M entries
  key new --name NAME                make a signing key (text form of Go notes)
  checkpoint --key FILE --origin O   size and root as a signed note
             [--size N]
  erase --subject S [--at MS]        destroy the keys of a subject and record it
  query [--from T] [--to T] [--actor A] [--category C] [--severity S[+]] [--outcome O] [--action A|family.*]
        [--subject S|PREFIX*] [--correlation ID] [--text WORDS] [--limit N] [--order newest] [--after CURSOR]
                                     entries as JSON lines, then one line of figures. Options may be repeated
  summary [as query]                 counts, rates and gaps
  history --subject S [--at T]       versions of a resource and its state, now or at a time
  report --standard soc2|pci|hipaa|gdpr|iso27001|nist --period FROM..TO [--format json|oscal|md|html]
         [--facts FILE] [--checkpoint FILE]... [--vkey KEY] [--at T] [--origin O] [--heartbeat-s N]
                                     verdicts computed from evidence in the log
  export [--format jsonl|csv|syslog|cef|ocsf|ecs] [--no-hashes] [--hostname H] [--enterprise N] [as query]
  import [--format as export]        the same log again, from standard input
                                     query, export and report take --as ACTOR to record that they were run

Standard input may be compressed with gzip.

An entry: {\"at_unix_ms\":1767225600000,\"actor\":\"alice\",\"action\":\"vm.restart\",\"category\":\"recovery\",
\"severity\":\"warning\",\"subject\":\"vm/db-1\",\"outcome\":\"success\"} and, if wanted, \"on_behalf_of\", \"reason\",
\"correlation_id\", \"before\", \"after\"; every other key becomes a free field.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match commands::run(&arguments) {
        Ok(code) => code,
        Err(cli::Failure::Help) => {
            println!("{HELP}");
            ExitCode::SUCCESS
        }
        Err(cli::Failure::Usage(message)) => {
            eprintln!("error: {message}");
            ExitCode::from(2)
        }
        Err(cli::Failure::Unsound(message)) => {
            eprintln!("error: {message}");
            ExitCode::from(1)
        }
    }
}
