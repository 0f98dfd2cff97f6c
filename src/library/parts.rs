//! Titles that are a part of another title: the renditions beside a file, and the members of a set.

use super::{
    MediaPath,
    sidecar_name::forms,
    sidecars::{is_height, is_packageable, is_set},
};
use crate::extent::disk::split_stem;

/// The titles of which a title would be a part, if they exist: of `film.720p.mp4` that is `film.mp4`, in any
/// normal form, and of `film.set/a.mp4` it is `film.set`.
pub fn wholes(path: &MediaPath) -> Vec<MediaPath> {
    if !is_packageable(path.file_name()) {
        return Vec::new();
    }
    let (stem, extension) = split_stem(path.file_name());
    let (base, label) = split_stem(stem);
    let of_ladder = forms(base).into_iter().filter(|_| is_height(label)).filter_map(|base| {
        let name = [&*base, b".", extension].concat();
        path.sibling(&name).ok()
    });
    path.parent().filter(is_set).into_iter().chain(of_ladder).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn renditions_and_members_of_sets_are_parts() {
        let wholes = |path: &str| -> Vec<String> {
            let path = MediaPath::from_path(Path::new(path)).expect("a path");
            wholes(&path).iter().map(MediaPath::display).collect()
        };
        assert_eq!(wholes("a/film.720p.mp4"), ["a/film.mp4"]);
        assert_eq!(wholes("film.1080p60.mov"), ["film.mov"]);
        assert_eq!(wholes("film.set/a.mp4"), ["film.set"]);
        assert_eq!(wholes("film.set/a.720p.mp4"), ["film.set", "film.set/a.mp4"]);
        assert_eq!(wholes("e\u{301}.720p.mp4"), ["e\u{301}.mp4", "\u{e9}.mp4"]);
        for whole in [
            "film.mp4",
            "film.de.mp4",
            "film.720p.mkv",
            "720p.mp4",
            "film.set/a.mkv",
            "a.set/b/c.mp4",
        ] {
            assert_eq!(wholes(whole), [""; 0], "{whole}");
        }
    }
}
