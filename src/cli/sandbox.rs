//! `headwater sandbox`: the helper that runs ffmpeg confined. Internal, and so hidden from `--help`.

use std::process::ExitCode;

use crate::{
    sys::sched::{self, Policy},
    transcode::sandbox::{Confinement, ERROR_PREFIX, EXIT_REFUSED},
};

/// Confines this process and becomes the program; if that fails, prints the reason.
pub fn run(confinement: Confinement) -> ExitCode {
    if confinement.idle_scheduling {
        // Where it is not permitted, the niceness of the worker still applies.
        let _ = sched::set_policy(Policy::Idle);
    }
    match confinement.enforce() {
        Ok(enforced) => {
            println!("{enforced}");
            ExitCode::SUCCESS
        }
        Err(reason) => {
            eprintln!("{ERROR_PREFIX}{reason}");
            ExitCode::from(EXIT_REFUSED)
        }
    }
}
