//! Broken movies: each way in which a file contradicts itself.

use std::{
    fs::File,
    io::{Seek as _, SeekFrom, Write as _},
    path::Path,
};

use crate::support::{
    box_patches::{LocatedBox, locate_boxes, of_kind, patched, replaced},
    movies::{boxed, valid_movies},
};

/// A broken movie.
pub struct BrokenMovie {
    /// How it is broken. Part of its file's name.
    pub how: String,
    content: Content,
}

enum Content {
    Whole(Vec<u8>),
    /// Nothing but these parts at their offsets.
    Sparse {
        parts: Vec<(u64, Vec<u8>)>,
        len: u64,
    },
}

impl BrokenMovie {
    pub fn new(how: impl Into<String>, bytes: Vec<u8>) -> Self {
        Self { how: how.into(), content: Content::Whole(bytes) }
    }

    pub fn sparse(how: impl Into<String>, parts: Vec<(u64, Vec<u8>)>, len: u64) -> Self {
        Self { how: how.into(), content: Content::Sparse { parts, len } }
    }

    /// Writes the file.
    pub fn write(&self, path: &Path) {
        let mut file = File::create(path).expect("a file");
        match &self.content {
            Content::Whole(bytes) => file.write_all(bytes).expect("disk space"),
            Content::Sparse { parts, len } => {
                file.set_len(*len).expect("disk space");
                for (offset, bytes) in parts {
                    file.seek(SeekFrom::Start(*offset)).expect("an offset");
                    file.write_all(bytes).expect("disk space");
                }
            }
        }
    }

    /// Its bytes, if they are few.
    pub fn bytes(&self) -> Option<&[u8]> {
        match &self.content {
            Content::Whole(bytes) => Some(bytes),
            Content::Sparse { .. } => None,
        }
    }
}

/// Truncated files, boxes with wrong sizes, tables with wrong counts, and numbers as large as can
/// be.
pub fn corrupt() -> Vec<BrokenMovie> {
    let mut all = Vec::new();
    for (name, file) in valid_movies() {
        truncated(name, &file, &mut all);
        sizes(name, &file, &mut all);
        counts(name, &file, &mut all);
        missing_or_twice(name, &file, &mut all);
    }
    all
}

/// Every number of every box except media.
pub fn numbers() -> Vec<BrokenMovie> {
    let mut all = Vec::new();
    for (name, file) in valid_movies() {
        for place in
            locate_boxes(&file).iter().filter(|place| !place.is_parent() && place.kind != *b"mdat")
        {
            let words = place.body().step_by(4).take(12).chain([place.end.saturating_sub(4)]);
            for at in words.filter(|at| *at >= place.start + 8) {
                for value in [0_u32, 1, 0x7fff_ffff, 0x8000_0000, u32::MAX] {
                    let how =
                        format!("{name} {} word at {} is {value:#x}", place.path, at - place.start);
                    all.push(BrokenMovie::new(how, patched(&file, at, &value.to_be_bytes())));
                }
            }
        }
    }
    all
}

fn truncated(name: &str, file: &[u8], all: &mut Vec<BrokenMovie>) {
    let mut ends: Vec<usize> = locate_boxes(file)
        .iter()
        .flat_map(|place| [0, 1, 4, 7, 8, 12].map(|into| place.start + into))
        .filter(|end| *end < file.len())
        .collect();
    ends.push(file.len() - 1);
    ends.sort_unstable();
    ends.dedup();
    for end in ends {
        all.push(BrokenMovie::new(format!("{name} cut at {end}"), file[..end].to_vec()));
    }
}

