//! The run ledger's program: server and command line.
mod failure;
mod output;
mod settings;
/// Runs.
pub fn main() -> std::process::ExitCode { std::process::ExitCode::SUCCESS }
