//! Auxiliary information of valid and hostile boxes.

use proptest::prelude::*;

use super::*;
use crate::movie::{SampleFault, mp4::boxes};

const CENC: Format = Format { scheme: FourCc(*b"cenc"), is_protected: true, iv_bytes: 8 };
const CBCS: Format = Format { scheme: FourCc(*b"cbcs"), is_protected: true, iv_bytes: 0 };

fn full(kind: &[u8; 4], flags: u32, body: &[&[u8]]) -> Vec<u8> {
    let body = body.concat();
    let size = u32::try_from(body.len() + 12).expect("a small box");
    [&size.to_be_bytes(), &kind[..], &flags.to_be_bytes(), &body].concat()
}

/// The auxiliary information of samples of a fragment at offset 1000. It has two runs, and the second starts
/// with the third sample.
fn fragment_entries(boxes: &[u8], format: Format, samples: u32) -> Vec<Result<Auxiliary, String>> {
    let window = &mut Window::new(boxes, 64);
    let parts = boxes::children(window, &(0..boxes.len() as u64)).expect("in memory");
    let run = AuxiliaryRun::read(boxes, 1000, &parts, 1000, Some(format));
    let mut run = run.expect("in memory");
    let next = |sample| run.next(boxes, matches!(sample, 0 | 2)).map_err(|why| why.to_string());
    (0..samples).map(next).collect()
}

/// The auxiliary information of samples in tables, with two samples per chunk.
fn table_entries(file: &[u8], format: Format, samples: u32) -> Result<Vec<Auxiliary>, String> {
    let window = &mut Window::new(file, 64);
    let parts = boxes::children(window, &(0..file.len() as u64)).expect("in memory");
    let counts = (samples, samples.div_ceil(2));
    let tables = AuxiliaryTables::read(window, &parts, format, counts).expect("in memory");
    let Some(tables) = tables.map_err(|why| why.to_string())? else {
        return Ok(Vec::new());
    };
    let mut walk = AuxiliaryWalk::new(tables, file, 64);
    let mut used = 0;
    let mut next = |sample: u32| {
        let next = walk.next(sample, (sample / 2, sample.is_multiple_of(2)), &mut used);
        next.expect("in memory").map_err(|why| why.to_string())
    };
    (0..samples).map(&mut next).collect()
}

fn entry(offset: u64, len: u8, has_subsamples: bool) -> Auxiliary {
    Auxiliary { offset, len, has_subsamples }
}

#[test]
fn senc_has_a_vector_and_subsamples_per_sample() {
    let parts: &[u8] = &[0, 1, 0, 9, 0, 0, 0, 7];
    let senc = full(b"senc", 2, &[&[0, 0, 0, 2], &[1; 8], parts, &[2; 8], &[0, 0]]);
    let entries = fragment_entries(&senc, CENC, 3);
    assert_eq!(entries[..2], [Ok(entry(1016, 16, true)), Ok(entry(1032, 10, true))]);
    assert_eq!(entries[2], Err(AuxiliaryFault::Invalid.to_string()), "there are only two");
    let senc = full(b"senc", 0, &[&[0, 0, 0, 9], &[1; 20]]);
    let entries = fragment_entries(&senc, CENC, 3);
    assert_eq!(entries[..2], [Ok(entry(1016, 8, false)), Ok(entry(1024, 8, false))]);
    assert_eq!(entries[2], Err(AuxiliaryFault::Invalid.to_string()), "the third is cut");
}

#[test]
fn entries_longer_than_255_bytes_are_refused() {
    let senc = full(b"senc", 2, &[&[0, 0, 0, 1], &[1; 8], &[0, 41], &[0; 41 * 6]]);
    assert_eq!(fragment_entries(&senc, CENC, 1), [Err(AuxiliaryFault::Invalid.to_string())]);
    let senc = full(b"senc", 2, &[&[0, 0, 0, 1], &[1; 8], &[0xff, 0xff], &[0; 41 * 6]]);
    assert_eq!(fragment_entries(&senc, CENC, 1), [Err(AuxiliaryFault::Invalid.to_string())]);
}

#[test]
fn fragment_offsets_are_per_run_or_one_for_all() {
    let saiz = full(b"saiz", 0, &[&[0, 0, 0, 0, 4, 8, 16, 8, 22]]);
    let saio = full(b"saio", 0, &[&[0, 0, 0, 1, 0, 0, 2, 0]]);
    let fields = |entries: Vec<Result<Auxiliary, String>>| {
        let entries = entries.into_iter().map(|entry| entry.expect("a valid entry"));
        entries.map(|entry| (entry.offset, entry.len, entry.has_subsamples)).collect::<Vec<_>>()
    };
    let entries = fields(fragment_entries(&[&saiz[..], &saio].concat(), CENC, 4));
    let expected = [(1512, 8, false), (1520, 16, true), (1536, 8, false), (1544, 22, true)];
    assert_eq!(entries, expected);
    let saio = full(b"saio", 1 << 24, &[&[0, 0, 0, 2], &512_u64.to_be_bytes(), &[0; 8]]);
    let entries = fields(fragment_entries(&[&saiz[..], &saio].concat(), CENC, 4));
    let expected = [(1512, 8, false), (1520, 16, true), (1000, 8, false), (1008, 22, true)];
    assert_eq!(entries, expected);
}

