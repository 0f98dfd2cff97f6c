//! The boxes of a track (`trak`, ISO/IEC 14496-12 section 8.3) that init segments and virtual MP4s share.
//! What the file says about the track, they say too.

use super::boxes::{self, Writer};
use crate::movie::{Track, TrackKind, languages};

/// The flag of `tkhd` of a track that plays by default (section 8.3.2).
pub(super) const ENABLED: u32 = 1;

/// The size of a `sbgp` with one entry.
pub(super) const ROLL_GROUP_BYTES: usize = 28;

/// Brands (section 4.3) that a file with these tracks has in addition to those of its structure.
pub(super) fn codec_brands<'a>(
    tracks: impl IntoIterator<Item = &'a Track>,
) -> Vec<&'static [u8; 4]> {
    let is_av1 = |track: &Track| matches!(&track.entry.original_format.0, b"av01" | b"dav1");
    // "AV1 Codec ISO Media File Format Binding", section 2.1.
    if tracks.into_iter().any(is_av1) { vec![b"av01"] } else { Vec::new() }
}

/// Writes `ftyp` of an MP4 with these tracks and sample tables (section 4.3).
pub(super) fn write_file_type<'a>(
    writer: &mut Writer,
    tracks: impl IntoIterator<Item = &'a Track>,
) {
    writer.boxed(b"ftyp", |ftyp| {
        ftyp.bytes(b"isom");
        ftyp.u32(0x200);
        [b"isom", b"iso2", b"mp41"].into_iter().for_each(|brand| ftyp.bytes(brand));
        codec_brands(tracks).into_iter().for_each(|brand| ftyp.bytes(brand));
    });
}

/// Writes `tkhd`. The duration is in movie ticks.
pub(super) fn write_header(trak: &mut Writer, track: &Track, id: u32, duration: u64, flags: u32) {
    let carried = &track.carried;
    let fields = boxes::TrackHeader {
        flags,
        id,
        duration,
        layer: carried.layer,
        alternate_group: carried.alternate_group,
        volume: carried.volume,
        display: track.display,
    };
    boxes::track_header(trak, &fields);
}

/// Writes `mdia` of a duration in track ticks; `tables` writes those of `stbl` that follow `stsd`.
pub(super) fn write_media(
    trak: &mut Writer,
    track: &Track,
    duration: u64,
    tables: impl FnOnce(&mut Writer),
) {
    let handler = &track.handler.0;
    trak.boxed(b"mdia", |mdia| {
        let language = track.language.as_deref().unwrap_or_default();
        // `mdhd` holds three letters; a reader that needs the region reads `elng`.
        let code = languages::three_letters(language).unwrap_or_default();
        boxes::media_header(mdia, track.timescale.get(), duration, code);
        boxes::handler(mdia, handler, &track.carried.handler_name);
        let is_complete =
            language == code || languages::parse_tag(code).as_deref() == Some(language);
        if !is_complete {
            boxes::extended_language(mdia, language);
        }
        mdia.boxed(b"minf", |minf| {
            boxes::media_kind(minf, handler);
            minf.boxed(b"stbl", |stbl| {
                write_sample_description(stbl, &track.entry.entry);
                tables(stbl);
            });
        });
    });
}

/// Writes `stsd` with one entry, which refers to the only entry of `dref`.
fn write_sample_description(stbl: &mut Writer, entry: &[u8]) {
    stbl.full(b"stsd", 0, 0, |stsd| {
        stsd.u32(1);
        let at = stsd.len();
        stsd.bytes(entry);
        // After the header and six reserved bytes. A size of 64 bits, which no muxer writes, moves them.
        if entry.len() >= 16 && entry[..4] != [0, 0, 0, 1] {
            stsd.patch(at + 12, 1);
        }
    });
}

/// Writes `udta` with the name for people and the purposes of a track; nothing if it has neither.
pub(super) fn write_user_data(trak: &mut Writer, track: &Track) {
    let carried = &track.carried;
    let name = track.name.as_deref().filter(|name| *name != carried.handler_name);
    if name.is_none() && track.kinds.is_empty() {
        return;
    }
    trak.boxed(b"udta", |udta| {
        if let Some(name) = name {
            udta.boxed(b"name", |text| text.bytes(name.as_bytes()));
        }
        for TrackKind { scheme, value } in &track.kinds {
            udta.full(b"kind", 0, 0, |kind| {
                for text in [scheme, value] {
                    kind.bytes(text.as_bytes());
                    kind.zeros(1);
                }
            });
        }
    });
}

/// The distance of the `roll` group of an audio track. Groups of video mark single samples and are not
/// carried.
pub(super) fn roll_distance(track: &Track) -> Option<i16> {
    track.carried.roll_distance.filter(|_| track.is_audio())
}

/// Writes `sgpd` with the `roll` group of a track, if it has one (section 10.1).
pub(super) fn write_roll_description(stbl: &mut Writer, track: &Track) {
    let Some(distance) = roll_distance(track) else { return };
    stbl.full(b"sgpd", 1, 0, |sgpd| {
        sgpd.bytes(b"roll");
        sgpd.u32(2);
        sgpd.u32(1);
        sgpd.bytes(&distance.to_be_bytes());
    });
}

/// Writes `sbgp`: all samples are in the `roll` group of the track.
pub(super) fn write_roll_group(writer: &mut Writer, samples: u32) {
    writer.full(b"sbgp", 0, 0, |sbgp| {
        sbgp.bytes(b"roll");
        [1, samples, 1].into_iter().for_each(|field| sbgp.u32(field));
    });
}
