//! Every field of the boxes of a movie, by name: to compare boxes that are written with those of their
//! source.

use std::collections::BTreeMap;

use crate::support::boxes;

/// Values by field: `tkhd/volume`. Numbers are decimal, so that versions of a box compare equal; other
/// bytes are hexadecimal.
pub type Fields = BTreeMap<String, String>;

/// Boxes that only hold others.
const PARENTS: [&[u8; 4]; 8] =
    [b"edts", b"mdia", b"minf", b"dinf", b"stbl", b"udta", b"mvex", b"tref"];

/// The width of a field that version 1 of a box makes twice as wide, after its name.
const TIME: usize = 0;
/// A field up to the end of the box.
const REST: usize = usize::MAX;

/// A type of box, and its fields: the name and the width of each.
type Layout = (&'static [u8; 4], &'static [(&'static str, usize)]);

/// The fields of full boxes after version and flags (ISO/IEC 14496-12), each with its width.
const LAYOUTS: [Layout; 4] = [
    (
        b"mvhd",
        &[
            ("creation_time", TIME),
            ("modification_time", TIME),
            ("timescale", 4),
            ("duration", TIME),
            ("rate", 4),
            ("volume", 2),
            ("reserved", 10),
            ("matrix", 36),
            ("pre_defined", 24),
            ("next_track_ID", 4),
        ],
    ),
    (
        b"tkhd",
        &[
            ("creation_time", TIME),
            ("modification_time", TIME),
            ("track_ID", 4),
            ("reserved 1", 4),
            ("duration", TIME),
            ("reserved 2", 8),
            ("layer", 2),
            ("alternate_group", 2),
            ("volume", 2),
            ("reserved 3", 2),
            ("matrix", 36),
            ("width", 4),
            ("height", 4),
        ],
    ),
    (
        b"mdhd",
        &[
            ("creation_time", TIME),
            ("modification_time", TIME),
            ("timescale", 4),
            ("duration", TIME),
            ("language", 2),
            ("pre_defined", 2),
        ],
    ),
    (b"hdlr", &[("pre_defined", 4), ("handler_type", 4), ("reserved", 12), ("name", REST)]),
];

/// The fields of each track of a movie.
pub fn of_tracks(movie: &[u8]) -> Vec<Fields> {
    let tracks = boxes::contents(movie, "moov/trak").into_iter();
    tracks.map(of_boxes).collect()
}

/// The fields of a movie outside of its tracks.
pub fn of_movie(movie: &[u8]) -> Fields {
    let mut fields = Fields::new();
    add(&mut fields, b"ftyp", boxes::contents(movie, "ftyp")[0]);
    for found in boxes::list(movie, boxes::all(movie, "moov")[0].content.clone()).expect("boxes") {
        if found.kind != *b"trak" {
            add(&mut fields, &found.kind, &movie[found.content]);
        }
    }
    fields
}

fn of_boxes(bytes: &[u8]) -> Fields {
    let mut fields = Fields::new();
    for found in boxes::list(bytes, 0..bytes.len()).expect("boxes") {
        add(&mut fields, &found.kind, &bytes[found.content]);
    }
    fields
}

/// Adds the fields of a box.
fn add(fields: &mut Fields, kind: &[u8; 4], content: &[u8]) {
    let name = kind.escape_ascii().to_string();
    if PARENTS.contains(&kind) {
        let within = of_boxes(content).into_iter();
        // The handler of `minf`, which only QuickTime has, is another than that of `mdia`.
        let own = |field: String| {
            if kind == b"minf" && field.starts_with("hdlr") {
                format!("minf/{field}")
            } else {
                field
            }
        };
        fields.extend(within.map(|(field, value)| (own(field), value)));
    } else if let Some((_, layout)) = LAYOUTS.iter().find(|(known, _)| *known == kind) {
        let version = content[0];
        put(fields, &format!("{name}/flags"), number(&content[1..4]));
        let mut rest = &content[4..];
        for (field, width) in *layout {
            let width = match *width {
                TIME => 4 * (1 + usize::from(version)),
                REST => rest.len(),
                width => width,
            };
            let (value, after) = rest.split_at(width);
            let value = if *field == "name" {
                text(value)
            } else if width <= 8 {
                number(value)
            } else {
                hexadecimal(value)
            };
            put(fields, &format!("{name}/{field}"), value);
            rest = after;
        }
    } else {
        match kind {
            b"stsd" => add_entries(fields, &content[8..]),
            b"sgpd" | b"sbgp" => {
                let group = content[4..8].escape_ascii();
                put(fields, &format!("{name}/{group}"), hexadecimal(content));
            }
            b"kind" => put(fields, "kind", format!("{}", content[4..].escape_ascii())),
            b"elng" => put(fields, "elng", text(&content[4..])),
            b"name" => put(fields, "name", text(content)),
            _ => put(fields, &name, hexadecimal(content)),
        }
    }
}

/// Adds sample entries, and their references apart.
fn add_entries(fields: &mut Fields, entries: &[u8]) {
    for found in boxes::list(entries, 0..entries.len()).expect("entries") {
        let mut entry = entries[found.whole].to_vec();
        put(fields, "stsd/data_reference_index", number(&entry[14..16]));
        entry[14..16].fill(0);
        if let Some(at) = entry.windows(4).position(|four| four == b"esds") {
            // Version and flags, the tag of the descriptor, and its length.
            let length = at + 4 + 4 + 1;
            let id = length + entry[length..].iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
            put(fields, "stsd/ES_ID", number(&entry[id..id + 2]));
            entry[id..id + 2].fill(0);
        }
        put(fields, "stsd/entry", hexadecimal(&entry));
    }
}

/// Adds a value; of a repeated field, under the next free number.
fn put(fields: &mut Fields, name: &str, value: String) {
    let mut names =
        (1..).map(|number| if number == 1 { name.into() } else { format!("{name} {number}") });
    let free = names.find(|name: &String| !fields.contains_key(name)).expect("a free name");
    fields.insert(free, value);
}

fn number(bytes: &[u8]) -> String {
    bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte)).to_string()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A text that ends with a zero byte, or that QuickTime prefixes with its length.
fn text(bytes: &[u8]) -> String {
    let text = match bytes {
        [length, rest @ ..] if usize::from(*length) == rest.len() => rest,
        _ => bytes.strip_suffix(&[0]).unwrap_or(bytes),
    };
    String::from_utf8_lossy(text).into_owned()
}
