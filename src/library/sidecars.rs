//! The files beside a title that belong to it: its renditions and its subtitles.
//!
//! `film.mp4` has the rendition `film.720p.mp4`: the title's name, then the height and perhaps the frame
//! rate (`1080p60`), then the extension of a file that can be packaged. A folder `film.set` is a title of
//! its own: all such files in it are its renditions, and the subtitles of the largest are the set's.
//! [`sidecar_name`](super::sidecar_name) describes the names of subtitles.

use std::{io, os::unix::ffi::OsStrExt as _};

use super::{
    Library, MediaPath, Title,
    sidecar_name::{Sidecar, find_sidecars, forms, normalize},
};
use crate::extent::disk::{
    Entry, EntryKind, Names, OpenError, Version, parent_directory, split_stem,
};

/// The suffix of folders that are sets of renditions.
const SET: &[u8] = b".set";

/// Extensions of files that can be renditions.
const EXTENSIONS: [&[u8]; 3] = [b"mp4", b"m4v", b"mov"];

/// The most renditions of a title, and the most subtitles.
pub const SIDECARS_MAX: usize = 32;

/// The sidecars of a title, by name.
#[derive(Clone, Debug, Default)]
pub struct Sidecars {
    /// The other renditions, sorted by name.
    pub renditions: Vec<MediaPath>,
    /// The subtitles, sorted by name.
    pub subtitles: Vec<(MediaPath, Sidecar)>,
}

impl Library {
    /// The sidecars of a title.
    pub async fn sidecars(&self, title: &MediaPath) -> Result<Sidecars, OpenError> {
        let (root, relative) = self.resolve(title).ok_or(OpenError::NotFound)?;
        let title = title.clone();
        root.names(parent_directory(relative), move |names| sidecars_among(&title, names)).await
    }

    /// The renditions in a folder that is a set, sorted by name; none if the folder is no set.
    pub async fn renditions_in_set(&self, folder: &MediaPath) -> Result<Vec<MediaPath>, OpenError> {
        let Some((root, relative)) = self.resolve(folder).filter(|_| is_set(folder)) else {
            return Ok(Vec::new());
        };
        let folder = folder.clone();
        let renditions = move |names: &Names| {
            names
                .iter()
                .filter(|name| is_packageable(name))
                .take(SIDECARS_MAX)
                .filter_map(|name| folder.child(name).ok())
                .collect()
        };
        root.names(relative, renditions).await
    }

    /// A title in its present state on the disk: of a file, or of a folder that is a set; `None` if neither
    /// exists. The catalog may list it later.
    pub async fn find_title(&self, path: &MediaPath) -> Result<Option<Title>, OpenError> {
        match self.identity(path).await? {
            Some(identity) => Ok(Title::from_file(path.clone(), &identity)),
            None => self.set_title(path).await,
        }
    }

    /// The title of a folder that is a set, in its present state; `None` if the folder is no set.
    pub async fn set_title(&self, folder: &MediaPath) -> Result<Option<Title>, OpenError> {
        let Some((root, relative)) = self.resolve(folder).filter(|_| is_set(folder)) else {
            return Ok(None);
        };
        match root.list(relative).await? {
            Ok(entries) => Ok(Title::from_set(folder.clone(), &entries)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(OpenError::Io(error)),
        }
    }
}

impl Title {
    /// The title of a folder with these entries; `None` if it is no set.
    pub(super) fn from_set(folder: MediaPath, entries: &[Entry]) -> Option<Self> {
        let member = |entry: &'_ Entry| match &entry.kind {
            EntryKind::File(identity) if is_packageable(entry.name.as_bytes()) => {
                Some((entry.name.clone(), *identity))
            }
            _ => None,
        };
        let mut members: Vec<_> =
            entries.iter().filter(|_| is_set(&folder)).filter_map(member).collect();
        members.sort_unstable_by(|(name, _), (other, _)| name.cmp(other));
        members.truncate(SIDECARS_MAX);
        let identities = || members.iter().map(|(_, identity)| identity);
        Some(Self {
            path: folder,
            size_bytes: identities().map(|identity| identity.size).fold(0, u64::saturating_add),
            modified: identities().map(|identity| identity.modified()).max()?,
            version: identities().map(|identity| identity.version()).reduce(Version::and)?,
            facts: None,
        })
    }
}

