//! Writes the frames of a file of Matroska again, in forms that no usual program writes.

use std::{io, ops::Range};

use matroska_demuxer::{MatroskaFile, TrackType};

use super::matroska::{OtherFrame, demuxed};

/// How frames share a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lacing {
    None,
    Xiph,
    Ebml,
    Fixed,
}

/// The form of a file.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    /// Of audio; frames of different sizes are not laced with [`Lacing::Fixed`].
    pub lacing: Lacing,
    /// Blocks in groups instead of simple blocks.
    pub has_groups: bool,
    /// Segment and clusters of unknown size.
    pub has_unknown_sizes: bool,
    /// Nanoseconds of a tick; the source has a million.
    pub scale_ns: u64,
    /// The first bytes of audio frames, which all of them share, are stripped.
    pub strips: bool,
    /// Checksums and unused elements everywhere.
    pub has_voids: bool,
    /// `Tracks` and `Cues` behind the clusters.
    pub has_tracks_behind: bool,
    /// One of this many key frames has a cue; 0 for none at all.
    pub cues: usize,
    /// Added to all times, in milliseconds.
    pub late_ms: u64,
    /// Length of a cluster, in milliseconds.
    pub cluster_ms: u64,
}

impl Form {
    /// As ffmpeg writes it.
    pub const PLAIN: Self = Self {
        lacing: Lacing::None,
        has_groups: false,
        has_unknown_sizes: false,
        scale_ns: 1_000_000,
        strips: false,
        has_voids: false,
        has_tracks_behind: false,
        cues: 1,
        late_ms: 0,
        cluster_ms: 2000,
    };
}

const SEEK_HEAD: u32 = 0x114D_9B74;
const INFO: u32 = 0x1549_A966;
const TRACKS: u32 = 0x1654_AE6B;
const TRACK_ENTRY: u32 = 0xAE;
const CLUSTER: u32 = 0x1F43_B675;
const CUES: u32 = 0x1C53_BB6B;
const VOID: u32 = 0xEC;
const CRC_32: u32 = 0xBF;

/// The identifier of an element, as it is in the file.
fn id(id: u32) -> Vec<u8> {
    id.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect()
}

/// An element with a size of eight bytes.
pub fn element(number: u32, body: &[u8]) -> Vec<u8> {
    let size = 1_u64 << 56 | body.len() as u64;
    [&id(number), &size.to_be_bytes()[..], body].concat()
}

fn unknown(number: u32, body: &[u8]) -> Vec<u8> {
    [&id(number), &[1, 255, 255, 255, 255, 255, 255, 255][..], body].concat()
}

fn number(identifier: u32, value: u64) -> Vec<u8> {
    element(identifier, &value.to_be_bytes())
}

/// Elements of a body: identifier, and place of the body.
fn elements(bytes: &[u8], within: Range<usize>) -> Vec<(u32, Range<usize>)> {
    let mut all = Vec::new();
    let mut at = within.start;
    while at < within.end {
        let id_length = bytes[at].leading_zeros() as usize + 1;
        let id = bytes[at..at + id_length].iter().fold(0, |id, byte| id << 8 | u32::from(*byte));
        at += id_length;
        let length = bytes[at].leading_zeros() as usize + 1;
        let marked =
            bytes[at..at + length].iter().fold(0_u64, |size, byte| size << 8 | u64::from(*byte));
        at += length;
        let mask = (1_u64 << (7 * length)) - 1;
        let end = match marked & mask {
            size if size == mask => within.end,
            size => at + usize::try_from(size).expect("in memory"),
        };
        all.push((id, at..end));
        at = end;
    }
    all
}

/// The body of the first element of this kind in the segment.
pub fn of_segment(file: &[u8], wanted: u32) -> Range<usize> {
    let segment = elements(file, 0..file.len())[1].1.clone();
    let inside = elements(file, segment);
    inside.into_iter().find(|(id, _)| *id == wanted).expect("an element of this kind").1
}

/// A block of one or more frames of a track.
struct Block {
    track: u64,
    time_ms: u64,
    is_key: bool,
    frames: Vec<Vec<u8>>,
}

