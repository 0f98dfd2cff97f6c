//! What boxes say, and what they cannot.

use proptest::prelude::*;

use super::*;
use crate::movie::{SampleFault, boxes};

const CENC: Format = Format { scheme: FourCc(*b"cenc"), is_protected: true, iv_bytes: 8 };
const CBCS: Format = Format { scheme: FourCc(*b"cbcs"), is_protected: true, iv_bytes: 0 };

fn full(kind: &[u8; 4], flags: u32, body: &[&[u8]]) -> Vec<u8> {
    let body = body.concat();
    let size = u32::try_from(body.len() + 12).expect("a small box");
    [&size.to_be_bytes(), &kind[..], &flags.to_be_bytes(), &body].concat()
}

/// What the boxes of a fragment at 1000 say of so many samples in two runs, the second of which
/// begins with the third sample.
fn of_fragment(boxes: &[u8], format: Format, samples: u32) -> Vec<Result<Auxiliary, String>> {
    let window = &mut Window::new(boxes, 64);
    let parts = boxes::children(window, &(0..boxes.len() as u64)).expect("in memory");
    let run = AuxiliaryRun::read(boxes, 1000, &parts, 1000, Some(format));
    let mut run = run.expect("in memory");
    let next = |sample| run.next(boxes, matches!(sample, 0 | 2)).map_err(|why| why.to_string());
    (0..samples).map(next).collect()
}

