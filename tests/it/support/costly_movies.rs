//! Movies that cost time or memory: small or sparse files that claim a very large index.

use crate::support::{
    broken_movies::{BrokenMovie, nested},
    movies::{Plan, boxed, fragmented, full, plain, table, words},
};

/// The depth of deeply nested boxes.
const DEPTH: usize = 100_000;

/// A movie whose `moov` holds these boxes, behind this much media.
fn movie(media: usize, traks: &[u8]) -> Vec<u8> {
    let ftyp = boxed(b"ftyp", &[b"isom", &[0; 4]]);
    [ftyp, boxed(b"mdat", &[&vec![0x55; media]]), moov(traks)].concat()
}

fn moov(traks: &[u8]) -> Vec<u8> {
    let mvhd = full(b"mvhd", 0, 0, &[&words([0, 0, 1000, 1000]), &[0; 80]]);
    boxed(b"moov", &[&mvhd, traks])
}

/// A box whose size field exceeds it.
fn head(kind: &[u8; 4], size: u64) -> Vec<u8> {
    match u32::try_from(size) {
        Ok(size) => [&size.to_be_bytes()[..], kind].concat(),
        Err(_) => [&1_u32.to_be_bytes()[..], kind, &size.to_be_bytes()].concat(),
    }
}

/// A `trak` of video or audio with these tables.
fn trak(plan: &Plan, tables: &[Vec<u8>]) -> Vec<u8> {
    plan.trak(0, &tables.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

/// This many tracks, of this many samples each.
pub fn stacked(tracks_count: u32, count: u32, delta: u32) -> Vec<u8> {
    movie(1 << 14, &tracks(tracks_count, &overlapping(count, 1 << 10, delta)))
}

/// A million frames, of which only the first is a key frame.
pub fn endless_group() -> Vec<u8> {
    let mut tables = overlapping(1 << 20, 1 << 10, 512).to_vec();
    tables.push(table(b"stss", 0, 1, &[1]));
    movie(1 << 20, &tracks(1, &tables))
}

/// Tables of this many samples of one byte each, all of them in the first bytes of the media.
fn overlapping(count: u32, per_chunk: u32, delta: u32) -> [Vec<u8>; 4] {
    [
        table(b"stts", 0, 2, &[count, delta]),
        table(b"stsc", 0, 3, &[1, per_chunk, 1]),
        full(b"stsz", 0, 0, &[&words([1, count])]),
        table(b"stco", 0, 1, &vec![24; count.div_ceil(per_chunk) as usize]),
    ]
}

fn tracks(count: u32, tables: &[Vec<u8>]) -> Vec<u8> {
    let trak = |id| match id {
        1 => trak(&Plan::video(id, 0), tables),
        id => trak(&Plan::audio(id, 0), tables),
    };
    (1..=count).flat_map(trak).collect()
}

/// All of them, one after the other, because together they are long.
pub fn costly(each: &mut dyn FnMut(BrokenMovie)) {
    deep_and_many(each);
    samples(each);
    fragments(each);
    long(each);
}

fn deep_and_many(each: &mut dyn FnMut(BrokenMovie)) {
    let clean = plain(&[Plan::video(1, 48), Plan::audio(2, 90)]);
    let ftyp = boxed(b"ftyp", &[b"isom", &[0; 4]]);
    for kind in [b"moov", b"trak", b"mdia", b"udta", b"free"] {
        let deep = nested(kind, DEPTH, Vec::new());
        let how = format!("{DEPTH} {} in each other", kind.escape_ascii());
        each(BrokenMovie::new(format!("{how} in front"), [&ftyp, &deep, &clean[16..]].concat()));
        each(BrokenMovie::new(format!("{how} in an index"), movie(100, &deep)));
        let both = [tracks(2, &overlapping(100, 10, 512)), deep].concat();
        each(BrokenMovie::new(format!("{how} in an index that is one"), movie(100, &both)));
    }
    for kind in [b"free", b"mdat", b"moof", b"moov", b"uuid", b"junk"] {
        let many = boxed(kind, &[]).repeat(1_000_000);
        let how = format!("a million {}", kind.escape_ascii());
        each(BrokenMovie::new(format!("{how} in front"), [&ftyp, &many, &clean[16..]].concat()));
        each(BrokenMovie::new(format!("{how} behind"), [&clean, &many[..]].concat()));
        let sixty = tracks(64, &overlapping(100, 10, 512));
        each(BrokenMovie::new(
            format!("{how} behind 64 tracks"),
            [movie(100, &sixty), many.clone()].concat(),
        ));
        each(BrokenMovie::new(
            format!("{how} in an index"),
            movie(100, &[tracks(2, &overlapping(100, 10, 512)), many].concat()),
        ));
    }
    let plan = Plan::video(1, 0);
    let tables = overlapping(100, 10, 512);
    let whole = trak(&plan, &tables);
    let many = boxed(b"trak", &[&boxed(b"mdia", &[&boxed(b"minf", &[]).repeat(500)])]).repeat(400);
    each(BrokenMovie::new("a tree of boxes", movie(100, &[whole, many].concat())));
    for count in [64, 65, 200, 5000] {
        each(BrokenMovie::new(format!("{count} tracks"), movie(100, &tracks(count, &tables))));
    }
    let edits = table(b"elst", 0, 3, &[40, 0, 0x1_0000].repeat(500_000));
    let mut plan = Plan::video(1, 0);
    plan.edits.clear();
    let long = trak(&plan, &tables);
    let edited = [&long[8..], &boxed(b"edts", &[&edits])].concat();
    each(BrokenMovie::new("half a million edits", movie(100, &boxed(b"trak", &[&edited]))));
    let mut plan = Plan::video(1, 0);
    let more = boxed(b"free", &[&vec![0; 65_000]]);
    let size = u32::try_from(plan.entry.len() + more.len()).unwrap().to_be_bytes();
    plan.entry = [&size, &plan.entry[4..], &more].concat();
    let many =
        (1..=64).flat_map(|id| trak(&Plan { id, ..plan.clone() }, &tables)).collect::<Vec<_>>();
    each(BrokenMovie::new("64 entries of 65 KB", movie(100, &many)));
    let pssh = boxed(b"pssh", &[&vec![0; 65_000]]).repeat(1000);
    each(BrokenMovie::new("a thousand pssh", movie(100, &[tracks(2, &tables), pssh].concat())));
}

fn samples(each: &mut dyn FnMut(BrokenMovie)) {
    for (count, per_chunk, tracks_count) in [
        (1 << 20, 1 << 10, 1),
        (1 << 20, 1 << 10, 64),
        (1 << 25, 1 << 14, 1),
        (1 << 25, 1 << 14, 64),
    ] {
        for delta in [0, 1, 512, 6 * 48_000] {
            let tables = overlapping(count, per_chunk, delta);
            let how = format!(
                "{tracks_count} tracks of {count} samples of {delta} ticks on top of each other"
            );
            each(BrokenMovie::new(how, movie(1 << 14, &tracks(tracks_count, &tables))));
        }
    }
    // One sync sample, so that all is one segment.
    each(BrokenMovie::new("a GOP of a million frames", endless_group()));
    // No chunk is contiguous with the next.
    let tables = [
        table(b"stts", 0, 2, &[1 << 19, 512]),
        table(b"stsc", 0, 3, &[1, 1, 1]),
        full(b"stsz", 0, 0, &[&words([1, 1 << 19])]),
        table(b"stco", 0, 1, &(0..1 << 19).map(|chunk| 24 + 2 * chunk).collect::<Vec<_>>()),
    ];
    each(BrokenMovie::new("scattered samples", movie(1 << 20, &tracks(2, &tables))));
    let mut single = tables.to_vec();
    single.push(table(b"stss", 0, 1, &[1]));
    each(BrokenMovie::new("scattered samples of one segment", movie(1 << 20, &tracks(1, &single))));
    // Each table as long as can be.
    let count = 1 << 19;
    let tables = [
        table(
            b"stts",
            0,
            2,
            &(0..count).flat_map(|sample| [1, 500 + sample % 2]).collect::<Vec<_>>(),
        ),
        table(b"ctts", 0, 2, &(0..count).flat_map(|sample| [1, sample % 3]).collect::<Vec<_>>()),
        table(b"stsc", 0, 3, &(1..=count).flat_map(|chunk| [chunk, 1, 1]).collect::<Vec<_>>()),
        full(b"stsz", 0, 0, &[&words([0, count]), &words((0..count).map(|sample| 1 + sample % 2))]),
        table(b"stco", 0, 1, &(0..count).map(|chunk| 24 + 3 * chunk).collect::<Vec<_>>()),
        table(b"stss", 0, 1, &(1..=count).step_by(2).collect::<Vec<_>>()),
    ];
    each(BrokenMovie::new("long tables", movie(2 << 20, &tracks(2, &tables))));
    let mut tables = overlapping(1000, 10, 512);
    tables[1] = table(b"stsc", 0, 3, &[1, 1, 1].repeat(1 << 20));
    each(BrokenMovie::new("a million runs of no duration", movie(1000, &tracks(2, &tables))));
    let mut tables = overlapping(1000, 10, 512);
    tables[0] = table(b"stts", 0, 2, &[[0, 512].repeat(1 << 20), vec![1000, 512]].concat());
    each(BrokenMovie::new("a million durations of nothing", movie(1000, &tracks(2, &tables))));
    let mut tables = overlapping(1000, 10, 512).to_vec();
    tables.push(table(b"stss", 0, 1, &vec![0; 1 << 20]));
    each(BrokenMovie::new("a million syncs at zero", movie(1000, &tracks(2, &tables))));
    for (bits, count, length) in [(4, 1 << 23, 1 << 22), (8, 1 << 22, 1 << 22)] {
        let mut tables = overlapping(1000, count, 512).to_vec();
        tables[0] = table(b"stts", 0, 2, &[count, 512]);
        tables[2] = full(b"stz2", 0, 0, &[&words([bits, count]), &vec![0; length]]);
        each(BrokenMovie::new(
            format!("{count} samples of nothing"),
            movie(1000, &tracks(2, &tables)),
        ));
    }
}

fn fragments(each: &mut dyn FnMut(BrokenMovie)) {
    let clean = fragmented(&[Plan::video(1, 48), Plan::audio(2, 90)]);
    let moof = |id: u32, size: u32, duration: u32, count: u32| {
        let tfhd = full(b"tfhd", 0, 0x2_0018, &[&words([id, duration, size])]);
        let trun = full(b"trun", 0, 0, &[&words([count])]);
        boxed(b"moof", &[&boxed(b"traf", &[&tfhd, &trun])])
    };
    for (size, duration, count) in [
        (0, 0, 1 << 18),
        (0, 512, 1 << 18),
        (1, 512, 1 << 10),
        (0, u32::MAX, 1 << 18),
        (0, 48_000 * 6, 1 << 18),
        (0, 1, 1),
    ] {
        let many = moof(1, size, duration, count).repeat(2000);
        let how = format!("2000 fragments of {count} samples of {size} bytes and {duration} ticks");
        each(BrokenMovie::new(how, [&clean[..], &many].concat()));
    }
    let many = moof(9, 0, 0, 1).repeat(100_000);
    let sixty = tracks(64, &overlapping(100, 10, 512));
    each(BrokenMovie::new(
        "64 tracks and fragments of none",
        [movie(100, &sixty), many.clone()].concat(),
    ));
    let mut empty = overlapping(0, 10, 512);
    empty[3] = table(b"stco", 0, 1, &[]);
    let sixty = tracks(64, &empty);
    each(BrokenMovie::new("64 tracks in fragments of none", [movie(100, &sixty), many].concat()));
    let sixty_in_one = (1..=64).flat_map(|id| {
        let moof = moof(id, 1, 512, 2);
        moof[8..].to_vec()
    });
    let moof = boxed(b"moof", &[&sixty_in_one.collect::<Vec<_>>()]);
    each(BrokenMovie::new(
        "fragments of 64 tracks",
        [movie(100, &sixty), moof.repeat(2000)].concat(),
    ));
    let tiny = boxed(b"moof", &[&boxed(b"traf", &[&boxed(b"trun", &[]).repeat(400)]).repeat(400)]);
    each(BrokenMovie::new(
        "fragments of tiny boxes",
        [movie(100, &sixty), tiny.repeat(10)].concat(),
    ));
    // A fragment of the largest size, and nothing in it.
    let (length, count) = (4 << 20, 1024);
    let front = movie(100, &sixty);
    let start = front.len() as u64;
    let heads = (0..count).map(|number| (start + number * length, head(b"moof", length)));
    let parts = std::iter::once((0, front.clone())).chain(heads).collect();
    each(BrokenMovie::sparse("long fragments of nothing", parts, start + count * length));
    let traf = boxed(
        b"traf",
        &[&full(b"tfhd", 0, 0x2_0010, &[&words([1, 1])]), &full(b"trun", 0, 0, &[&words([1])])],
    );
    let heads = (0..count)
        .map(|number| (start + number * length, [head(b"moof", length), traf.clone()].concat()));
    let parts = std::iter::once((0, front)).chain(heads).collect();
    each(BrokenMovie::sparse("long fragments of a sample", parts, start + count * length));
}

fn long(each: &mut dyn FnMut(BrokenMovie)) {
    let ftyp = boxed(b"ftyp", &[b"isom", &[0; 4]]);
    let clean = moov(&tracks(2, &overlapping(100, 10, 512)));
    for mib in [255_u64, 300, 5000] {
        let size = mib << 20;
        let at = ftyp.len() as u64;
        let empty = [ftyp.clone(), head(b"moov", size)].concat();
        each(BrokenMovie::sparse(
            format!("an index of {mib} MiB of nothing"),
            vec![(0, empty)],
            at + size,
        ));
        let full = [ftyp.clone(), head(b"moov", size), clean[8..].to_vec()].concat();
        each(BrokenMovie::sparse(format!("an index of {mib} MiB"), vec![(0, full)], at + size));
    }
    each(of_many_samples(1 << 24, 0, 512));
    each(of_many_samples(1 << 24, 4, 512));
}

/// Those that take seconds in a debug build, because they are as long as real files.
pub fn slow(each: &mut dyn FnMut(BrokenMovie)) {
    each(of_many_samples(1 << 25, 0, 8));
    each(of_many_samples(1 << 25, 4, 8));
}

/// A sparse file of samples of one size: empty ones need a size table.
fn of_many_samples(count: u32, bytes: u32, delta: u32) -> BrokenMovie {
    let length = if bytes == 0 { count * 4 } else { 0 };
    let mut tables = overlapping(1000, count, delta).to_vec();
    tables[0] = table(b"stts", 0, 2, &[count, delta]);
    tables[2] = [head(b"stsz", 20 + u64::from(length)), words([0, bytes, count])].concat();
    tables.swap(2, 3);
    // Only the last box of a file may exceed its bytes, together with its containers.
    let trak = trak(&Plan::video(1, 0), &tables);
    let mut front = [boxed(b"ftyp", &[b"isom", &[0; 4]]), moov(&trak)].concat();
    for kind in [b"moov", b"trak", b"mdia", b"minf", b"stbl"] {
        let at = front.windows(4).position(|four| four == kind).unwrap() - 4;
        let size = u32::from_be_bytes(front[at..at + 4].try_into().unwrap()) + length;
        front[at..at + 4].copy_from_slice(&size.to_be_bytes());
    }
    let end = front.len() as u64 + u64::from(length);
    let media = u64::from(count) * u64::from(bytes.max(1));
    let how = format!("{count} samples of {bytes} bytes, sparse");
    BrokenMovie::sparse(how, vec![(0, front), (end, head(b"mdat", media + 8))], end + 8 + media)
}
