//! Small valid movies, written by code: the broken ones are derived from them.
//!
//! The samples are patterns, not coded frames; an index reader never looks at them.

/// Serializes a box.
pub fn boxed(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let length = 8 + parts.iter().map(|part| part.len()).sum::<usize>();
    let size = u32::try_from(length).expect("a small box").to_be_bytes();
    [&[&size[..], kind], parts].concat().concat()
}

/// A box with version and flags.
pub fn full(kind: &[u8; 4], version: u8, flags: u32, parts: &[&[u8]]) -> Vec<u8> {
    let head = (u32::from(version) << 24 | flags).to_be_bytes();
    boxed(kind, &[&[&head[..]], parts].concat())
}

/// Consecutive 32-bit numbers.
pub fn words(words: impl IntoIterator<Item = u32>) -> Vec<u8> {
    words.into_iter().flat_map(u32::to_be_bytes).collect()
}

/// A table: the number of entries, and the entries.
pub fn table(kind: &[u8; 4], version: u8, width: usize, entries: &[u32]) -> Vec<u8> {
    let count = u32::try_from(entries.len() / width).expect("a small table");
    full(kind, version, 0, &[&words([count]), &words(entries.iter().copied())])
}

/// A length as 32 bits.
fn short(length: usize) -> u32 {
    u32::try_from(length).expect("a small movie")
}

/// A sequence parameter set of 64 by 48, as x264 writes it, and a picture parameter set.
const AVCC: [u8; 38] =
    *b"\x01\x4d\x40\x0a\xff\xe1\x00\x17\x67\x4d\x40\x0a\xec\xa2\x3d\x80\x88\x00\x00\
    \x03\x00\x08\x00\x00\x03\x01\x90\x78\x91\x2c\xb0\x01\x00\x04\x68\xce\x0f\xc8";

/// AAC LC of two channels at 48 kHz.
const ESDS: [u8; 37] =
    *b"\x00\x00\x00\x00\x03\x20\x00\x02\x00\x04\x18\x40\x15\x00\x00\x00\x00\x01\xf4\
    \x00\x00\x01\xf4\x00\x05\x05\x11\x90\x56\xe5\x00\x06\x01\x02\x00\x00\x00";

/// The identity matrix.
const UNITY: [u32; 9] = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000];

/// The plan of a track. Its samples are in the file chunk by chunk, interleaved with those of the
/// other tracks.
#[derive(Clone)]
pub struct Plan {
    pub id: u32,
    pub handler: [u8; 4],
    pub timescale: u32,
    /// The sample entry.
    pub entry: Vec<u8>,
    /// The duration of each sample.
    pub delta: u32,
    pub sizes: Vec<u32>,
    /// Composition offsets, in multiples of `delta`; none if empty.
    pub compositions: Vec<u32>,
    /// The sync sample interval; 1 means that each is one.
    pub sync_every: usize,
    /// Samples per chunk.
    pub per_chunk: usize,
    /// Durations in the movie's ticks and media times.
    pub edits: Vec<(u32, u32)>,
}

impl Plan {
    /// H.264 at 25 frames a second, with two B-frames between others.
    pub fn video(id: u32, frames: usize) -> Self {
        let fields = [&[0; 6][..], &[0, 1], &[0; 16], &[0, 64, 0, 48]].concat();
        let resolution = words([0x48_0000, 0x48_0000, 0]);
        let rest = [&[0, 1][..], &[0; 32], &[0, 24, 0xff, 0xff]].concat();
        let entry = boxed(b"avc1", &[&fields, &resolution, &rest, &boxed(b"avcC", &[&AVCC])]);
        // I P B B P B B, again every twelve frames.
        let composition = |frame: usize| match (frame % 12, frame % 3) {
            (0, _) => 1,
            (_, 1) => 3,
            _ => 0,
        };
        Self {
            id,
            handler: *b"vide",
            timescale: 12_800,
            entry,
            delta: 512,
            sizes: (0..frames)
                .map(|frame| if frame % 12 == 0 { 90 } else { 10 + frame as u32 % 7 })
                .collect(),
            compositions: (0..frames).map(composition).collect(),
            sync_every: 12,
            per_chunk: 6,
            edits: vec![(short(frames) * 40, 512)],
        }
    }

