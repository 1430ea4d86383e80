//! The command `mcpjungle`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    match arguments.next() {
        Some(word) if word == "supervise" => mcpjungle_host::upstream::supervise(arguments.collect()),
        _ => ExitCode::FAILURE,
    }
}
