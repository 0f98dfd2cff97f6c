//! Resolves a path below a directory, one name at a time, and neither leaves the directory nor follows a link
//! to a hidden name: for paths with links, and for systems without a call that stays below a directory.
//!
//! The kernel never resolves a link here: each name is opened with `O_NOFOLLOW` in the innermost open
//! directory, and the target of a link is put before the remaining names. `..` returns to the directory
//! opened before, so that no rename can redirect it, and the first directory has no parent. On other systems
//! than Linux each directory on the way must be readable; the kernel would need search permission only.
//!
//! FreeBSD has `O_RESOLVE_BENEATH`, and newer versions of macOS have it under another number; this code
//! needs neither, and is tested on Linux.

use std::{
    ffi::{OsStr, OsString},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::{OsStrExt as _, OsStringExt as _},
    },
    path::{Component, Path},
};

use rustix::{
    fs::{self, AtFlags, FileType, Mode, OFlags, Stat},
    io::{Errno, Result},
};

/// The most links in one path, as on Linux.
const LINKS_MAX: usize = 40;

/// The depth limit of the walk, which holds a descriptor for each level.
const DEPTH_MAX: usize = 64;

/// The most remaining names, those from link targets included.
const NAMES_MAX: usize = 1024;

/// The flags to open a directory on the way.
#[cfg(target_os = "linux")]
const ENTER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY);
#[cfg(not(target_os = "linux"))]
const ENTER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY);

/// Opens an entry below a directory. The empty path is the directory itself.
pub fn open(directory: BorrowedFd<'_>, relative: &Path, flags: OFlags) -> Result<OwnedFd> {
    walk(directory, relative, |parent, name| open_here(parent, name, flags))
}

/// The status of an entry below a directory, links resolved.
pub fn status(directory: BorrowedFd<'_>, relative: &Path) -> Result<Stat> {
    walk(directory, relative, |parent, name| {
        let status = fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(match FileType::from_raw_mode(status.st_mode) {
            FileType::Symlink => Found::Link,
            _ => Found::Entry(status),
        })
    })
}

/// The result of a look-up of one name.
enum Found<T> {
    /// The result of the last step.
    Entry(T),
    /// A link, whose target is the next step.
    Link,
}

/// Walks to the directory of the last name, and calls `last` with the directory and the name.
fn walk<T>(
    root: BorrowedFd<'_>,
    relative: &Path,
    last: impl Fn(BorrowedFd<'_>, &OsStr) -> Result<Found<T>>,
) -> Result<T> {
    // The open directories, each within the one before, and the remaining steps, last first.
    let mut open: Vec<OwnedFd> = Vec::new();
    let mut left: Vec<Step> = Vec::new();
    push(&mut left, relative)?;
    let mut links = 0;
    loop {
        let top = open.last().map_or(root, AsFd::as_fd);
        let name = match left.pop() {
            Some(Step::Down(name)) if is_hidden(&name) => return Err(Errno::NOENT),
            Some(Step::Down(name)) => name,
            Some(Step::Up) => {
                open.pop().ok_or(Errno::XDEV)?;
                continue;
            }
            // The path ends at a directory that is open already.
            None => OsString::from("."),
        };
        let is_link = if left.is_empty() {
            match last(top, &name)? {
                Found::Entry(entry) => return Ok(entry),
                Found::Link => true,
            }
        } else {
            match open_here(top, &name, ENTER)? {
                Found::Entry(_) if open.len() == DEPTH_MAX => return Err(Errno::NAMETOOLONG),
                Found::Entry(entered) => {
                    open.push(entered);
                    false
                }
                Found::Link => true,
            }
        };
        if is_link {
            links += 1;
            if links > LINKS_MAX {
                return Err(Errno::LOOP);
            }
            let top = open.last().map_or(root, AsFd::as_fd);
            let target = fs::readlinkat(top, &name, Vec::new())?.into_bytes();
            push(&mut left, Path::new(&OsString::from_vec(target)))?;
        }
    }
}

/// Hidden files count as absent, also behind a link with a visible name.
fn is_hidden(name: &OsStr) -> bool {
    name.as_bytes().starts_with(b".")
}

/// One step of a path.
enum Step {
    Down(OsString),
    Up,
}

/// Puts the steps of a path before the remaining ones. An absolute path leads outside.
fn push(left: &mut Vec<Step>, path: &Path) -> Result<()> {
    for component in path.components().rev() {
        left.push(match component {
            Component::Normal(name) => Step::Down(name.to_owned()),
            Component::ParentDir => Step::Up,
            Component::CurDir => continue,
            Component::RootDir | Component::Prefix(_) => return Err(Errno::XDEV),
        });
        if left.len() > NAMES_MAX {
            return Err(Errno::NAMETOOLONG);
        }
    }
    Ok(())
}

/// Opens a name in a directory, unless it is a link.
fn open_here(parent: BorrowedFd<'_>, name: &OsStr, flags: OFlags) -> Result<Found<OwnedFd>> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match fs::openat(parent, name, flags, Mode::empty()) {
        // The error for a link differs between systems.
        Err(_) if is_link(parent, name) => Ok(Found::Link),
        opened => opened.map(Found::Entry),
    }
}

