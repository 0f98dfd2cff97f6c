//! Broken and hostile files: no panic, and no work beyond the budget.

use std::{cell::Cell, fs, num::NonZeroU32};

use headwater::{
    extent::{ReadAt, ReadError},
    movie::Movie,
};

use crate::support::{
    ffmpeg, matroska,
    matroska_writer::{Form, Lacing, element, rewritten},
};

const GRID_MS: NonZeroU32 = NonZeroU32::new(1000).expect("not zero");

/// A file that counts its reads.
struct Counted<'a> {
    bytes: &'a [u8],
    reads: Cell<u64>,
}

impl ReadAt for Counted<'_> {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_exact_at(&self, offset: u64, into: &mut [u8]) -> Result<(), ReadError> {
        self.reads.set(self.reads.get() + 1);
        self.bytes.read_exact_at(offset, into)
    }
}

/// Reads all that can be read of a file. Returns the number of samples and of reads.
fn read_all(file: &[u8]) -> (usize, u64) {
    let source = Counted { bytes: file, reads: Cell::new(0) };
    let Ok(movie) = Movie::read(&source, GRID_MS).expect("all reads are inside the file") else {
        return (0, source.reads.get());
    };
    let mut count = 0;
    for track in &movie.tracks {
        let segments = &track.index.segments;
        assert!(segments.windows(2).all(|two| two[0].start < two[1].start), "{segments:?}");
        assert!(segments.last().is_none_or(|last| last.start < track.index.end));
        let mut walk = track.walk_from(&source, 0);
        while let Some(sample) = walk.next_sample().expect("all reads are inside the file") {
            let in_file = u64::from(sample.size) - track.prefix.len() as u64;
            assert!(sample.offset + in_file <= source.len(), "{sample:?}");
            assert!(
                i64::from(sample.composition) + i64::from(track.index.raise) >= 0,
                "{sample:?}"
            );
            count += 1;
        }
        if let Some(blocks) = track.text_blocks() {
            blocks.read(&source).expect("all reads are inside the file");
        }
    }
    (count, source.reads.get())
}

/// A short file in an unusual form.
fn unusual() -> Vec<u8> {
    let source = fs::read(matroska::encoded("hevc-ac-3.mkv")).expect("a clip");
    let form = Form {
        lacing: Lacing::Xiph,
        has_groups: true,
        has_voids: true,
        strips: true,
        cluster_ms: 1000,
        ..Form::PLAIN
    };
    rewritten(&source, form).0
}

/// Numbers that look random and are the same each time.
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[test]
fn a_file_that_is_cut_anywhere_plays_as_far_as_it_goes() {
    if !ffmpeg::is_installed() {
        return;
    }
    let source = fs::read(matroska::encoded("b-frames.mkv")).expect("a clip");
    let recording = Form { cues: 0, has_unknown_sizes: true, ..Form::PLAIN };
    for file in [source.clone(), unusual(), rewritten(&source, recording).0] {
        let (whole, _) = read_all(&file);
        let mut before = 0;
        for length in (0..file.len()).step_by(file.len() / 211 + 1) {
            let (count, reads) = read_all(&file[..length]);
            assert!(reads < 100_000, "{reads} reads of {length} bytes");
            before = before.max(count);
        }
        assert!(before * 10 > whole * 9, "{before} of {whole}");
    }
}

#[test]
fn changed_bytes_cost_no_panic_and_no_endless_work() {
    if !ffmpeg::is_installed() {
        return;
    }
    let mut state = 0x9E37_79B9_7F4A_7C15;
    for file in [fs::read(matroska::encoded("b-frames.mkv")).expect("a clip"), unusual()] {
        for round in 0..150 {
            let mut changed = file.clone();
            for _ in 0..1 + random(&mut state) % 24 {
                // Half of them in the head.
                let span =
                    if random(&mut state).is_multiple_of(2) { 6000 } else { changed.len() as u64 };
                let at = usize::try_from(random(&mut state) % span).expect("in memory");
                let byte = random(&mut state).to_le_bytes()[0];
                changed[at] = if round % 3 == 0 { changed[at] ^ 1 << (byte & 7) } else { byte };
            }
            let (_, reads) = read_all(&changed);
            assert!(reads < 2_000_000, "{reads} reads in round {round}");
        }
    }
}

#[test]
fn lying_sizes_and_lace_bombs_have_their_price() {
    if !ffmpeg::is_installed() {
        return;
    }
    let source = fs::read(matroska::encoded("b-frames.mkv")).expect("a clip");
    let (whole, honest) = read_all(&source);
    // Blocks of 256 empty frames each, in a cluster behind the last.
    let bomb = [0xA3, 0x85, 0x82, 0, 0, 0x84, 0xFF].repeat(40_000);
    let form = Form { cues: 0, has_unknown_sizes: true, ..Form::PLAIN };
    let (mut file, _) = rewritten(&source, form);
    file.extend(element(0x1F43_B675, &bomb));
    let (count, reads) = read_all(&file);
    assert!(count < 20 * whole && reads < 400 * honest, "{count} samples, {reads} reads");
}
