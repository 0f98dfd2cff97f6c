//! Sort keys of titles: bytes in natural order, in which all titles below a folder are neighbours.
//!
//! A key has two texts for each name of the path, from the top down, and each ends with a zero: the name's
//! [natural order](crate::library::natural_order), and the name itself, which tells names apart that differ
//! in case or accents. No name contains a zero. So the key of a folder begins the keys of all titles below
//! it and of no others, and a key identifies its title.

use std::ops::Bound;

use crate::{
    extent::disk::split_stem,
    library::{
        MediaPath,
        natural_order::{fold, push_order},
    },
};

/// Ends each text.
const END: u8 = 0;

/// The sort key of a title, and the place where that of its name begins.
pub(super) fn of_title(path: &MediaPath) -> (Box<[u8]>, usize) {
    let mut key = of_folder(path.parent().as_ref());
    let name_start = key.len();
    // Without the extension: `film.mp4` is before `film 2.mp4`.
    let (stem, _) = split_stem(path.file_name());
    push_name(stem, path.file_name(), &mut key);
    (key.into(), name_start)
}

/// How the keys of all titles below a folder begin.
pub(super) fn of_folder(folder: Option<&MediaPath>) -> Vec<u8> {
    let mut key = Vec::new();
    for name in folder.into_iter().flat_map(MediaPath::names) {
        push_name(name, name, &mut key);
    }
    key
}

/// How the keys begin of all names in the folder that continue this stem with a dot; of some others, too.
pub(super) fn of_continued(path: &MediaPath) -> Vec<u8> {
    let mut key = of_folder(path.parent().as_ref());
    let (stem, _) = split_stem(path.file_name());
    push_order(&fold(&String::from_utf8_lossy(stem)), &mut key);
    key.push(b'.');
    key
}

fn push_name(ordered: &[u8], name: &[u8], key: &mut Vec<u8>) {
    push_order(&fold(&String::from_utf8_lossy(ordered)), key);
    key.push(END);
    key.extend(name);
    key.push(END);
}

/// The part of a key that is the key of the subfolder in the folder with the key `above`; `None` if the title
/// is in that folder itself.
pub(super) fn subfolder<'a>(key: &'a [u8], above: &[u8]) -> Option<&'a [u8]> {
    let ends = key.iter().enumerate().skip(above.len()).filter(|(_, byte)| **byte == END);
    let (second, _) = { ends }.nth(1)?;
    (second + 1 < key.len()).then(|| &key[..=second])
}

/// The range of all keys that begin with these bytes.
pub(super) fn range(beginning: &[u8]) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    let end = after(beginning).map_or(Bound::Unbounded, Bound::Excluded);
    (Bound::Included(beginning.to_vec()), end)
}

/// The first possible key behind all that begin with these bytes; `None` if there is none.
pub(super) fn after(beginning: &[u8]) -> Option<Vec<u8>> {
    let mut after = beginning.to_vec();
    // The last byte is a zero or a dot.
    *after.last_mut()? += 1;
    Some(after)
}