/// The same of tables, with two samples in each chunk.
fn of_tables(file: &[u8], format: Format, samples: u32) -> Result<Vec<Auxiliary>, String> {
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
fn senc_tells_a_vector_for_each_sample_and_its_parts() {
    let parts: &[u8] = &[0, 1, 0, 9, 0, 0, 0, 7];
    let senc = full(b"senc", 2, &[&[0, 0, 0, 2], &[1; 8], parts, &[2; 8], &[0, 0]]);
    let found = of_fragment(&senc, CENC, 3);
    assert_eq!(found[..2], [Ok(entry(1016, 16, true)), Ok(entry(1032, 10, true))]);
    assert_eq!(found[2], Err(AuxiliaryFault::Lies.to_string()), "there are only two");
    let senc = full(b"senc", 0, &[&[0, 0, 0, 9], &[1; 20]]);
    let found = of_fragment(&senc, CENC, 3);
    assert_eq!(found[..2], [Ok(entry(1016, 8, false)), Ok(entry(1024, 8, false))]);
    assert_eq!(found[2], Err(AuxiliaryFault::Lies.to_string()), "half of it is there");
}

#[test]
fn an_entry_that_no_byte_can_tell_the_length_of_is_refused() {
    let senc = full(b"senc", 2, &[&[0, 0, 0, 1], &[1; 8], &[0, 41], &[0; 41 * 6]]);
    assert_eq!(of_fragment(&senc, CENC, 1), [Err(AuxiliaryFault::Lies.to_string())]);
    let senc = full(b"senc", 2, &[&[0, 0, 0, 1], &[1; 8], &[0xff, 0xff], &[0; 41 * 6]]);
    assert_eq!(of_fragment(&senc, CENC, 1), [Err(AuxiliaryFault::Lies.to_string())]);
}

#[test]
fn a_fragment_tells_where_each_runs_begin_or_where_all_begins() {
    let saiz = full(b"saiz", 0, &[&[0, 0, 0, 0, 4, 8, 16, 8, 22]]);
    let saio = full(b"saio", 0, &[&[0, 0, 0, 1, 0, 0, 2, 0]]);
    let ends = |found: Vec<Result<Auxiliary, String>>| {
        let found = found.into_iter().map(|entry| entry.expect("sound"));
        found.map(|entry| (entry.offset, entry.len, entry.has_subsamples)).collect::<Vec<_>>()
    };
    let found = ends(of_fragment(&[&saiz[..], &saio].concat(), CENC, 4));
    let expected = [(1512, 8, false), (1520, 16, true), (1536, 8, false), (1544, 22, true)];
    assert_eq!(found, expected);
    let saio = full(b"saio", 1 << 24, &[&[0, 0, 0, 2], &512_u64.to_be_bytes(), &[0; 8]]);
    let found = ends(of_fragment(&[&saiz[..], &saio].concat(), CENC, 4));
    let expected = [(1512, 8, false), (1520, 16, true), (1000, 8, false), (1008, 22, true)];
    assert_eq!(found, expected);
}

#[test]
fn tables_tell_where_each_chunks_begin_or_where_all_begins() {
    let saiz = full(b"saiz", 0, &[&[8, 0, 0, 0, 4]]);
    let one = full(b"saio", 0, &[&[0, 0, 0, 1, 0, 0, 0, 2]]);
    let offsets = |found: Result<Vec<Auxiliary>, String>| {
        found.map(|found| found.iter().map(|entry| entry.offset).collect::<Vec<_>>())
    };
    let file = |saio: &[u8]| [&saiz[..], saio, &[0; 7]].concat();
    assert_eq!(offsets(of_tables(&file(&one), CENC, 4)), Ok(vec![2, 10, 18, 26]));
    let each = full(b"saio", 0, &[&[0, 0, 0, 2, 0, 0, 0, 20, 0, 0, 0, 3]]);
    assert_eq!(offsets(of_tables(&file(&each), CENC, 4)), Ok(vec![20, 28, 3, 11]));
    let far = full(b"saio", 0, &[&[0, 0, 0, 2, 0, 0, 0, 20, 0, 0, 0, 99]]);
    let outside = SampleFault::OutsideFile.to_string();
    assert_eq!(of_tables(&file(&far), CENC, 4), Err(outside));
    let three = full(b"saio", 0, &[&[0, 0, 0, 3], &[0; 12]]);
    let lies = || AuxiliaryFault::Lies.to_string();
    assert_eq!(of_tables(&file(&three), CENC, 4), Err(lies()), "two chunks, three offsets");
    assert_eq!(of_tables(&file(&one), CENC, 5), Err(lies()), "five samples, four sizes");
}

#[test]
fn boxes_about_something_else_are_passed_over() {
    let other = full(b"saiz", 1, &[b"cbcs\0\0\0\0", &[99, 0, 0, 0, 9]]);
    let saiz = full(b"saiz", 1, &[b"cenc\0\0\0\0", &[8, 0, 0, 0, 1]]);
    let saio = full(b"saio", 1, &[b"cenc\0\0\0\0", &[0, 0, 0, 1, 0, 0, 0, 7]]);
    let found = of_fragment(&[&other[..], &saiz, &saio].concat(), CENC, 1);
    assert_eq!(found, [Ok(entry(1007, 8, false))]);
    assert_eq!(
        of_fragment(&[&other[..], &saio].concat(), CENC, 1),
        [Err(AuxiliaryFault::Missing.to_string())]
    );
}

#[test]
fn without_any_a_constant_vector_is_enough_and_no_vector_is_not() {
    let none = entry(0, 0, false);
    assert_eq!(of_fragment(&[], CBCS, 2), [Ok(none), Ok(none)]);
    assert_eq!(of_tables(&[], CBCS, 2), Ok(Vec::new()));
    let missing = AuxiliaryFault::Missing.to_string();
    assert_eq!(of_fragment(&[], CENC, 1), [Err(missing.clone())]);
    assert_eq!(of_tables(&[], CENC, 1), Err(missing.clone()));
    // Parts of samples are told of, but not where.
    let senc = full(b"senc", 2, &[&[0, 0, 0, 1, 0, 1, 0, 9, 0, 0, 0, 7]]);
    assert_eq!(of_tables(&senc, CBCS, 1), Err(missing));
}

#[test]
fn keys_that_change_are_refused_and_other_groups_are_not() {
    let seig = full(b"sbgp", 0, &[b"seig", &[0; 4]]);
    let rotation = AuxiliaryFault::KeyRotation.to_string();
    assert_eq!(of_fragment(&seig, CBCS, 1), [Err(rotation.clone())]);
    let clear = Format { is_protected: false, ..CBCS };
    assert_eq!(of_fragment(&seig, clear, 1), [Err(rotation.clone())]);
    assert_eq!(of_tables(&full(b"sgpd", 1 << 24, &[b"seig"]), CBCS, 1), Err(rotation));
    let roll = full(b"sbgp", 0, &[b"roll", &[0; 4]]);
    assert_eq!(of_fragment(&roll, CBCS, 1), [Ok(entry(0, 0, false))]);
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
    fn whatever_boxes_say_an_entry_has_a_length_that_makes_sense(
        boxes in hostile(),
        cut in 0..20_usize,
        iv_bytes in prop::sample::select(&[0_u8, 8, 16][..]),
        samples in 1..9_u32,
    ) {
        let boxes = &boxes[..boxes.len().saturating_sub(cut)];
        let format = Format { iv_bytes, ..CENC };
        let is_sound = |entry: &Auxiliary| {
            entry.len == 0 || entry.has_subsamples || entry.len == iv_bytes
        };
        for entry in of_fragment(boxes, format, samples).into_iter().flatten() {
            prop_assert!(is_sound(&entry), "{entry:?}");
        }
        for entry in of_tables(boxes, format, samples).into_iter().flatten() {
            prop_assert!(is_sound(&entry), "{entry:?}");
            prop_assert!(entry.offset + u64::from(entry.len) <= boxes.len() as u64);
        }
    }
}