    /// AAC of the same duration.
    pub fn audio(id: u32, frames: usize) -> Self {
        let fields = [&[0; 6][..], &[0, 1], &[0; 8], &[0, 2, 0, 16, 0, 0, 0, 0]].concat();
        let rate = words([48_000 << 16]);
        let entry = boxed(b"mp4a", &[&fields, &rate, &boxed(b"esds", &[&ESDS])]);
        Self {
            id,
            handler: *b"soun",
            timescale: 48_000,
            entry,
            delta: 1024,
            sizes: (0..frames).map(|frame| 6 + frame as u32 % 5).collect(),
            compositions: Vec::new(),
            sync_every: 1,
            per_chunk: 12,
            edits: vec![(short(frames) * 64 / 3, 1024)],
        }
    }

    fn duration(&self) -> u32 {
        short(self.sizes.len()) * self.delta
    }

    fn head(&self, movie_duration: u32) -> Vec<u8> {
        let volume = u32::from(self.handler == *b"soun") << 24;
        let size = if self.handler == *b"vide" { [64 << 16, 48 << 16] } else { [0, 0] };
        let fields = [0, 0, self.id, 0, movie_duration, 0, 0, 0, volume];
        full(b"tkhd", 0, 7, &[&words(fields), &words(UNITY), &words(size)])
    }

    fn edit_list(&self) -> Vec<u8> {
        let entries: Vec<u32> =
            self.edits.iter().flat_map(|&(duration, from)| [duration, from, 0x1_0000]).collect();
        boxed(b"edts", &[&table(b"elst", 0, 3, &entries)])
    }

    /// `trak`, with any tables.
    pub fn trak(&self, movie_duration: u32, tables: &[&[u8]]) -> Vec<u8> {
        let mdhd =
            full(b"mdhd", 0, 0, &[&words([0, 0, self.timescale, self.duration(), 0x55c4_0000])]);
        let hdlr = full(b"hdlr", 0, 0, &[&[0; 4], &self.handler, &[0; 12], b"Track\0"]);
        let header = match &self.handler {
            b"vide" => full(b"vmhd", 0, 1, &[&[0; 8]]),
            _ => full(b"smhd", 0, 0, &[&[0; 4]]),
        };
        let url = full(b"url ", 0, 1, &[]);
        let dinf = boxed(b"dinf", &[&full(b"dref", 0, 0, &[&words([1]), &url])]);
        let stsd = full(b"stsd", 0, 0, &[&words([1]), &self.entry]);
        let stbl = boxed(b"stbl", &[&[&stsd[..]], tables].concat());
        let minf = boxed(b"minf", &[&header, &dinf, &stbl]);
        let mdia = boxed(b"mdia", &[&mdhd, &hdlr, &minf]);
        boxed(b"trak", &[&self.head(movie_duration), &self.edit_list(), &mdia])
    }

    /// The tables, with chunks at these offsets.
    fn tables(&self, chunks: &[u64], is_long: bool) -> Vec<Vec<u8>> {
        let count = self.sizes.len();
        let stts = table(b"stts", 0, 2, &[short(count), self.delta]);
        let runs = self.compositions.iter().flat_map(|offset| [1, offset * self.delta]);
        let ctts = table(b"ctts", 0, 2, &runs.collect::<Vec<_>>());
        let syncs = (0..count).step_by(self.sync_every).map(|sample| short(sample) + 1);
        let stss = table(b"stss", 0, 1, &syncs.collect::<Vec<_>>());
        let mut stsc = vec![1, short(self.per_chunk), 1];
        if !count.is_multiple_of(self.per_chunk) {
            stsc.extend([short(chunks.len()), short(count % self.per_chunk), 1]);
        }
        let stsc = table(b"stsc", 0, 3, &stsc);
        let stsz = full(b"stsz", 0, 0, &[&words([0, short(count)]), &words(self.sizes.clone())]);
        let offsets = match is_long {
            true => {
                let entries: Vec<u8> =
                    chunks.iter().flat_map(|offset| offset.to_be_bytes()).collect();
                full(b"co64", 0, 0, &[&words([short(chunks.len())]), &entries])
            }
            false => {
                let entries: Vec<u32> = chunks
                    .iter()
                    .map(|offset| u32::try_from(*offset).expect("a small file"))
                    .collect();
                table(b"stco", 0, 1, &entries)
            }
        };
        let mut tables = vec![stts, stsc, stsz, offsets];
        if !self.compositions.is_empty() {
            tables.push(ctts);
        }
        if self.sync_every > 1 {
            tables.push(stss);
        }
        tables
    }
}

