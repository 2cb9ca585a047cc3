//! The program. All of it is in the library, so that tests build the same program.

use std::process::ExitCode;

fn main() -> ExitCode {
    runledger::main()
}
