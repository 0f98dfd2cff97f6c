//! A root that serves a single file, as `headwater film.mp4` asks for.
//!
//! Its directory is that of the file, and the rest of it is hidden, except for the file's sidecars.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt as _,
    path::Path,
};

use super::{NamedRoot, sidecars::is_sidecar};

/// The name of the file that a root serves.
#[derive(Debug)]
pub(super) struct OnlyFile(OsString);

impl NamedRoot {
    /// The root, with this file of it as its only title.
    #[must_use]
    pub fn serving_only(self, file: &OsStr) -> Self {
        Self { only: Some(OnlyFile(file.to_owned())), ..self }
    }

    /// The name of the only file that the root serves; `None` if it serves all.
    pub fn only_file(&self) -> Option<&OsStr> {
        self.only.as_ref().map(|OnlyFile(name)| name.as_os_str())
    }

    /// Whether the file of this relative path is served, if it exists.
    pub(super) fn serves(&self, relative: &Path) -> bool {
        self.may_list(relative)
            || self.only_file().is_some_and(|only| {
                let is_beside = relative.parent() == Some(Path::new(""));
                is_beside && is_sidecar(only.as_bytes(), relative.as_os_str().as_bytes())
            })
    }

    /// Whether the file of this relative path is a title of its own, if it is a movie.
    pub(super) fn may_list(&self, relative: &Path) -> bool {
        self.only_file().is_none_or(|only| relative == Path::new(only))
    }
}
