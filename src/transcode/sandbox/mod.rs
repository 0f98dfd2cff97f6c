//! The sandbox around decoders of untrusted files.
//!
//! A decoder of a hundred formats has vulnerabilities that are not known yet. So a helper starts it: this
//! program again, as `headwater sandbox`, which first confines *itself* and then becomes the decoder
//! ([`Confinement::enforce`]):
//!
//! * it dies with its parent, and keeps no capability but that of reading files (as root, too);
//! * resource limits ([`rlimits`]): memory, file size, CPU time;
//! * Landlock: reads the file that is its standard input, and the libraries; writes one folder;
//! * seccomp: no socket, no other process, no system call that media work does not need.
//!
//! This is a helper, and not code between fork and exec in the server: such code must not allocate, and the
//! crates for Landlock and seccomp do. Landlock fails with `Permission denied` and seccomp with
//! `Operation not permitted`; the program prints these errors, so the log shows them.
//!
//! The system calls are in [`sys::sandbox`](crate::sys::sandbox); here is the policy.
//!
//! [`rlimits`]: crate::sys::sandbox::rlimits

mod enforce;

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    process::Command,
};

pub use enforce::{ERROR_PREFIX, EXIT_REFUSED};

pub use crate::config::Sandboxing as Policy;

/// The files and resources that one run of a program may use: the arguments of `headwater sandbox`.
#[derive(clap::Args, Clone, Debug, Eq, PartialEq)]
pub struct Confinement {
    /// The policy for a kernel without Landlock or seccomp.
    #[arg(long, value_enum)]
    pub policy: Policy,
    /// Whether the standard input is a file that the program may open again.
    #[arg(long = "read-stdin")]
    pub reads_stdin: bool,
    /// The only writable folder.
    #[arg(long = "write", value_name = "DIR")]
    pub writable: Option<PathBuf>,
    /// Maximum memory.
    #[arg(long)]
    pub memory_bytes: u64,
    /// Maximum size of one written file.
    #[arg(long)]
    pub file_bytes: u64,
    /// Maximum CPU time of all threads together, in seconds.
    #[arg(long)]
    pub cpu_s: u64,
    /// Whether to run with idle scheduling (`SCHED_IDLE`).
    #[arg(long)]
    pub idle_scheduling: bool,
    /// The process id that must still be the parent once the parent death signal is set.
    #[arg(long)]
    pub parent: Option<i32>,
    /// The absolute path of the program and its arguments. Without a program the helper confines itself
    /// and prints the enforced mechanisms.
    #[arg(last = true, value_name = "PROGRAM")]
    pub program: Vec<OsString>,
}

impl Confinement {
    /// The command that runs the program confined; `helper` is the path of this executable.
    pub fn command(&self, helper: &Path) -> Command {
        let mut command = Command::new(helper);
        command.arg("sandbox").args(self.arguments()).env_clear();
        command
    }

    /// The command line. Values follow `=`, so that none is taken for a flag.
    fn arguments(&self) -> Vec<OsString> {
        let option = |name: &str, value: &OsStr| {
            let mut argument = OsString::from(name);
            argument.push("=");
            argument.push(value);
            argument
        };
        let mut arguments = vec![
            option("--policy", self.policy.as_str().as_ref()),
            option("--memory-bytes", self.memory_bytes.to_string().as_ref()),
            option("--file-bytes", self.file_bytes.to_string().as_ref()),
            option("--cpu-s", self.cpu_s.to_string().as_ref()),
        ];
        arguments.extend(self.idle_scheduling.then(|| "--idle-scheduling".into()));
        arguments.extend(self.reads_stdin.then(|| "--read-stdin".into()));
        arguments.extend(self.writable.iter().map(|path| option("--write", path.as_os_str())));
        arguments.extend(self.parent.map(|pid| option("--parent", pid.to_string().as_ref())));
        arguments.push("--".into());
        arguments.extend(self.program.iter().cloned());
        arguments
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt as _;

    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Parsed {
        #[command(flatten)]
        confinement: Confinement,
    }

    #[test]
    fn arguments_parse_back_whatever_the_paths_are() {
        let confinement = Confinement {
            policy: Policy::WhereAvailable,
            reads_stdin: true,
            writable: Some(OsStr::from_bytes(b"--write=a \xff=b").into()),
            memory_bytes: u64::MAX,
            file_bytes: 0,
            cpu_s: 7,
            idle_scheduling: true,
            parent: Some(1),
            program: vec!["/bin/true".into(), "--policy=off".into()],
        };
        let arguments = std::iter::once("sandbox".into()).chain(confinement.arguments());
        assert_eq!(Parsed::try_parse_from(arguments).expect("parsed").confinement, confinement);
    }
}
