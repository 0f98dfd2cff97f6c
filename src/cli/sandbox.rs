//! `headwater sandbox`, a hidden command by which a worker runs ffmpeg.

use std::process::ExitCode;

use crate::{
    sys::sched::{self, Policy},
    transcode::sandbox::{Confinement, EXIT_REFUSED, PREFIX},
};

/// Confines this process and executes the program, or prints why it cannot.
pub fn run(confinement: Confinement) -> ExitCode {
    if confinement.only_spare {
        // Without it, the process keeps the policy of its parent.
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
