//! The helper: limits itself, and then becomes the program.

use std::{fmt::Display, os::unix::process::CommandExt as _, process::Command};

use rustix::process::{Pid, getppid};

use super::{Confinement, Policy, rlimits};
use crate::sys::sandbox;

/// How the helper ends when it runs nothing.
pub const EXIT_REFUSED: u8 = 125;

/// How the line begins in which it then says why.
pub const PREFIX: &str = "headwater sandbox: ";

impl Confinement {
    /// Confines this process for good and becomes the program. Returns only if that fails, with what
    /// is to be printed after [`PREFIX`]; or, where there is no program, with what was enforced.
    pub fn enforce(self) -> Result<String, String> {
        sandbox::be_modest();
        sandbox::drop_privileges().map_err(said("privileges"))?;
        // Asked for after the privileges went, since a change of them takes it back. Who died before
        // that is no longer the parent.
        sandbox::die_with_parent().map_err(said("prctl"))?;
        if self.parent.is_some_and(|parent| getppid().map(Pid::as_raw_pid) != Some(parent)) {
            return Err("the server that asked for this has ended".into());
        }
        sandbox::gain_nothing().map_err(said("no_new_privs"))?;
        let program = self.program.first().map(std::path::PathBuf::from);
        let mut enforced = Vec::new();
        if self.policy != Policy::Off {
            let folder = self.writes.as_deref();
            let confined = sandbox::confine_files(program.as_deref(), &self.reads, folder);
            if confined.map_err(|error| error.to_string())? {
                enforced.push("landlock");
            }
        }
        rlimits::limit(self.memory_bytes, self.file_bytes, self.cpu_s).map_err(said("limits"))?;
        let refused = (self.policy != Policy::Off).then(sandbox::refuse_calls);
        match refused {
            Some(Ok(())) => enforced.push("seccomp"),
            Some(Err(error)) if self.policy == Policy::Required => {
                return Err(cannot("seccomp", &error));
            }
            Some(Err(_)) | None => {}
        }
        if self.policy == Policy::Required && !enforced.contains(&"landlock") {
            return Err(cannot(
                "Landlock",
                &"Linux 5.13 or newer has it, if it is switched on there",
            ));
        }
        let Some(program) = program else {
            return Ok(enforced.join(" "));
        };
        let error = Command::new(&program).args(&self.program[1..]).exec();
        Err(format!("{}: {error}", program.display()))
    }
}

fn said<E: Display>(what: &str) -> impl Fn(E) -> String + use<'_, E> {
    move |error| format!("{what}: {error}")
}

fn cannot(what: &str, why: &dyn Display) -> String {
    format!(
        "this kernel cannot confine ffmpeg by {what} ({why}), and the sandbox is required: \
         `sandbox = \"where-available\"` runs it without"
    )
}
