//! The binary; the library has everything.

use std::process::ExitCode;

fn main() -> ExitCode {
    headwater::cli::main()
}
