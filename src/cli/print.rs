//! Prints to standard output and standard error, whose reader (`head`, `less`) may have gone.

use std::{
    fmt,
    io::{self, Write as _},
};

use crate::telemetry::log;

/// Prints text to standard output. A reader that has gone has read enough.
pub(super) fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => printed,
    }
}

/// Prints an error to standard error.
pub(super) fn print_error(error: impl fmt::Display) {
    log::print(&format!("headwater: {error}"));
}
