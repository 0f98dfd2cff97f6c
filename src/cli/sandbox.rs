//! `headwater sandbox`: what the server runs ffmpeg by. Not for people, and so hidden.

use std::process::ExitCode;

use crate::{
    sys::sched::{self, Policy},
    transcode::sandbox::{Confinement, EXIT_REFUSED, PREFIX},
};

/// Confines this process and becomes the program that is named; or says why it does not.
pub fn run(confinement: Confinement) -> ExitCode {
    if confinement.only_spare {
        // Where it cannot be, it still yields as whoever started it does.
        let _ = sched::set_policy(Policy::Idle);
    }
    match confinement.enforce() {
        Ok(enforced) => {
            println!("{enforced}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{PREFIX}{why}");
            ExitCode::from(EXIT_REFUSED)
        }
    }
}
