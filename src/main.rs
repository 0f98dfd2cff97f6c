//! What was typed is handed over; see the library for everything else.

use std::process::ExitCode;

fn main() -> ExitCode {
    headwater::cli::main()
}
