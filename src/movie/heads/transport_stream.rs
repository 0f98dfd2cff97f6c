//! MPEG transport streams (ISO/IEC 13818-1): which streams there are, the size in the headers of the video, and
//! the length by the first and the last time stamp.

use super::{Head, bytes_at, ticks_ms};
use crate::{
    extent::{ReadAt, ReadError},
    movie::codec::parameter_sets::{self, Syntax},
};

/// Bytes at the beginning and at the end that are read.
const FIRST_BYTES: usize = 512 << 10;
const LAST_BYTES: usize = 256 << 10;

/// Bytes of the video in which its headers are searched.
const VIDEO_BYTES: usize = 64 << 10;

const PACKET_BYTES: usize = 188;
const SYNC: u8 = 0x47;

/// Time stamps count at this rate, and start again after 33 bits.
const CLOCK_HZ: u64 = 90_000;
const CLOCK_MASK: u64 = (1 << 33) - 1;

/// The most time by which a frame is before the first one of the file.
const REORDERED_MAX: u64 = 10 * CLOCK_HZ;

/// A payload, and whether a section or a packet of its stream begins there.
#[derive(Clone, Copy, Debug)]
struct Payload<'a> {
    pid: u16,
    is_start: bool,
    bytes: &'a [u8],
}

/// An elementary stream of the first program.
#[derive(Clone, Copy, Debug)]
struct Stream {
    kind: u8,
    pid: u16,
}

/// Reads the head of a file.
///
/// # Errors
/// If the file cannot be read.
pub fn read<R: ReadAt + ?Sized>(source: &R) -> Result<Head, ReadError> {
    let first = bytes_at(source, 0, FIRST_BYTES)?;
    let Some(step) = packet_step(&first) else { return Ok(Head::default()) };
    let streams = streams(&first, step);
    let video = streams.iter().find(|stream| is_video(stream.kind));
    let Some(shown) = video.or(streams.first()) else { return Ok(Head::default()) };
    let tail = source.len().saturating_sub(LAST_BYTES as u64);
    let last = bytes_at(source, tail, LAST_BYTES)?;
    Ok(Head {
        has_video: Some(video.is_some()),
        duration_ms: duration_ms(
            &time_stamps(&first, step, shown.pid),
            &time_stamps(&last, step, shown.pid),
        ),
        size: video.and_then(|video| video_size(&first, step, *video)),
        has_cover: false,
    })
}

/// The distance between packets: some recorders add a time in front of each, or a checksum behind it.
fn packet_step(first: &[u8]) -> Option<usize> {
    const PACKETS: usize = 5;
    [188, 192, 204].into_iter().find(|step| {
        let from = |start: usize| (0..PACKETS).all(|n| first.get(start + n * step) == Some(&SYNC));
        (0..*step).any(from)
    })
}

/// The payloads in a part of a file, which may begin within a packet.
fn payloads(bytes: &[u8], step: usize) -> impl Iterator<Item = Payload<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let is_packet = |at: usize| {
                bytes.get(at) == Some(&SYNC)
                    && bytes.get(at + step).is_none_or(|byte| *byte == SYNC)
            };
            at += memchr::memchr(SYNC, bytes.get(at..)?)?;
            if !is_packet(at) {
                at += 1;
                continue;
            }
            let packet = bytes.get(at..at + PACKET_BYTES)?;
            at += step;
            let payload = payload(packet);
            if payload.is_some() {
                return payload;
            }
        }
    })
}

fn payload(packet: &[u8]) -> Option<Payload<'_>> {
    let [_, flags, low, control] = *packet.first_chunk()?;
    let start = match control & 0x30 {
        0x10 => 4,
        0x30 => 5 + usize::from(*packet.get(4)?),
        _ => return None,
    };
    Some(Payload {
        pid: u16::from_be_bytes([flags & 0x1F, low]),
        is_start: flags & 0x40 != 0,
        bytes: packet.get(start..)?,
    })
}

/// The streams of the first program (sections 2.4.4.4 and 2.4.4.9), as far as its table fits into one packet.
fn streams(bytes: &[u8], step: usize) -> Vec<Stream> {
    let table = |wanted: u16, id: u8| {
        payloads(bytes, step).filter(move |it| it.pid == wanted && it.is_start).find_map(
            move |it| {
                let pointer = usize::from(*it.bytes.first()?);
                let section = it.bytes.get(1 + pointer..)?;
                let [found, high, low] = *section.first_chunk()?;
                let length = usize::from(u16::from_be_bytes([high & 0x0F, low]));
                // Without the checksum.
                let end = (3 + length).checked_sub(4)?.min(section.len());
                section.get(8..end).filter(|_| found == id)
            },
        )
    };
    let programs = table(0, 0).unwrap_or_default().chunks_exact(4);
    let mut programs = programs.filter(|program| program[..2] != [0, 0]);
    let map = programs.next().map(|program| u16::from_be_bytes([program[2] & 0x1F, program[3]]));
    let Some(map) = map.and_then(|map| table(map, 2)) else { return Vec::new() };
    let descriptors = |at: usize| {
        let [high, low] = *map.get(at..)?.first_chunk()?;
        Some(usize::from(u16::from_be_bytes([high & 0x0F, low])))
    };
    let mut found = Vec::new();
    let mut at = 4 + descriptors(2).unwrap_or_default();
    while let (Some(&[kind, high, low]), Some(length)) =
        (map.get(at..).and_then(|rest| rest.first_chunk()), descriptors(at + 3))
    {
        found.push(Stream { kind, pid: u16::from_be_bytes([high & 0x1F, low]) });
        at += 5 + length;
    }
    found
}

