//! Which files a confined process sees, by Landlock.

use std::{
    fs,
    path::{Path, PathBuf},
};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, PathBeneath, PathFd, Ruleset,
    RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope,
};

/// The newest version whose meaning is known here. An older kernel enforces what it has of it; what
/// it lacks is also refused by [`super::calls`], where a call's numbers can tell.
const KNOWN: ABI = ABI::V6;

/// Where dynamic loaders look, and the libraries they find: read, and run as part of the program.
const LIBRARIES: [&str; 10] = [
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

/// What loaders and encoders ask for besides: where the libraries are, and which processors there are.
const FACTS: [&str; 9] = [
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

/// Confines this process to what a program needs to start, to `reads`, and to the folder `writes`.
/// Returns whether the kernel does so.
pub fn confine(
    program: Option<&Path>,
    reads: &[PathBuf],
    writes: Option<&Path>,
) -> Result<bool, FilesError> {
    let mut rules = Ruleset::default()
        .handle_access(AccessFs::from_all(KNOWN))?
        .handle_access(AccessNet::from_all(KNOWN))?
        .scope(Scope::from_all(KNOWN))?
        .create()?;
    let run = AccessFs::ReadFile | AccessFs::ReadDir | AccessFs::Execute;
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let own = program.map(libraries_beside).unwrap_or_default();
    for place in LIBRARIES.iter().map(Path::new).chain(own.iter().map(PathBuf::as_path)) {
        rules = allow(rules, place, run, Needed::No)?;
    }
    for place in FACTS {
        rules = allow(rules, place.as_ref(), read, Needed::No)?;
    }
    rules = allow(rules, "/dev/null".as_ref(), read | AccessFs::WriteFile, Needed::No)?;
    if let Some(program) = program {
        rules = allow(rules, program, run, Needed::Yes)?;
    }
    for place in reads {
        rules = allow(rules, place, read, Needed::Yes)?;
    }
    if let Some(folder) = writes {
        rules = allow(rules, folder, written(), Needed::Yes)?;
    }
    Ok(rules.restrict_self()?.ruleset != RulesetStatus::NotEnforced)
}

/// Regular files and folders of an output, and nothing that could be run, answer or point elsewhere.
fn written() -> BitFlags<AccessFs> {
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

/// `/opt/ffmpeg/bin/ffmpeg` may have its libraries in `/opt/ffmpeg/lib`.
fn libraries_beside(program: &Path) -> Vec<PathBuf> {
    let program = fs::canonicalize(program).unwrap_or_else(|_| program.into());
    let prefix = program.parent().and_then(Path::parent);
    let prefix = prefix.filter(|prefix| prefix.parent().is_some());
    prefix.map(|prefix| vec![prefix.join("lib"), prefix.join("lib64")]).unwrap_or_default()
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Needed {
    Yes,
    No,
}

fn allow(
    rules: RulesetCreated,
    place: &Path,
    access: BitFlags<AccessFs>,
    needed: Needed,
) -> Result<RulesetCreated, FilesError> {
    let is_folder = match fs::metadata(place) {
        Ok(metadata) => metadata.is_dir(),
        Err(_) if needed == Needed::No => return Ok(rules),
        Err(error) => return Err(FilesError::at(place, &error)),
    };
    let access = if is_folder { access } else { access & AccessFs::from_file(KNOWN) };
    match PathFd::new(place) {
        Ok(file) => Ok(rules.add_rule(PathBeneath::new(file, access))?),
        Err(_) if needed == Needed::No => Ok(rules),
        Err(error) => Err(FilesError::at(place, &error)),
    }
}

/// Why files could not be confined, though the kernel can.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// One of the files that were named is not there.
    #[error("{}: {why}", path.display())]
    Path {
        /// Which one.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// The kernel took no rules.
    #[error("landlock: {0}")]
    Rules(#[from] RulesetError),
}

impl FilesError {
    fn at(path: &Path, error: &dyn std::error::Error) -> Self {
        Self::Path { path: path.into(), why: error.to_string() }
    }
}
