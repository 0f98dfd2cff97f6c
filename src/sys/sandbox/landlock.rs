//! Landlock: the files that a confined process can access.

use std::{
    fs, io,
    os::fd::AsFd as _,
    path::{Path, PathBuf},
};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, PathBeneath, PathFd, Ruleset,
    RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope,
};

/// The newest Landlock ABI that this code uses. An older kernel enforces the part that it supports;
/// [`super::seccomp`] refuses the rest, as far as a system call's arguments show it.
const SUPPORTED_ABI: ABI = ABI::V6;

/// Folders of the dynamic loader and its libraries: readable and executable.
const LIBRARY_PATHS: [&str; 10] = [
    "/lib",
    "/lib32",
    "/lib64",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/local/lib64",
    "/nix/store",
    "/gnu/store",
];

/// Other files that loaders and encoders read: the loader's cache, CPU topology, randomness.
const SYSTEM_FILES: [&str; 9] = [
    "/etc/ld.so.cache",
    "/etc/ld.so.preload",
    "/etc/ld-musl-x86_64.path",
    "/etc/ld-musl-aarch64.path",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/sys/devices/system/cpu",
    "/sys/devices/system/node",
    "/dev/urandom",
];

/// Restricts this process to the files that `program` needs to start, to the file that is its standard input
/// if it `reads_stdin`, and to writing the folder `writes`. Returns whether the kernel enforces it.
pub fn restrict(
    program: Option<&Path>,
    reads_stdin: bool,
    writes: Option<&Path>,
) -> Result<bool, LandlockError> {
    let mut rules = Ruleset::default()
        .handle_access(AccessFs::from_all(SUPPORTED_ABI))?
        .handle_access(AccessNet::from_all(SUPPORTED_ABI))?
        .scope(Scope::from_all(SUPPORTED_ABI))?
        .create()?;
    let run = AccessFs::ReadFile | AccessFs::ReadDir | AccessFs::Execute;
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let own_libraries = program.map(own_library_paths).unwrap_or_default();
    for path in
        LIBRARY_PATHS.iter().map(Path::new).chain(own_libraries.iter().map(PathBuf::as_path))
    {
        rules = allow(rules, path, run, Presence::Optional)?;
    }
    for path in SYSTEM_FILES {
        rules = allow(rules, path.as_ref(), read, Presence::Optional)?;
    }
    rules = allow(rules, "/dev/null".as_ref(), read | AccessFs::WriteFile, Presence::Optional)?;
    if let Some(program) = program {
        rules = allow(rules, program, run, Presence::Required)?;
    }
    if reads_stdin {
        // By descriptor: another file may have its name by now.
        let access = read & AccessFs::from_file(SUPPORTED_ABI);
        rules = rules.add_rule(PathBeneath::new(io::stdin().as_fd(), access))?;
    }
    if let Some(folder) = writes {
        rules = allow(rules, folder, output_access(), Presence::Required)?;
    }
    Ok(rules.restrict_self()?.ruleset != RulesetStatus::NotEnforced)
}

/// Regular files and folders: no symbolic link, device, FIFO or socket, and nothing executable.
fn output_access() -> BitFlags<AccessFs> {
    AccessFs::ReadFile
        | AccessFs::ReadDir
        | AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::MakeDir
        | AccessFs::RemoveFile
        | AccessFs::RemoveDir
        | AccessFs::Refer
}

/// The library folders of a program's own prefix: `/opt/ffmpeg/lib` for `/opt/ffmpeg/bin/ffmpeg`.
fn own_library_paths(program: &Path) -> Vec<PathBuf> {
    let program = fs::canonicalize(program).unwrap_or_else(|_| program.into());
    let prefix = program.parent().and_then(Path::parent).filter(|prefix| prefix.parent().is_some());
    prefix.map(|prefix| vec![prefix.join("lib"), prefix.join("lib64")]).unwrap_or_default()
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Presence {
    Required,
    Optional,
}

fn allow(
    rules: RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
    presence: Presence,
) -> Result<RulesetCreated, LandlockError> {
    let is_folder = match fs::metadata(path) {
        Ok(metadata) => metadata.is_dir(),
        Err(_) if presence == Presence::Optional => return Ok(rules),
        Err(error) => return Err(LandlockError::for_path(path, &error)),
    };
    let access = if is_folder { access } else { access & AccessFs::from_file(SUPPORTED_ABI) };
    match PathFd::new(path) {
        Ok(file) => Ok(rules.add_rule(PathBeneath::new(file, access))?),
        Err(_) if presence == Presence::Optional => Ok(rules),
        Err(error) => Err(LandlockError::for_path(path, &error)),
    }
}

/// The error of Landlock on a kernel that supports it.
#[derive(Debug, thiserror::Error)]
pub enum LandlockError {
    /// A named file does not exist or cannot be opened.
    #[error("{}: {reason}", path.display())]
    Path {
        /// The path.
        path: PathBuf,
        /// The error of the system.
        reason: String,
    },
    /// The kernel rejected the rules.
    #[error("landlock: {0}")]
    Rules(#[from] RulesetError),
}

impl LandlockError {
    fn for_path(path: &Path, error: &dyn std::error::Error) -> Self {
        Self::Path { path: path.into(), reason: error.to_string() }
    }
}
