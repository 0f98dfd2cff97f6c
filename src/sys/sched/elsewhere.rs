//! Other systems: niceness is the only scheduling hint here.

use std::io;

use super::Policy;

/// Sets the scheduling policy of this thread.
///
/// # Errors
/// Always: the system has no such call.
pub fn set_policy(_policy: Policy) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