/// Whether a stream type (table 2-34) is video.
fn is_video(kind: u8) -> bool {
    matches!(kind, 0x01 | 0x02 | 0x10 | 0x1B | 0x20 | 0x24 | 0x33 | 0xD1 | 0xEA)
}

/// The presentation times of a stream, in the order of the file (section 2.4.3.7).
fn time_stamps(bytes: &[u8], step: usize, pid: u16) -> Vec<u64> {
    let of_stream = payloads(bytes, step).filter(|it| it.pid == pid && it.is_start);
    let time_stamp = |payload: Payload<'_>| {
        let packet = payload.bytes.strip_prefix(&[0, 0, 1])?;
        let has_time = *packet.get(4)? & 0x80 != 0;
        let [a, b, c, d, e] = *packet.get(6..)?.first_chunk()?;
        let time = u64::from(a >> 1 & 7) << 30
            | u64::from(b) << 22
            | u64::from(c >> 1) << 15
            | u64::from(d) << 7
            | u64::from(e >> 1);
        has_time.then_some(time)
    };
    of_stream.filter_map(time_stamp).collect()
}

/// From the earliest time of the first ones to the end of the latest of the last ones.
fn duration_ms(first: &[u64], last: &[u64]) -> Option<u64> {
    let base = *first.first()?;
    let behind = |time: u64, from: u64| time.wrapping_sub(from) & CLOCK_MASK;
    // Frames are not in the order of presentation: the first may be shown later than others.
    let before = first.iter().map(|time| behind(base, *time));
    let before = before.filter(|ticks| *ticks <= REORDERED_MAX).max().unwrap_or_default();
    let earliest = behind(base, before);
    let mut times: Vec<_> = first.iter().map(|time| behind(*time, earliest)).collect();
    times.sort_unstable();
    let frame = times.windows(2).map(|pair| pair[1] - pair[0]).filter(|gap| *gap > 0).min();
    let latest = last.iter().map(|time| behind(*time, earliest)).max()?;
    ticks_ms(latest + frame.unwrap_or_default(), 1, CLOCK_HZ)
}

/// The size in the first headers of a stream.
fn video_size(bytes: &[u8], step: usize, Stream { kind, pid }: Stream) -> Option<(u32, u32)> {
    let syntax = match kind {
        0x01 | 0x02 => Syntax::Mpeg2,
        0x1B => Syntax::Avc,
        0x24 => Syntax::Hevc,
        _ => return None,
    };
    let mut video = Vec::new();
    for payload in payloads(bytes, step).filter(|it| it.pid == pid).skip_while(|it| !it.is_start) {
        video.extend_from_slice(payload.bytes);
        if video.len() >= VIDEO_BYTES {
            break;
        }
    }
    parameter_sets::find_size(&video, syntax)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(pid: u16, is_start: bool, payload: &[u8]) -> Vec<u8> {
        let [high, low] = pid.to_be_bytes();
        let start = if is_start { 0x40 } else { 0 };
        let stuffing = PACKET_BYTES - 4 - payload.len();
        let mut packet = vec![SYNC, start | high, low, 0x30];
        packet.push(u8::try_from(stuffing - 1).expect("short"));
        packet.resize(4 + stuffing, 0);
        [&packet[..], payload].concat()
    }

    fn pes(time: u64, video: &[u8]) -> Vec<u8> {
        let byte = |shift: u32| u8::try_from(time >> shift & 0xFF).expect("a byte");
        let stamp =
            [0x21 | byte(30) << 1 & 0x0E, byte(22), byte(14) | 1, byte(7), byte(0) << 1 | 1];
        [&[0, 0, 1, 0xE0, 0, 0, 0x80, 0x80, 5][..], &stamp, video].concat()
    }

    #[test]
    fn tables_headers_and_times_tell_what_the_file_has() {
        let programs =
            [&[0, 0, 0xB0, 13, 0, 1, 0xC1, 0, 0][..], &[0, 1, 0xE1, 0], &[0; 4]].concat();
        let map = [
            &[0, 2, 0xB0, 23, 0, 1, 0xC1, 0, 0, 0xE2, 0, 0xF0, 0][..],
            &[0x0F, 0xE2, 1, 0xF0, 0],
            &[0x02, 0xE2, 0, 0xF0, 0],
            &[0; 4],
        ];
        assert_eq!(duration_ms(&[0, 3600, 7200], &[446_400]), Some(5000), "in order");
        // MPEG-2 with 720 × 576 pixels of 16:9.
        let header = [0, 0, 1, 0xB3, 0x2D, 0x02, 0x40, 0x33, 0, 0, 0, 0];
        let wrap = CLOCK_MASK - 1;
        let time = |ticks: u64| (wrap + ticks) & CLOCK_MASK;
        let file = [
            packet(0, true, &programs),
            packet(0x100, true, &map.concat()),
            packet(0x200, true, &pes(time(3600), &header)),
            packet(0x200, true, &pes(time(0), &[])),
            packet(0x200, true, &pes(time(7200), &[])),
            packet(0x201, true, &pes(time(900_000), &[])),
            packet(0x200, true, &pes(time(446_400), &[])),
        ]
        .concat();
        let head = read(&file[..]).expect("in memory");
        let expected = Head {
            has_video: Some(true),
            duration_ms: Some(5000),
            size: Some((1024, 576)),
            has_cover: false,
        };
        assert_eq!(head, expected);
        for length in 0..file.len() {
            read(&file[..length]).expect("in memory");
        }
    }
}
