//! Segment templates with timelines (ISO/IEC 23009-1 sections 5.3.9.4 and 5.3.9.6).

use super::xml::{Element, close};
use crate::package::{
    presentation::{Segment, Track},
    write::Write as _,
};

/// Approximate size of an entry of a timeline: in the worst case each segment has one.
const ENTRY_BYTES: usize = "<S d=\"000000\"/>\n".len();

/// Writes the segment template of a track. The base URL is the folder of the track.
pub(super) fn segment_template(out: &mut String, track: &Track) {
    Element::new(out, "SegmentTemplate")
        .number("timescale", track.timescale.get().into())
        .number("presentationTimeOffset", 0)
        .number("startNumber", 1)
        .attribute("initialization", "init.mp4")
        .attribute("media", "$Number$.m4s")
        .open();
    out.push_str("<SegmentTimeline>\n");
    timeline(out, &track.segments);
    out.push_str("</SegmentTimeline>\n");
    close(out, "SegmentTemplate");
}

/// Writes the entries of a timeline: consecutive segments of equal duration are one entry. An entry has a
/// start time only if there is a gap before it.
fn timeline(out: &mut String, segments: &[Segment]) {
    out.reserve(segments.len() * ENTRY_BYTES);
    let mut previous_end = None;
    let follows = |a: &Segment, b: &Segment| a.end() == b.start && a.duration == b.duration;
    for run in segments.chunk_by(follows) {
        let [first, others @ ..] = run else { continue };
        out.push_str("<S");
        if previous_end != Some(first.start) {
            out.push_str(" t=\"");
            out.push_number(first.start);
            out.push('"');
        }
        out.push_str(" d=\"");
        out.push_number(first.duration);
        if !others.is_empty() {
            out.push_str("\" r=\"");
            out.push_number(others.len() as u64);
        }
        out.push_str("\"/>\n");
        previous_end = run.last().map(Segment::end);
    }
}

/// Whether a client can switch between two tracks after any segment: all segments begin and end together,
/// to a tick of the coarser timescale.
pub(super) fn is_aligned(a: &Track, b: &Track) -> bool {
    let tick = |track: &Track| u128::from(track.timescale.get());
    let (tick_a, tick_b) = (tick(a), tick(b));
    let near = |at_a: u64, at_b: u64| {
        (u128::from(at_a) * tick_b).abs_diff(u128::from(at_b) * tick_a) <= tick_a.max(tick_b)
    };
    let near_both = |(a, b): (&Segment, &Segment)| near(a.start, b.start) && near(a.end(), b.end());
    a.segments.len() == b.segments.len() && a.segments.iter().zip(&*b.segments).all(near_both)
}
