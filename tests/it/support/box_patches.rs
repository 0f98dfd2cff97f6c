//! The offsets of the boxes of a file, to patch them.

use std::ops::Range;

/// Container boxes.
const PARENTS: [&[u8; 4]; 12] = [
    b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"dinf", b"mvex", b"moof", b"traf",
    b"udta", b"mfra",
];

/// A box of a valid file, with a header of 8 bytes.
#[derive(Clone, Debug)]
pub struct LocatedBox {
    pub kind: [u8; 4],
    /// The types on the way to it, its own included: `moov/trak/tkhd`.
    pub path: String,
    pub start: usize,
    pub end: usize,
}

impl LocatedBox {
    /// Its payload.
    pub fn body(&self) -> Range<usize> {
        self.start + 8..self.end
    }

    /// Whether it is a container.
    pub fn is_parent(&self) -> bool {
        PARENTS.contains(&&self.kind)
    }
}

/// All boxes of a valid file, each before its children.
pub fn locate_boxes(file: &[u8]) -> Vec<LocatedBox> {
    let mut found = Vec::new();
    within(file, 0..file.len(), "", &mut found);
    found
}

fn within(file: &[u8], range: Range<usize>, path: &str, found: &mut Vec<LocatedBox>) {
    let mut at = range.start;
    // `udta` of QuickTime ends with four bytes of zero.
    while at + 8 <= range.end {
        let size = u32::from_be_bytes(file[at..at + 4].try_into().unwrap()) as usize;
        let kind: [u8; 4] = file[at + 4..at + 8].try_into().unwrap();
        let name = format!("{path}{}", kind.escape_ascii());
        let place = LocatedBox { kind, path: name.clone(), start: at, end: at + size };
        let inside = place.is_parent().then(|| place.body());
        found.push(place);
        if let Some(inside) = inside {
            within(file, inside, &format!("{name}/"), found);
        }
        at += size;
    }
    assert!(at <= range.end, "a valid file");
}

/// Boxes of this type.
pub fn of_kind(file: &[u8], kind: &[u8; 4]) -> Vec<LocatedBox> {
    locate_boxes(file).into_iter().filter(|place| place.kind == *kind).collect()
}

/// Overwrites bytes at an offset, up to the end of the file.
pub fn patched(file: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut file = file.to_vec();
    let end = file.len().min(at + bytes.len());
    if at < end {
        file[at..end].copy_from_slice(&bytes[..end - at]);
    }
    file
}

/// Replaces a range, and corrects the sizes of all boxes around it.
pub fn replaced(file: &[u8], range: Range<usize>, with: &[u8]) -> Vec<u8> {
    let mut patched = file.to_vec();
    for place in locate_boxes(file) {
        // What is added at the end of a box is in its parents, and not in the box before it.
        let is_inside = range.end < place.end || !range.is_empty() || place.is_parent();
        let is_around = place.start + 8 <= range.start && range.end <= place.end && is_inside;
        if is_around {
            let size = place.end - place.start - range.len() + with.len();
            let size = u32::try_from(size).expect("a small file");
            patched[place.start..place.start + 4].copy_from_slice(&size.to_be_bytes());
        }
    }
    patched.splice(range, with.iter().copied());
    patched
}

/// The box of a type in the sample table of the track with this handler, if it has one.
pub fn in_track(file: &[u8], handler: &[u8; 4], kind: &[u8; 4]) -> Option<LocatedBox> {
    let all = locate_boxes(file);
    let traks: Vec<_> = all.iter().filter(|place| place.kind == *b"trak").collect();
    let is_of = |trak: &&&LocatedBox| {
        let is_handler = |place: &&LocatedBox| {
            let is_inside = trak.start < place.start && place.end <= trak.end;
            is_inside && place.kind == *b"hdlr" && file[place.start + 16..][..4] == *handler
        };
        all.iter().any(|place| is_handler(&place))
    };
    let trak = traks.iter().find(is_of).expect("a track of this handler");
    let inside = |place: &&LocatedBox| trak.start < place.start && place.end <= trak.end;
    all.iter().filter(inside).find(|place| place.kind == *kind).cloned()
}

/// Replaces a box of a track, or adds it to the sample table if the track has none. The index must come after
/// the media, or the length must not change.
pub fn with_table(file: &[u8], handler: &[u8; 4], kind: &[u8; 4], with: &[u8]) -> Vec<u8> {
    match in_track(file, handler, kind) {
        Some(place) => replaced(file, place.start..place.end, with),
        None => {
            let stbl = in_track(file, handler, b"stbl").expect("a sample table");
            replaced(file, stbl.end..stbl.end, with)
        }
    }
}

/// The 32-bit numbers in a table of a track, after its version and flags.
pub fn numbers(file: &[u8], handler: &[u8; 4], kind: &[u8; 4]) -> Vec<u32> {
    let place = in_track(file, handler, kind).expect("a table");
    let fields = file[place.start + 12..place.end].chunks(4);
    fields.map(|field| u32::from_be_bytes(field.try_into().expect("four bytes"))).collect()
}
