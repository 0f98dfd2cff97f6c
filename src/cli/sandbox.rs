//! `headwater sandbox`: the helper that runs ffmpeg confined. Internal, and so hidden from `--help`.

use std::process::ExitCode;

use super::print::print;
use crate::{
    sys::sched::{self, Policy},
    telemetry::log,
    transcode::sandbox::{Confinement, ERROR_PREFIX, EXIT_REFUSED},
};

/// Confines this process and becomes the program; if that fails, prints the reason.
pub fn run(confinement: Confinement) -> ExitCode {
    if confinement.idle_scheduling {
        // Where it is not permitted, the niceness of the worker still applies.
        let _ = sched::set_policy(Policy::Idle);
    }
    match confinement.enforce() {
        Ok(enforced) => match print(&format!("{enforced}\n")) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Err(reason) => {
            log::print(&format!("{ERROR_PREFIX}{reason}"));
            ExitCode::from(EXIT_REFUSED)
        }
    }
}
