//! Ctrl-C as an error that unwinds like any other.
//!
//! A signal sets a flag and nothing else; every wait of this program goes through [`sleep`] or
//! [`check`], which fail once the flag is set. So the guards that end servers, delete files and
//! restore the machine's settings run on this way out, too.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Catches SIGINT, SIGTERM and SIGHUP from now on.
pub fn install() -> Result<()> {
    ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::Relaxed))
        .context("cannot catch Ctrl-C, and would leave servers behind")
}

/// Fails if the user wants to stop.
pub fn check() -> Result<()> {
    if INTERRUPTED.load(Ordering::Relaxed) {
        bail!("interrupted");
    }
    Ok(())
}

/// Sleeps for a short while, or fails if the user wants to stop.
pub fn sleep(pause: Duration) -> Result<()> {
    check()?;
    std::thread::sleep(pause);
    check()
}
