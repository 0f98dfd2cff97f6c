//! Cover art of MP4, as iTunes and ffmpeg write it: `covr` in the list of metadata (QuickTime's `ilst`), which is
//! no track.

use crate::{
    extent::{ReadAt, ReadError},
    movie::{FourCc, children},
};

/// Whether a file has cover art.
///
/// # Errors
/// If the file cannot be read.
pub fn is_there<R: ReadAt + ?Sized>(source: &R) -> Result<bool, ReadError> {
    let mut within = 0..source.len();
    for kind in [b"moov", b"udta", b"meta", b"ilst", b"covr"] {
        let found = children(source, &within)?;
        let Some(header) = found.into_iter().find(|header| header.kind == FourCc(*kind)) else {
            return Ok(false);
        };
        within = header.body;
        if kind == b"meta" {
            // Version and flags, as of a full box.
            within.start = within.end.min(within.start + 4);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let size = u32::try_from(8 + body.len()).expect("short");
        [&size.to_be_bytes()[..], kind, body].concat()
    }

    #[test]
    fn a_cover_is_in_the_list_of_metadata() {
        let file = |item: &[u8; 4]| {
            let list = boxed(b"ilst", &boxed(item, b"jpg"));
            let meta = boxed(b"meta", &[&[0; 4][..], &boxed(b"hdlr", &[0; 24]), &list].concat());
            let moov = boxed(b"moov", &boxed(b"udta", &meta));
            [boxed(b"ftyp", b"M4A "), moov].concat()
        };
        assert!(is_there(&file(b"covr")[..]).expect("in memory"));
        assert!(!is_there(&file(b"trkn")[..]).expect("in memory"));
        let whole = file(b"covr");
        for length in 0..whole.len() {
            is_there(&whole[..length]).expect("in memory");
        }
    }
}