fn is_link(parent: BorrowedFd<'_>, name: &OsStr) -> bool {
    let status = fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW);
    status.is_ok_and(|status| FileType::from_raw_mode(status.st_mode) == FileType::Symlink)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A folder that holds `root`, and a file outside of it.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("root/a/b")).expect("folders");
        std::fs::write(at("root/a/b/file"), b"inside").expect("a file");
        std::fs::write(at("secret"), b"outside").expect("a file");
        for (name, target) in [
            ("movie", "a/b/file"),
            ("a/b/top", "../../a/./b//file"),
            ("twice", "a/b/top"),
            ("here", "."),
            ("folder", "a/b"),
            ("back", "folder/.."),
            ("a/root", ".."),
            ("nothing", "a/c"),
            ("loop", "loop"),
            ("out", "../secret"),
            ("out_and_in", "../root/a"),
            ("far_out", "a/b/../../../secret"),
            ("absolute", "/etc/passwd"),
            ("through", "out/x"),
        ] {
            symlink(target, at("root").join(name)).expect("a link");
        }
        folder
    }

    const PATHS: [&str; 27] = [
        "",
        ".",
        "a",
        "./a/b/file",
        "a/b/../b/file",
        "movie",
        "movie/x",
        "a/b/top",
        "twice",
        "here",
        "here/here/movie",
        "folder/file",
        "back",
        "back/b/file",
        "a/root/movie",
        "a/root/..",
        "a/b/../../a",
        "a/b/../../..",
        "..",
        "nothing",
        "loop",
        "out",
        "out_and_in/b/file",
        "far_out",
        "absolute",
        "/etc/passwd",
        "through",
    ];

    #[cfg(target_os = "linux")]
    #[test]
    fn each_path_leads_where_the_kernel_leads_it() {
        let folder = folder();
        let root = std::fs::File::open(folder.path().join("root")).expect("the root");
        let identity = |status: Stat| (status.st_dev, status.st_ino);
        for path in PATHS {
            let kernel_path = if path.is_empty() { "." } else { path };
            let beneath = fs::ResolveFlags::BENEATH;
            let expected = fs::openat2(&root, kernel_path, OFlags::RDONLY, Mode::empty(), beneath)
                .and_then(fs::fstat)
                .map(identity);
            let opened = open(root.as_fd(), path.as_ref(), OFlags::RDONLY);
            assert_eq!(opened.and_then(fs::fstat).map(identity), expected, "{path:?}");
            let found = status(root.as_fd(), path.as_ref());
            assert_eq!(found.map(identity), expected, "{path:?}");
        }
    }

    #[test]
    fn a_link_to_a_hidden_name_leads_nowhere() {
        let folder = folder();
        let at = |name: &str| folder.path().join("root").join(name);
        std::fs::create_dir(at(".hidden")).expect("a folder");
        std::fs::create_dir(at(".hidden/visible")).expect("a folder");
        std::fs::write(at(".hidden/visible/file"), b"hidden").expect("a file");
        for (name, target) in [
            ("to_file", ".hidden/visible/file"),
            ("to_folder", ".hidden"),
            ("in_turn", "to_file"),
            ("a/up", "../.hidden/visible"),
            ("back_and_forth", ".hidden/../movie"),
        ] {
            symlink(target, at(name)).expect("a link");
        }
        let root = std::fs::File::open(at("")).expect("the root");
        for path in ["to_file", "to_folder/visible/file", "in_turn", "a/up/file", "back_and_forth"]
        {
            let opened = open(root.as_fd(), path.as_ref(), OFlags::RDONLY);
            assert_eq!(opened.map(drop), Err(Errno::NOENT), "{path}");
            assert_eq!(status(root.as_fd(), path.as_ref()).map(drop), Err(Errno::NOENT), "{path}");
        }
    }

    #[test]
    fn a_path_that_is_too_deep_is_refused() {
        let folder = folder();
        let root = std::fs::File::open(folder.path().join("root")).expect("the root");
        let deep = "a/root/".repeat(LINKS_MAX + 1);
        assert_eq!(status(root.as_fd(), deep.as_ref()).map(drop), Err(Errno::LOOP));
        let long = "a/".repeat(NAMES_MAX + 1);
        assert_eq!(status(root.as_fd(), long.as_ref()).map(drop), Err(Errno::NAMETOOLONG));
        let mut path = folder.path().join("root");
        path.extend(std::iter::repeat_n("d", DEPTH_MAX + 2));
        std::fs::create_dir_all(&path).expect("folders");
        let deep = "d/".repeat(DEPTH_MAX + 1);
        assert!(status(root.as_fd(), deep.as_ref()).is_ok());
        let deeper = "d/".repeat(DEPTH_MAX + 2);
        assert_eq!(status(root.as_fd(), deeper.as_ref()).map(drop), Err(Errno::NAMETOOLONG));
    }
}
