//! Systems whose schedulers nobody here has asked: niceness is all there is.

use std::io;

use super::Turns;

/// Asks for such turns.
///
/// # Errors
/// Always: there is no such call.
pub fn ask_for(_turns: Turns) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
