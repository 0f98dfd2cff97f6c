//! What keeps a decoder of hostile files in its place.
//!
//! A decoder of a hundred formats has faults that nobody knows yet. So it is started by a helper,
//! this program once more as `headwater sandbox`, which first limits *itself* and then becomes the
//! decoder ([`Confinement::enforce`]):
//!
//! * it dies with its parent, and holds no privilege but that of reading (as root, too);
//! * [`amounts`]: so much memory, so large a file, so much time of the processor;
//! * [`sandbox::files`] (Landlock): reads the files it was given and the libraries, writes one folder;
//! * [`sandbox::calls`] (seccomp): no socket, no other process, nothing of the kernel that it has no use
//!   for.
//!
//! A helper, and not code between fork and exec in the server: that must not allocate there, and both
//! Landlock's and seccomp's crates do. What is refused fails with an error that the program prints,
//! `Permission denied` by Landlock and `Operation not permitted` by seccomp; so the log names it.

mod enforce;
pub mod rlimits;

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    process::Command,
};

pub use enforce::{EXIT_REFUSED, PREFIX};

pub use crate::config::Sandboxing as Policy;

/// What one run of a program may read, write and use up: the arguments of `headwater sandbox`.
#[derive(clap::Args, Clone, Debug, Eq, PartialEq)]
pub struct Confinement {
    /// What to do where the kernel cannot confine.
    #[arg(long, value_enum)]
    pub policy: Policy,
    /// Files, or folders with all below them, that may be read besides the system's libraries.
    #[arg(long = "read", value_name = "PATH")]
    pub reads: Vec<PathBuf>,
    /// The one folder that may be written.
    #[arg(long = "write", value_name = "DIR")]
    pub writes: Option<PathBuf>,
    /// Most memory.
    #[arg(long)]
    pub memory_bytes: u64,
    /// Most bytes of one file that is written.
    #[arg(long)]
    pub file_bytes: u64,
    /// Most seconds of processor time, of all threads together.
    #[arg(long)]
    pub cpu_s: u64,
    /// Whether it has the processor only while nobody else wants it.
    #[arg(long)]
    pub only_spare: bool,
    /// The process that must still be the parent when the signal of its death has been asked for.
    #[arg(long)]
    pub parent: Option<i32>,
    /// The program, by its whole path, and its arguments. Without one the helper only confines itself,
    /// and says what it has.
    #[arg(last = true, value_name = "PROGRAM")]
    pub program: Vec<OsString>,
}

impl Confinement {
    /// The command that runs the program so: `helper` is this very program.
    pub fn command(&self, helper: &Path) -> Command {
        let mut command = Command::new(helper);
        command.arg("sandbox").args(self.arguments()).env_clear();
        command
    }

    /// As it is typed. Values are joined to their names by `=`, so that none is taken for a flag.
    fn arguments(&self) -> Vec<OsString> {
        let joined = |name: &str, value: &OsStr| {
            let mut argument = OsString::from(name);
            argument.push("=");
            argument.push(value);
            argument
        };
        let policy = self.policy.as_str();
        let mut arguments = vec![
            joined("--policy", policy.as_ref()),
            joined("--memory-bytes", self.memory_bytes.to_string().as_ref()),
            joined("--file-bytes", self.file_bytes.to_string().as_ref()),
            joined("--cpu-s", self.cpu_s.to_string().as_ref()),
        ];
        arguments.extend(self.only_spare.then(|| "--only-spare".into()));
        arguments.extend(self.reads.iter().map(|path| joined("--read", path.as_os_str())));
        arguments.extend(self.writes.iter().map(|path| joined("--write", path.as_os_str())));
        arguments.extend(self.parent.map(|pid| joined("--parent", pid.to_string().as_ref())));
        arguments.push("--".into());
        arguments.extend(self.program.iter().cloned());
        arguments
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Typed {
        #[command(flatten)]
        confinement: Confinement,
    }

    #[test]
    fn what_is_typed_is_what_was_meant_whatever_the_names_are() {
        use std::os::unix::ffi::OsStrExt as _;
        let meant = Confinement {
            policy: Policy::WhereAvailable,
            reads: vec!["-i".into(), "--".into(), OsStr::from_bytes(b"a \xff=b").into()],
            writes: Some("--write=x".into()),
            memory_bytes: u64::MAX,
            file_bytes: 0,
            cpu_s: 7,
            only_spare: true,
            parent: Some(1),
            program: vec!["/bin/true".into(), "--policy=off".into()],
        };
        let arguments = std::iter::once("sandbox".into()).chain(meant.arguments());
        assert_eq!(Typed::try_parse_from(arguments).expect("parsed").confinement, meant);
    }
}