/// The same frames in another form, and the file's own frames for comparison: with their headers, at their
/// times in ticks of the form.
pub fn rewritten(source: &[u8], form: Form) -> (Vec<u8>, Vec<OtherFrame>) {
    let reader = MatroskaFile::open(io::Cursor::new(source)).expect("a file of Matroska");
    let audio: Vec<u64> = reader
        .tracks()
        .iter()
        .filter(|track| track.track_type() == TrackType::Audio)
        .map(|track| track.track_number().get())
        .collect();
    let frames = demuxed(source);
    let prefix: Vec<u8> = if form.strips { shared(&frames, &audio) } else { Vec::new() };
    let blocks = blocks(&frames, &audio, prefix.len(), form.lacing);
    let mut expected = frames;
    for frame in &mut expected {
        frame.time = (frame.time + form.late_ms) * 1_000_000 / form.scale_ns;
    }
    (write(source, &blocks, form, &audio, &prefix), expected)
}

/// The first bytes, at most two, that all audio frames share.
fn shared(frames: &[OtherFrame], audio: &[u64]) -> Vec<u8> {
    let mut of_audio = frames.iter().filter(|frame| audio.contains(&frame.track));
    let mut shared = of_audio.next().map_or(Vec::new(), |frame| frame.data[..2].to_vec());
    for frame in of_audio {
        let equal = shared.iter().zip(&frame.data).take_while(|(one, other)| one == other).count();
        shared.truncate(equal);
    }
    assert!(!shared.is_empty(), "the frames share no header");
    shared
}

/// Blocks in the order of their first frames.
fn blocks(frames: &[OtherFrame], audio: &[u64], stripped: usize, lacing: Lacing) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for frame in frames {
        let is_audio = audio.contains(&frame.track);
        let data = frame.data[if is_audio { stripped } else { 0 }..].to_vec();
        let open = blocks.iter_mut().rev().find(|block| block.track == frame.track);
        let fits = |block: &&mut Block| {
            let is_equal = block.frames.iter().all(|other| other.len() == data.len());
            is_audio
                && block.frames.len() < 7
                && lacing != Lacing::None
                && (lacing != Lacing::Fixed || is_equal)
        };
        match open.filter(fits) {
            Some(block) => block.frames.push(data),
            None => blocks.push(Block {
                track: frame.track,
                time_ms: frame.time,
                is_key: is_audio || frame.is_key == Some(true),
                frames: vec![data],
            }),
        }
    }
    blocks
}

/// The payload of a block behind its header.
fn laced(frames: &[Vec<u8>], lacing: Lacing) -> (u8, Vec<u8>) {
    if frames.len() == 1 {
        return (0, frames[0].clone());
    }
    let mut payload = vec![u8::try_from(frames.len() - 1).expect("few")];
    let (_, sized) = frames.split_last().expect("frames");
    let flags = match lacing {
        Lacing::None => unreachable!("one frame for each block"),
        Lacing::Xiph => {
            for frame in sized {
                payload.extend(vec![255; frame.len() / 255]);
                payload.push(u8::try_from(frame.len() % 255).expect("less than 255"));
            }
            1
        }
        Lacing::Fixed => 2,
        Lacing::Ebml => {
            let two = |value: i64| (0x4000 | u16::try_from(value).expect("14 bits")).to_be_bytes();
            let size = |frame: &Vec<u8>| i64::try_from(frame.len()).expect("short");
            payload.extend(two(size(&sized[0])));
            for pair in sized.windows(2) {
                payload.extend(two(size(&pair[1]) - size(&pair[0]) + 0x1FFF));
            }
            3
        }
    };
    frames.iter().for_each(|frame| payload.extend(frame));
    (flags << 1, payload)
}

fn block(block: &Block, cluster_ticks: u64, form: Form) -> Vec<u8> {
    let ticks = ticks(block.time_ms, form);
    let relative =
        i16::try_from(ticks.cast_signed() - cluster_ticks.cast_signed()).expect("a short cluster");
    let (flags, payload) = laced(&block.frames, form.lacing);
    let track = 0x80 | u8::try_from(block.track).expect("few tracks");
    let key = if block.is_key && !form.has_groups { 0x80 } else { 0 };
    let [high, low] = relative.to_be_bytes();
    let body = [&[track, high, low, flags | key][..], &payload].concat();
    if !form.has_groups {
        return element(0xA3, &body);
    }
    let reference = if block.is_key { Vec::new() } else { element(0xFB, &[0xFF]) };
    let void = if form.has_voids { element(VOID, &[7; 9]) } else { Vec::new() };
    element(0xA0, &[void, element(0xA1, &body), reference].concat())
}

