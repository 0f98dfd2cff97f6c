//! A writer of boxes (ISO/IEC 14496-12 section 4.2).

/// A buffer of boxes. The writer sets the size of a box when the box ends.
#[derive(Debug, Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Writes a box; `contents` writes its body.
    pub(super) fn boxed(&mut self, kind: &[u8; 4], contents: impl FnOnce(&mut Self)) {
        let start = self.0.len();
        self.u32(0);
        self.bytes(kind);
        contents(self);
        let size = u32::try_from(self.0.len() - start).expect("boxes in memory are short");
        self.patch(start, size);
    }

    /// Writes a full box: a box with a version and flags.
    pub(super) fn full(
        &mut self,
        kind: &[u8; 4],
        version: u8,
        flags: u32,
        contents: impl FnOnce(&mut Self),
    ) {
        self.boxed(kind, |writer| {
            writer.u32(u32::from(version) << 24 | flags);
            contents(writer);
        });
    }

    /// Overwrites four earlier bytes.
    pub(super) fn patch(&mut self, at: usize, value: u32) {
        self.0[at..at + 4].copy_from_slice(&value.to_be_bytes());
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn zeros(&mut self, count: usize) {
        self.0.resize(self.0.len() + count, 0);
    }

    pub(super) fn u16(&mut self, value: u16) {
        self.bytes(&value.to_be_bytes());
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.bytes(&value.to_be_bytes());
    }
}

/// The identity matrix.
const UNITY: [u32; 9] = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000];

/// `mvhd` (section 8.2.2). The duration is in movie ticks.
pub(super) fn movie_header(writer: &mut Writer, timescale: u32, duration: u64, next_track: u32) {
    let version = u8::from(u32::try_from(duration).is_err());
    writer.full(b"mvhd", version, 0, |mvhd| {
        // Without a creation time, so that the bytes are equal on every node.
        mvhd.zeros(if version == 1 { 16 } else { 8 });
        mvhd.u32(timescale);
        duration_field(mvhd, version, duration);
        mvhd.u32(0x1_0000);
        mvhd.u16(0x100);
        mvhd.zeros(10);
        UNITY.into_iter().for_each(|field| mvhd.u32(field));
        mvhd.zeros(24);
        mvhd.u32(next_track);
    });
}

/// Fields of `tkhd` (section 8.3.2).
pub(super) struct TrackHeader {
    pub(super) flags: u32,
    pub(super) id: u32,
    /// In movie ticks.
    pub(super) duration: u64,
    pub(super) layer: u16,
    pub(super) alternate_group: u16,
    pub(super) volume: u16,
    /// Matrix, width and height.
    pub(super) display: [u8; 44],
}

/// `tkhd`.
pub(super) fn track_header(writer: &mut Writer, fields: &TrackHeader) {
    let version = u8::from(u32::try_from(fields.duration).is_err());
    writer.full(b"tkhd", version, fields.flags, |tkhd| {
        tkhd.zeros(if version == 1 { 16 } else { 8 });
        tkhd.u32(fields.id);
        tkhd.u32(0);
        duration_field(tkhd, version, fields.duration);
        tkhd.zeros(8);
        tkhd.u16(fields.layer);
        tkhd.u16(fields.alternate_group);
        tkhd.u16(fields.volume);
        tkhd.u16(0);
        tkhd.bytes(&fields.display);
    });
}

/// `edts` with the edits of a track: pairs of a duration in movie ticks and a media time.
pub(super) fn edit_list(writer: &mut Writer, edits: &[(u64, i64)]) {
    let fits = |&(duration, time): &(u64, i64)| {
        u32::try_from(duration).is_ok() && i32::try_from(time).is_ok()
    };
    let version = u8::from(!edits.iter().all(fits));
    writer.boxed(b"edts", |edts| {
        edts.full(b"elst", version, 0, |elst| {
            elst.u32(u32::try_from(edits.len()).expect("a few edits"));
            for &(duration, time) in edits {
                if version == 1 {
                    elst.u64(duration);
                    elst.bytes(&time.to_be_bytes());
                } else {
                    elst.u32(u32::try_from(duration).expect("version 0 fits"));
                    elst.bytes(&i32::try_from(time).expect("version 0 fits").to_be_bytes());
                }
                elst.u32(0x1_0000);
            }
        });
    });
}

/// `mdhd` (section 8.4.2). The duration is in track ticks.
pub(super) fn media_header(writer: &mut Writer, timescale: u32, duration: u64, language: &str) {
    let version = u8::from(u32::try_from(duration).is_err());
    writer.full(b"mdhd", version, 0, |mdhd| {
        mdhd.zeros(if version == 1 { 16 } else { 8 });
        mdhd.u32(timescale);
        duration_field(mdhd, version, duration);
        mdhd.u16(packed_language(language));
        mdhd.u16(0);
    });
}

fn duration_field(writer: &mut Writer, version: u8, duration: u64) {
    match version {
        1 => writer.u64(duration),
        _ => writer.u32(u32::try_from(duration).expect("version 0 fits")),
    }
}

/// A language code of three letters with five bits each; "und" for anything else.
pub(super) fn packed_language(language: &str) -> u16 {
    let letters = match language.as_bytes() {
        letters @ [_, _, _] if letters.iter().all(u8::is_ascii_lowercase) => letters,
        _ => b"und",
    };
    letters.iter().fold(0, |packed, letter| packed << 5 | u16::from(letter - 0x60))
}

/// `elng` (section 8.4.6): the language as a BCP 47 tag.
pub(super) fn extended_language(writer: &mut Writer, tag: &str) {
    writer.full(b"elng", 0, 0, |elng| {
        elng.bytes(tag.as_bytes());
        elng.zeros(1);
    });
}

/// `hdlr` (section 8.4.3).
pub(super) fn handler(writer: &mut Writer, handler: &[u8; 4], name: &str) {
    writer.full(b"hdlr", 0, 0, |hdlr| {
        hdlr.u32(0);
        hdlr.bytes(handler);
        hdlr.zeros(12);
        hdlr.bytes(name.as_bytes());
        hdlr.zeros(1);
    });
}

/// The media header of a kind of track (`vmhd`, `smhd` or `nmhd`, section 12), and `dinf` (8.7.1), which
/// refers to the same file.
pub(super) fn media_kind(writer: &mut Writer, handler: &[u8; 4]) {
    match handler {
        b"vide" => writer.full(b"vmhd", 0, 1, |vmhd| vmhd.zeros(8)),
        b"soun" => writer.full(b"smhd", 0, 0, |smhd| smhd.zeros(4)),
        _ => writer.full(b"nmhd", 0, 0, |_| {}),
    }
    data_information(writer, 1);
}

/// `dinf` (section 8.7.1) with data references, each to the same file.
pub(super) fn data_information(writer: &mut Writer, references: usize) {
    writer.boxed(b"dinf", |dinf| {
        dinf.full(b"dref", 0, 0, |dref| {
            dref.u32(u32::try_from(references).expect("a few"));
            for _ in 0..references {
                dref.full(b"url ", 0, 1, |_| {});
            }
        });
    });
}