fn mvhd(duration_ms: u32, next: u32) -> Vec<u8> {
    let head = words([0, 0, 1000, duration_ms, 0x1_0000, 0x100_0000, 0, 0]);
    full(b"mvhd", 0, 0, &[&head, &words(UNITY), &[0; 24], &words([next])])
}

fn duration_ms(plans: &[Plan]) -> u32 {
    let durations =
        plans.iter().map(|plan| u64::from(plan.duration()) * 1000 / u64::from(plan.timescale));
    u32::try_from(durations.max().unwrap_or(0)).expect("short")
}

/// The offset of each chunk of each track, if the first is at `start`; and their total length.
fn interleave(plans: &[Plan], start: u64) -> (Vec<Vec<u64>>, usize) {
    let mut offsets = vec![Vec::new(); plans.len()];
    let mut at = start;
    let most =
        plans.iter().map(|plan| plan.sizes.len().div_ceil(plan.per_chunk)).max().unwrap_or(0);
    for chunk in 0..most {
        for (plan, offsets) in plans.iter().zip(&mut offsets) {
            if let Some(sizes) = plan.sizes.chunks(plan.per_chunk).nth(chunk) {
                offsets.push(at);
                at += u64::from(sizes.iter().sum::<u32>());
            }
        }
    }
    (offsets, usize::try_from(at - start).expect("a small movie"))
}

fn moov(plans: &[Plan], chunks: &[Vec<u64>], is_long: bool, last: &[u8]) -> Vec<u8> {
    let duration = duration_ms(plans);
    let traks = plans.iter().zip(chunks).map(|(plan, chunks)| {
        let tables = plan.tables(chunks, is_long);
        plan.trak(duration, &tables.iter().map(Vec::as_slice).collect::<Vec<_>>())
    });
    let traks = traks.collect::<Vec<_>>().concat();
    boxed(b"moov", &[&mvhd(duration, short(plans.len()) + 1), &traks, last])
}

/// An index of tracks with these tables.
pub fn moov_of(tracks: &[(Plan, Vec<Vec<u8>>)]) -> Vec<u8> {
    let traks = tracks
        .iter()
        .map(|(plan, tables)| plan.trak(0, &tables.iter().map(Vec::as_slice).collect::<Vec<_>>()))
        .collect::<Vec<_>>()
        .concat();
    boxed(b"moov", &[&mvhd(0, short(tracks.len()) + 1), &traks])
}

/// A plain MP4 of these tracks, its index behind the media, so that its length may change without
/// side effects.
pub fn plain(plans: &[Plan]) -> Vec<u8> {
    let ftyp = boxed(b"ftyp", &[b"isom", &[0, 0, 2, 0], b"isomavc1"]);
    let (chunks, length) = interleave(plans, ftyp.len() as u64 + 8);
    let mdat = boxed(b"mdat", &[&pattern(length)]);
    [ftyp, mdat, moov(plans, &chunks, false, &[])].concat()
}

/// The same as QuickTime writes it: the index in front, 64-bit offsets, an empty edit, nested boxes
/// of no use.
pub fn quick_time(plans: &[Plan]) -> Vec<u8> {
    let mut plans = plans.to_vec();
    plans.iter_mut().for_each(|plan| plan.edits.insert(0, (40, u32::MAX)));
    let ftyp = boxed(b"ftyp", &[b"qt  ", &[0; 4], b"qt  "]);
    let wide = boxed(b"wide", &[]);
    let udta = boxed(b"udta", &[&boxed(b"\xa9nam", &[b"\0\x04\0\0name"]), &[0; 4]]);
    let layout = |start| {
        let (chunks, length) = interleave(&plans, start);
        (moov(&plans, &chunks, true, &udta), length)
    };
    let start = ftyp.len() + layout(0).0.len() + wide.len() + 8;
    let (moov, length) = layout(start as u64);
    [ftyp, moov, wide, boxed(b"mdat", &[&pattern(length)])].concat()
}

