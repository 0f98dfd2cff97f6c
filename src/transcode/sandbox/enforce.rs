//! The sandbox helper: confines its own process, then becomes the program.

use std::{fmt::Display, path::Path};

use super::{Confinement, Policy};
use crate::sys::sandbox::{self, rlimits};

/// The exit code of a helper that did not run the program.
pub const EXIT_REFUSED: u8 = 125;

/// The start of the line on stderr that gives the reason.
pub const ERROR_PREFIX: &str = "headwater sandbox: ";

impl Confinement {
    /// Confines this process permanently and becomes the program.
    ///
    /// Returns only without a program, with the mechanisms that the kernel enforces, or if something
    /// fails, with the text to print after [`ERROR_PREFIX`].
    pub fn enforce(self) -> Result<String, String> {
        sandbox::raise_oom_score();
        sandbox::drop_privileges().map_err(failed("privileges"))?;
        // Set after the privileges are dropped, since a change of privileges clears it. A parent that
        // died before is no longer the parent.
        sandbox::set_parent_death_signal().map_err(failed("prctl"))?;
        if self.parent.is_some_and(|parent| sandbox::parent_pid() != Some(parent)) {
            return Err("the process that started this helper has ended".into());
        }
        sandbox::set_no_new_privs().map_err(failed("no_new_privs"))?;
        let program = self.program.first().map(Path::new);
        let mut enforced = Vec::new();
        if self.policy != Policy::Off {
            let restricted =
                sandbox::restrict_files(program, self.reads_stdin, self.writable.as_deref());
            if restricted.map_err(|error| error.to_string())? {
                enforced.push("landlock");
            }
        }
        rlimits::set(self.memory_bytes, self.file_bytes, self.cpu_s).map_err(failed("limits"))?;
        let filtered = (self.policy != Policy::Off).then(sandbox::install_seccomp);
        match filtered {
            Some(Ok(())) => enforced.push("seccomp"),
            Some(Err(error)) if self.policy == Policy::Required => {
                return Err(unsupported("seccomp", &error));
            }
            Some(Err(_)) | None => {}
        }
        if self.policy == Policy::Required && !enforced.contains(&"landlock") {
            return Err(unsupported(
                "Landlock",
                &"it needs Linux 5.13 or newer, and may be disabled",
            ));
        }
        let Some(program) = program else {
            return Ok(enforced.join(" "));
        };
        let error = sandbox::exec(program, &self.program[1..]);
        let name = program.file_name().unwrap_or_default();
        Err(format!("{} cannot be executed: {error}", name.display()))
    }
}

fn failed<E: Display>(what: &str) -> impl Fn(E) -> String + use<'_, E> {
    move |error| format!("{what}: {error}")
}

fn unsupported(mechanism: &str, reason: &dyn Display) -> String {
    format!(
        "this kernel does not support {mechanism} ({reason}), and the sandbox is required; set \
         `sandbox = \"where-available\"` to run ffmpeg without it"
    )
}