fn sizes(name: &str, file: &[u8], all: &mut Vec<BrokenMovie>) {
    for place in locate_boxes(file) {
        let LocatedBox { start, end, path, .. } = &place;
        let right = u32::try_from(end - start).expect("a small file");
        for size in [0, 1, 2, 7, 8, right - 1, right + 1, u32::MAX] {
            let how = format!("{name} {path} at {start} of size {size}");
            all.push(BrokenMovie::new(how, patched(file, *start, &size.to_be_bytes())));
        }
        let wraps = (u64::MAX - *start as u64).wrapping_add(1);
        for size in [0, 15, 16, u64::MAX, 1 << 63, wraps, wraps.wrapping_add(8)] {
            let head = [&1_u32.to_be_bytes()[..], &place.kind, &size.to_be_bytes()].concat();
            let how = format!("{name} {path} at {start} of long size {size:#x}");
            all.push(BrokenMovie::new(how, patched(file, *start, &head)));
        }
    }
}

/// The offset of the count in a box.
const COUNTS: [(&[u8; 4], usize); 13] = [
    (b"stts", 12),
    (b"ctts", 12),
    (b"stsc", 12),
    (b"stsz", 16),
    (b"stco", 12),
    (b"co64", 12),
    (b"stss", 12),
    (b"elst", 12),
    (b"trun", 12),
    (b"sidx", 30),
    (b"dref", 12),
    (b"stsd", 12),
    (b"stsz", 12),
];

fn counts(name: &str, file: &[u8], all: &mut Vec<BrokenMovie>) {
    for (kind, at) in COUNTS {
        for place in of_kind(file, kind) {
            let at = place.start + at;
            let Some(right) = file.get(at..at + 4) else { continue };
            let right = u32::from_be_bytes(right.try_into().unwrap());
            for count in [0, 1, right.wrapping_sub(1), right + 1, 0x1000_0000, 1 << 31, u32::MAX] {
                let how = format!("{name} {} at {} counts {count:#x}", place.path, at);
                all.push(BrokenMovie::new(how, patched(file, at, &count.to_be_bytes())));
            }
        }
    }
    for place in
        locate_boxes(file).iter().filter(|place| !place.is_parent() && place.kind != *b"mdat")
    {
        for bit in 0..24 {
            // The flags of fragment boxes determine their fields.
            if [*b"tfhd", *b"trun"].contains(&place.kind) || bit == 0 {
                let at = place.start + 8;
                let mut flags = u32::from_be_bytes(file[at..at + 4].try_into().unwrap());
                flags ^= 1 << bit;
                let how = format!("{name} {} at {at} with flag {bit} turned", place.path);
                all.push(BrokenMovie::new(how, patched(file, at, &flags.to_be_bytes())));
            }
        }
        for version in [1, 2, 255] {
            let how = format!("{name} {} at {} of version {version}", place.path, place.start);
            all.push(BrokenMovie::new(how, patched(file, place.start + 8, &[version])));
        }
    }
}

fn missing_or_twice(name: &str, file: &[u8], all: &mut Vec<BrokenMovie>) {
    for place in locate_boxes(file) {
        let whole = place.start..place.end;
        let how = |what| format!("{name} {} at {} {what}", place.path, place.start);
        all.push(BrokenMovie::new(how("missing"), replaced(file, whole.clone(), &[])));
        let twice = file[whole.clone()].repeat(2);
        all.push(BrokenMovie::new(how("twice"), replaced(file, whole.clone(), &twice)));
        let empty = boxed(&place.kind, &[]);
        all.push(BrokenMovie::new(how("empty"), replaced(file, whole.clone(), &empty)));
        if place.kind != *b"mdat" && place.end - place.start > 16 {
            let half = place.start + (place.end - place.start) / 2..place.end;
            let noise = noise(half.len());
            all.push(BrokenMovie::new(how("half of it noise"), patched(file, half.start, &noise)));
        }
    }
}

/// Noise, the same in each run.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes()[3]
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// Nested boxes, with a payload in the innermost.
pub fn nested(kind: &[u8; 4], depth: usize, inmost: Vec<u8>) -> Vec<u8> {
    let length = |depth: usize| u32::try_from(8 * depth + inmost.len()).expect("not so deep");
    let heads = (0..depth).flat_map(|at| [&length(depth - at).to_be_bytes()[..], kind].concat());
    heads.chain(inmost.iter().copied()).collect()
}