fn ticks(time_ms: u64, form: Form) -> u64 {
    (time_ms + form.late_ms) * 1_000_000 / form.scale_ns
}

fn write(source: &[u8], blocks: &[Block], form: Form, audio: &[u64], prefix: &[u8]) -> Vec<u8> {
    let head_end = elements(source, 0..source.len())[0].1.end;
    let junk = || match form.has_voids {
        true => [element(VOID, &[0xA3; 40]), element(CRC_32, &[1, 2, 3, 4])].concat(),
        false => Vec::new(),
    };
    let info = element(INFO, &number(0x2A_D7B1, form.scale_ns));
    let tracks = element(TRACKS, &tracks(&source[of_segment(source, TRACKS)], audio, prefix));
    let mut segment = junk();
    // A head of a known length names what is behind.
    let seek_head = |tracks_at: u64, cues_at: u64| {
        let seek = |id: u32, at: u64| {
            element(0x4DBB, &[element(0x53AB, &id.to_be_bytes()), number(0x53AC, at)].concat())
        };
        element(SEEK_HEAD, &[seek(TRACKS, tracks_at), seek(CUES, cues_at)].concat())
    };
    let seek_at = segment.len();
    segment.extend(seek_head(0, 0));
    segment.extend(info);
    segment.extend(junk());
    let mut tracks_at = segment.len() as u64;
    if !form.has_tracks_behind {
        segment.extend(&tracks);
    }
    let mut cues = Vec::new();
    let mut keys = 0;
    let mut rest = blocks;
    while let Some(first) = rest.first() {
        let is_in = |block: &Block| block.time_ms < first.time_ms + form.cluster_ms;
        let count = rest.iter().take_while(|block| is_in(block)).count();
        let (inside, behind) = rest.split_at(count);
        rest = behind;
        let start = ticks(first.time_ms, form);
        let at = segment.len() as u64;
        let mut body = [junk(), number(0xE7, start)].concat();
        for one in inside {
            if one.is_key
                && (audio.len() != 1 || !audio.contains(&one.track))
                && !audio.contains(&one.track)
            {
                if form.cues > 0 && keys % form.cues == 0 {
                    let places = [number(0xF7, one.track), number(0xF1, at)].concat();
                    let point =
                        [number(0xB3, ticks(one.time_ms, form)), element(0xB7, &places)].concat();
                    cues.extend(element(0xBB, &point));
                }
                keys += 1;
            }
            body.extend(block(one, start, form));
            body.extend(if form.has_voids { element(VOID, &[0xA3; 3]) } else { Vec::new() });
        }
        segment.extend(if form.has_unknown_sizes {
            unknown(CLUSTER, &body)
        } else {
            element(CLUSTER, &body)
        });
    }
    if form.has_tracks_behind {
        tracks_at = segment.len() as u64;
        segment.extend(&tracks);
    }
    let cues_at = segment.len() as u64;
    if form.cues > 0 {
        segment.extend(element(CUES, &cues));
        let head = seek_head(tracks_at, cues_at);
        segment[seek_at..seek_at + head.len()].copy_from_slice(&head);
    } else {
        let head = seek_head(tracks_at, tracks_at);
        segment[seek_at..seek_at + head.len()].copy_from_slice(&head);
    }
    let segment = if form.has_unknown_sizes {
        unknown(0x1853_8067, &segment)
    } else {
        element(0x1853_8067, &segment)
    };
    [&source[..head_end], &segment].concat()
}

/// `Tracks` of the source, with the prefix that blocks of audio lack.
fn tracks(body: &[u8], audio: &[u64], prefix: &[u8]) -> Vec<u8> {
    let mut written = Vec::new();
    // Without the checksum.
    let entries = elements(body, 0..body.len()).into_iter().filter(|(id, _)| *id == TRACK_ENTRY);
    for (id, range) in entries {
        let mut entry = body[range.clone()].to_vec();
        let track = elements(&entry, 0..entry.len()).into_iter().find(|(id, _)| *id == 0xD7);
        let track = track.map(|(_, number)| u64::from(entry[number.end - 1]));
        if !prefix.is_empty() && track.is_some_and(|track| audio.contains(&track)) {
            let compression = [number(0x4254, 3), element(0x4255, prefix)].concat();
            entry.extend(element(0x6D80, &element(0x6240, &element(0x5034, &compression))));
        }
        written.extend(element(id, &entry));
    }
    written
}