#[test]
fn table_offsets_are_per_chunk_or_one_for_all() {
    let saiz = full(b"saiz", 0, &[&[8, 0, 0, 0, 4]]);
    let one = full(b"saio", 0, &[&[0, 0, 0, 1, 0, 0, 0, 2]]);
    let offsets = |entries: Result<Vec<Auxiliary>, String>| {
        entries.map(|entries| entries.iter().map(|entry| entry.offset).collect::<Vec<_>>())
    };
    let file = |saio: &[u8]| [&saiz[..], saio, &[0; 7]].concat();
    assert_eq!(offsets(table_entries(&file(&one), CENC, 4)), Ok(vec![2, 10, 18, 26]));
    let each = full(b"saio", 0, &[&[0, 0, 0, 2, 0, 0, 0, 20, 0, 0, 0, 3]]);
    assert_eq!(offsets(table_entries(&file(&each), CENC, 4)), Ok(vec![20, 28, 3, 11]));
    let far = full(b"saio", 0, &[&[0, 0, 0, 2, 0, 0, 0, 20, 0, 0, 0, 99]]);
    let outside = SampleFault::OutsideFile.to_string();
    assert_eq!(table_entries(&file(&far), CENC, 4), Err(outside));
    let three = full(b"saio", 0, &[&[0, 0, 0, 3], &[0; 12]]);
    let invalid = || AuxiliaryFault::Invalid.to_string();
    assert_eq!(table_entries(&file(&three), CENC, 4), Err(invalid()), "two chunks, three offsets");
    assert_eq!(table_entries(&file(&one), CENC, 5), Err(invalid()), "five samples, four sizes");
}

#[test]
fn boxes_of_other_schemes_are_skipped() {
    let other = full(b"saiz", 1, &[b"cbcs\0\0\0\0", &[99, 0, 0, 0, 9]]);
    let saiz = full(b"saiz", 1, &[b"cenc\0\0\0\0", &[8, 0, 0, 0, 1]]);
    let saio = full(b"saio", 1, &[b"cenc\0\0\0\0", &[0, 0, 0, 1, 0, 0, 0, 7]]);
    let entries = fragment_entries(&[&other[..], &saiz, &saio].concat(), CENC, 1);
    assert_eq!(entries, [Ok(entry(1007, 8, false))]);
    assert_eq!(
        fragment_entries(&[&other[..], &saio].concat(), CENC, 1),
        [Err(AuxiliaryFault::Missing.to_string())]
    );
}

#[test]
fn missing_information_is_refused_without_a_constant_vector() {
    let none = entry(0, 0, false);
    assert_eq!(fragment_entries(&[], CBCS, 2), [Ok(none), Ok(none)]);
    assert_eq!(table_entries(&[], CBCS, 2), Ok(Vec::new()));
    let missing = AuxiliaryFault::Missing.to_string();
    assert_eq!(fragment_entries(&[], CENC, 1), [Err(missing.clone())]);
    assert_eq!(table_entries(&[], CENC, 1), Err(missing.clone()));
    // `senc` in a table has subsamples, but no offsets locate it.
    let senc = full(b"senc", 2, &[&[0, 0, 0, 1, 0, 1, 0, 9, 0, 0, 0, 7]]);
    assert_eq!(table_entries(&senc, CBCS, 1), Err(missing));
}

#[test]
fn key_rotation_is_refused_and_other_groups_are_ignored() {
    let seig = full(b"sbgp", 0, &[b"seig", &[0; 4]]);
    let rotation = AuxiliaryFault::KeyRotation.to_string();
    assert_eq!(fragment_entries(&seig, CBCS, 1), [Err(rotation.clone())]);
    let clear = Format { is_protected: false, ..CBCS };
    assert_eq!(fragment_entries(&seig, clear, 1), [Err(rotation.clone())]);
    assert_eq!(table_entries(&full(b"sgpd", 1 << 24, &[b"seig"]), CBCS, 1), Err(rotation));
    let roll = full(b"sbgp", 0, &[b"roll", &[0; 4]]);
    assert_eq!(fragment_entries(&roll, CBCS, 1), [Ok(entry(0, 0, false))]);
}

fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop::sample::select(&[b"senc", b"saiz", b"saio", b"sgpd", b"sbgp"][..]);
    let small = prop_oneof![3 => 0..4_u8, 1 => any::<u8>()];
    let body = prop::collection::vec(small, 0..60);
    let flags = prop::sample::select(&[0_u32, 1, 2, 3, 1 << 24, 1 << 24 | 1][..]);
    let one = (kind, flags, body).prop_map(|(kind, flags, body)| full(kind, flags, &[&body]));
    prop::collection::vec(one, 0..5).prop_map(|boxes| boxes.concat())
}

proptest! {
    #[test]
    fn entries_of_hostile_boxes_have_valid_lengths(
        boxes in hostile(),
        cut in 0..20_usize,
        iv_bytes in prop::sample::select(&[0_u8, 8, 16][..]),
        samples in 1..9_u32,
    ) {
        let boxes = &boxes[..boxes.len().saturating_sub(cut)];
        let format = Format { iv_bytes, ..CENC };
        let is_valid = |entry: &Auxiliary| {
            entry.len == 0 || entry.has_subsamples || entry.len == iv_bytes
        };
        for entry in fragment_entries(boxes, format, samples).into_iter().flatten() {
            prop_assert!(is_valid(&entry), "{entry:?}");
        }
        for entry in table_entries(boxes, format, samples).into_iter().flatten() {
            prop_assert!(is_valid(&entry), "{entry:?}");
            prop_assert!(entry.offset + u64::from(entry.len) <= boxes.len() as u64);
        }
    }
}