/// Fragments of twelve frames, with a segment index in front.
pub fn fragmented(plans: &[Plan]) -> Vec<u8> {
    let ftyp = boxed(b"ftyp", &[b"iso6", &[0; 4], b"iso6cmfc"]);
    let empty = [table(b"stts", 0, 2, &[]), table(b"stsc", 0, 3, &[]), table(b"stco", 0, 1, &[])];
    let empty = [&empty[..], &[full(b"stsz", 0, 0, &[&[0; 8]])]].concat();
    let empty: Vec<&[u8]> = empty.iter().map(Vec::as_slice).collect();
    let traks = plans.iter().map(|plan| plan.trak(0, &empty)).collect::<Vec<_>>().concat();
    let trex = plans
        .iter()
        .map(|plan| full(b"trex", 0, 0, &[&words([plan.id, 1, plan.delta, 0, 0x1_0000])]));
    let mvex = boxed(b"mvex", &[&trex.collect::<Vec<_>>().concat()]);
    let moov = boxed(b"moov", &[&mvhd(0, short(plans.len()) + 1), &traks, &mvex]);
    let most =
        plans.iter().map(|plan| plan.sizes.len().div_ceil(plan.per_chunk)).max().unwrap_or(0);
    let fragments: Vec<Vec<u8>> = (0..most).map(|number| fragment(plans, number)).collect();
    let references =
        fragments.iter().flat_map(|fragment| [short(fragment.len()), 480, 0x9000_0000]);
    let references = words(references);
    let count = words([short(most)]);
    let sidx = full(b"sidx", 0, 0, &[&words([1, 1000, 0, 0]), &count, &references]);
    [&[ftyp, moov, sidx][..], &fragments].concat().concat()
}

fn fragment(plans: &[Plan], number: usize) -> Vec<u8> {
    let sizes = |plan: &Plan| {
        let sizes = plan.sizes.chunks(plan.per_chunk).nth(number).unwrap_or_default();
        sizes.iter().sum::<u32>()
    };
    let moof_at = |start: u32| {
        let mut at = start;
        let trafs = plans.iter().map(|plan| {
            let traf = traf(plan, number, at);
            at += sizes(plan);
            traf
        });
        let trafs = trafs.collect::<Vec<_>>().concat();
        boxed(b"moof", &[&full(b"mfhd", 0, 0, &[&words([short(number) + 1])]), &trafs])
    };
    let moof = moof_at(short(moof_at(0).len()) + 8);
    let length: u32 = plans.iter().map(sizes).sum();
    [moof, boxed(b"mdat", &[&pattern(length as usize)])].concat()
}

fn traf(plan: &Plan, number: usize, data_offset: u32) -> Vec<u8> {
    let first = number * plan.per_chunk;
    let samples = first..plan.sizes.len().min(first + plan.per_chunk);
    let tfhd = full(b"tfhd", 0, 0x2_0000, &[&words([plan.id])]);
    let time = short(first) * plan.delta;
    let tfdt = full(b"tfdt", 1, 0, &[&u64::from(time).to_be_bytes()]);
    let entries = samples.clone().flat_map(|sample| {
        let is_sync = sample % plan.sync_every == 0;
        let composition = plan.compositions.get(sample).map_or(0, |offset| offset * plan.delta);
        [plan.sizes[sample], if is_sync { 0x200_0000 } else { 0x101_0000 }, composition]
    });
    let entries = words(entries);
    let head = words([short(samples.len()), data_offset]);
    let trun = full(b"trun", 0, 0xe01, &[&head, &entries]);
    boxed(b"traf", &[&tfhd, &tfdt, &trun])
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

/// One plain movie, one fragmented, one of QuickTime, of some two seconds.
pub fn valid_movies() -> [(&'static str, Vec<u8>); 3] {
    let plans = [Plan::video(1, 48), Plan::audio(2, 90)];
    [
        ("plain", plain(&plans)),
        ("fragmented", fragmented(&plans)),
        ("quick-time", quick_time(&plans)),
    ]
}