/// Whether the name of a folder is that of a set.
pub fn is_set(folder: &MediaPath) -> bool {
    folder.file_name().ends_with(SET) && folder.file_name().len() > SET.len()
}

fn sidecars_among(title: &MediaPath, names: &Names) -> Sidecars {
    let name = title.file_name();
    let (stem, extension) = split_stem(name);
    // Subtitles may repeat the title's name with its extension or without: both begin with the stem, in any
    // normal form.
    let stems = forms(stem);
    let near: Vec<&[u8]> = stems.iter().flat_map(|stem| names.with_prefix(stem)).collect();
    let composed_stem = normalize(stem);
    let is_rendition = |other: &&[u8]| is_rendition(&composed_stem, extension, other);
    let renditions = near
        .iter()
        .copied()
        .filter(is_rendition)
        .take(SIDECARS_MAX)
        .filter_map(|name| title.sibling(name).ok())
        .collect();
    let subtitles = find_sidecars(name, near.iter().copied(), SIDECARS_MAX)
        .into_iter()
        .filter_map(|(name, sidecar)| Some((title.sibling(name).ok()?, sidecar)))
        .collect();
    Sidecars { renditions, subtitles }
}

/// Whether a name is that of a sidecar of a title in the same folder.
pub(super) fn is_sidecar(title: &[u8], name: &[u8]) -> bool {
    let (stem, extension) = split_stem(title);
    is_rendition(&normalize(stem), extension, name)
        || !find_sidecars(title, std::iter::once(name), 1).is_empty()
}

/// Whether a name is that of a rendition of a title with this stem and extension.
fn is_rendition(composed_stem: &[u8], extension: &[u8], name: &[u8]) -> bool {
    let composed = normalize(name);
    let Some([b'.', rest @ ..]) = composed.strip_prefix(composed_stem) else {
        return false;
    };
    let (label, other_extension) = split_stem(rest);
    is_height(label) && is_packageable(name) && other_extension == extension
}

/// Whether a file of this name can be a rendition.
pub fn is_packageable(name: &[u8]) -> bool {
    let (_, extension) = split_stem(name);
    EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known))
}

/// `720p`, `1080p60`.
pub(super) fn is_height(label: &[u8]) -> bool {
    let mut parts = label.splitn(2, |byte| byte.eq_ignore_ascii_case(&b'p'));
    let is_number = |digits: &[u8], fewest: usize| {
        (fewest..=4).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit)
    };
    match (parts.next(), parts.next()) {
        (Some(height), Some(rate)) => is_number(height, 3) && is_number(rate, 0),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn among(title: &str, names: &[&str]) -> (Vec<String>, Vec<String>) {
        let title = MediaPath::from_path(Path::new(title)).expect("a path");
        let names = Names::from_names(names.iter().map(|name| name.as_bytes()));
        let found = sidecars_among(&title, &names);
        let renditions = found.renditions.iter().map(MediaPath::display).collect();
        let subtitles = found.subtitles.iter().map(|(path, _)| path.display()).collect();
        (renditions, subtitles)
    }

    #[test]
    fn a_height_behind_the_titles_name_marks_a_rendition() {
        let names = [
            "film.mp4",
            "film.720p.mp4",
            "film.1080p60.mp4",
            "film.480p.mov",
            "film.de.mp4",
            "film.720p.srt",
            "film.en.srt",
            "films.720p.mp4",
            "film.p.mp4",
            "film.99999p.mp4",
        ];
        let (renditions, subtitles) = among("a/film.mp4", &names);
        assert_eq!(renditions, ["a/film.1080p60.mp4", "a/film.720p.mp4"]);
        assert_eq!(subtitles, ["a/film.en.srt"]);
    }

    #[test]
    fn names_may_have_another_normal_form_than_the_title() {
        let names = ["e\u{301}te\u{301}.720p.mp4", "e\u{301}te\u{301}.fr.srt", "\u{e9}t\u{e9}.mp4"];
        let (renditions, subtitles) = among("\u{e9}t\u{e9}.mp4", &names);
        assert_eq!((renditions, subtitles), (vec![names[0].to_owned()], vec![names[1].to_owned()]));
    }

    #[test]
    fn a_rendition_has_no_renditions() {
        let (renditions, _) = among("film.720p.mp4", &["film.mp4", "film.720p.mp4"]);
        assert!(renditions.is_empty());
    }
}
