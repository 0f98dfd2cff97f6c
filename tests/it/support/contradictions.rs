//! Movies whose tables and fragments contradict each other.

use crate::support::{
    box_patches::{of_kind, patched, replaced},
    broken_movies::{BrokenMovie, nested, noise},
    movies::{Plan, boxed, fragmented, full, plain, table, words},
};

/// Tables and fragments that are valid one by one and contradict each other.
pub fn contradicting() -> Vec<BrokenMovie> {
    let mut all = Vec::new();
    tables(&mut all);
    times(&mut all);
    entries(&mut all);
    fragments(&mut all);
    for length in [0, 1, 7, 8, 9, 100, 5000] {
        all.push(BrokenMovie::new(format!("noise of {length}"), noise(length)));
        let ftyp = boxed(b"ftyp", &[b"isom", &[0; 4]]);
        all.push(BrokenMovie::new(
            format!("noise of {length} behind a head"),
            [ftyp, noise(length)].concat(),
        ));
    }
    all
}

fn plans() -> [Plan; 2] {
    [Plan::video(1, 48), Plan::audio(2, 90)]
}

/// A plain movie with another box in place of each of a type.
fn with(how: &str, kind: &[u8; 4], other: &[u8]) -> BrokenMovie {
    let mut file = plain(&plans());
    for place in of_kind(&file, kind).into_iter().rev() {
        file = replaced(&file, place.start..place.end, other);
    }
    BrokenMovie::new(format!("{} {how}", kind.escape_ascii()), file)
}

fn tables(all: &mut Vec<BrokenMovie>) {
    let max = u32::MAX;
    for (how, runs) in [
        ("that go back", vec![1, 6, 1, 5, 6, 1, 2, 6, 1, 1, 6, 1]),
        ("of no duration", [1, 1, 1].repeat(500)),
        ("that begin with nothing", vec![1, 0, 1, 3, 6, 1]),
        ("of nothing", vec![1, 0, 1]),
        ("of nothing, many", [1, 0, 1].repeat(500)),
        ("that begin late", vec![max, 6, 1]),
        ("that begin at zero", vec![0, 6, 1]),
        ("of very many", vec![1, max, 1]),
        ("of another description", vec![1, 6, 2]),
        ("of several descriptions", vec![1, 6, 1, 3, 6, 2]),
        ("of a missing sample description", vec![1, 6, 0]),
        ("that end with nothing up to the last", vec![1, 6, 1, 2, 0, 1, max, 1, 1]),
        ("none", vec![]),
    ] {
        all.push(with(&format!("runs {how}"), b"stsc", &table(b"stsc", 0, 3, &runs)));
    }
    for (how, version, width, entries) in [
        ("at the end of the file", 0, 1, vec![4000; 20]),
        ("beyond the file", 0, 1, vec![max; 20]),
        ("that overlap", 0, 1, vec![40; 20]),
        ("in turn forth and back", 0, 1, [2000, 100].repeat(10)),
        ("at zero", 0, 1, vec![0; 20]),
        ("none", 0, 1, vec![]),
    ] {
        all.push(with(
            &format!("chunks {how}"),
            b"stco",
            &table(b"stco", version, width, &entries),
        ));
    }
    for (how, entries) in [
        ("that wrap", [max, max].repeat(20)),
        ("that wrap with the first sample", [max, max - 20].repeat(20)),
        ("near the end of numbers", [0x7fff_ffff, max].repeat(20)),
    ] {
        all.push(with(&format!("long chunks {how}"), b"stco", &table(b"co64", 0, 2, &entries)));
    }
    for (how, equal, count, rest) in [
        ("one byte each, many", 1, 1 << 20, vec![]),
        ("one byte each, as many as can be", 1, max, vec![]),
        ("one byte each, as many as are looked at", 1, 1 << 25, vec![]),
        ("very large", max, 90, vec![]),
        ("none", 0, 0, vec![]),
        ("zero each", 0, 1000, vec![0; 1000]),
        ("largest each", 0, 90, vec![max; 90]),
    ] {
        let stsz = full(b"stsz", 0, 0, &[&words([equal, count]), &words(rest)]);
        all.push(with(&format!("sizes {how}"), b"stsz", &stsz));
    }
    for (bits, count, length) in [
        (4, 90, 45),
        (8, 90, 90),
        (16, 90, 180),
        (0, 90, 90),
        (3, 90, 90),
        (32, 90, 360),
        (4, max, 45),
        (16, max, 8),
    ] {
        let stz2 = full(b"stz2", 0, 0, &[&words([bits, count]), &vec![0x11; length]]);
        all.push(with(
            &format!("compact sizes of {bits} bits, {count}, in {length}"),
            b"stsz",
            &stz2,
        ));
    }
    for (how, entries) in [
        ("that go back", vec![40, 30, 20, 10, 1]),
        ("of no duration", vec![1; 500]),
        ("at zero", vec![0; 20]),
        ("beyond the last", vec![max; 3]),
        ("none", vec![]),
        ("late", vec![47]),
    ] {
        all.push(with(&format!("syncs {how}"), b"stss", &table(b"stss", 0, 1, &entries)));
    }
}

fn times(all: &mut Vec<BrokenMovie>) {
    let max = u32::MAX;
    for (how, runs) in [
        ("zero", vec![90, 0]),
        ("zero with a last", vec![47, 0, max, 1]),
        ("largest", vec![90, max]),
        ("counted by nothing", [0, 512].repeat(500)),
        ("of too few", vec![1, 512]),
        ("of too many", vec![max, 512]),
        ("negative", vec![90, 1 << 31]),
        ("one long", vec![1, max, 89, 1]),
        ("none", vec![]),
    ] {
        all.push(with(&format!("durations {how}"), b"stts", &table(b"stts", 0, 2, &runs)));
    }
    for (how, runs) in [
        ("largest", vec![48, 0x7fff_ffff]),
        ("most negative", vec![48, 1 << 31]),
        ("in turn", [1, 1 << 31, 1, 0x7fff_ffff].repeat(24)),
        ("falling", (0..48).flat_map(|frame| [1, (48 - frame) * 1024]).collect()),
        ("so that all are at once", (0..48).flat_map(|frame| [1, (48 - frame) * 512]).collect()),
        ("counted by nothing", [0, 512].repeat(500)),
        ("none", vec![]),
    ] {
        for version in [0, 1] {
            let ctts = table(b"ctts", version, 2, &runs);
            all.push(with(&format!("compositions {how}, version {version}"), b"ctts", &ctts));
        }
    }
    let one = 0x1_0000;
    for (how, version, width, edits) in [
        ("largest", 0, 3, vec![max, 0x7fff_ffff, one]),
        ("empty and largest", 0, 3, vec![max, max, one, max, 0x7fff_ffff, one]),
        ("nothing but empty ones", 0, 3, [max, max, one].repeat(2000)),
        ("many that jump", 0, 3, [40, 512, one, 40, 0, one].repeat(1000)),
        ("of no time", 0, 3, vec![0, 512, one]),
        ("one tick", 0, 3, vec![1, 0, one]),
        ("behind the end", 0, 3, vec![1000, 0x0fff_ffff, one]),
        ("most negative", 0, 3, vec![1000, 1 << 31, one]),
        ("long and largest", 1, 5, vec![max, max, 0x7fff_ffff, max, one]),
        ("long and most negative", 1, 5, vec![max, max, 1 << 31, 0, one, 1, 0, 0, 0, one]),
        ("long and empty", 1, 5, [max, max, max, max, one].repeat(3)),
        (
            "long, empty and then largest",
            1,
            5,
            vec![max, max, max, max, one, max, max, 0x7fff_ffff, max, one],
        ),
        ("long, half", 1, 5, vec![0x3fff_ffff, max, max, max, one, 0x3fff_ffff, max, 0, 0, one]),
        ("none", 0, 3, vec![]),
    ] {
        all.push(with(&format!("edits {how}"), b"elst", &table(b"elst", version, width, &edits)));
    }
    let clean = plain(&plans());
    for (kind, at) in [(b"mvhd", 20), (b"mdhd", 20)] {
        for (place, timescale) in of_kind(&clean, kind).iter().flat_map(|place| {
            [0, 1, 1000, 90_000, 1 << 31, max].map(|timescale: u32| (place.clone(), timescale))
        }) {
            let how = format!("timescale of {} at {} is {timescale}", place.path, place.start);
            all.push(BrokenMovie::new(
                how,
                patched(&clean, place.start + at, &timescale.to_be_bytes()),
            ));
        }
    }
    // Long gaps by edits, durations and a coarse timescale together.
    let mut plans = plans();
    plans.iter_mut().for_each(|plan| plan.timescale = 1);
    all.push(BrokenMovie::new("ticks of a second", plain(&plans)));
    plans.iter_mut().for_each(|plan| plan.delta = 1);
    all.push(BrokenMovie::new("samples of a second", plain(&plans)));
}

fn entries(all: &mut Vec<BrokenMovie>) {
    let clean = plain(&plans());
    for place in of_kind(&clean, b"stsd") {
        let entry = place.start + 16..place.end;
        for at in (entry.start + 8..entry.end).step_by(2) {
            for fill in [[0; 2], [0xff; 2]] {
                let how = format!("{} byte {} is {fill:?}", place.path, at - entry.start);
                all.push(BrokenMovie::new(format!("{how} at {at}"), patched(&clean, at, &fill)));
            }
        }
        for kind in [
            b"hvc1",
            b"hev1",
            b"av01",
            b"vp09",
            b"vp08",
            b"avc3",
            b"encv",
            b"enca",
            b"mp4a",
            b"mp4v",
            b"ac-3",
            b"ec-3",
            b"Opus",
            b"fLaC",
            b"alac",
            b".mp3",
            b"sowt",
            b"lpcm",
            b"tx3g",
            b"wvtt",
            b"stpp",
            b"tmcd",
            b"jpeg",
            b"dvh1",
            b"\0\0\0\0",
            b"\xff\xff\xff\xff",
        ] {
            let how = format!("entry at {} called {}", entry.start, kind.escape_ascii());
            all.push(BrokenMovie::new(how, patched(&clean, entry.start + 4, kind)));
        }
        for length in [0, 8, 16, 35, 36, 85, 86] {
            let length = length.min(entry.len());
            let cut = &clean[entry.start..entry.start + length];
            let mut cut = cut.to_vec();
            if length >= 4 {
                cut[..4].copy_from_slice(&u32::try_from(length).unwrap().to_be_bytes());
            }
            let how = format!("entry at {} of {length} bytes", entry.start);
            all.push(BrokenMovie::new(how, replaced(&clean, entry.clone(), &cut)));
        }
        let deep = nested(b"sinf", 100, boxed(b"frma", &[b"avc1"]));
        let inside = [&clean[entry.clone()], &deep].concat();
        let size = u32::try_from(inside.len()).unwrap().to_be_bytes();
        let how = format!("entry at {} with a hundred boxes in each other", entry.start);
        all.push(BrokenMovie::new(
            how,
            replaced(&clean, entry.clone(), &patched(&inside, 0, &size)),
        ));
    }
    for place in of_kind(&clean, b"hdlr") {
        for handler in
            [b"vide", b"soun", b"text", b"sbtl", b"subt", b"tmcd", b"meta", b"hint", b"\0\0\0\0"]
        {
            let how = format!("handler at {} is {}", place.start, handler.escape_ascii());
            all.push(BrokenMovie::new(how, patched(&clean, place.start + 16, handler)));
        }
    }
}

fn fragments(all: &mut Vec<BrokenMovie>) {
    let clean = fragmented(&plans());
    let mut add = |how: &str, bytes| all.push(BrokenMovie::new(format!("fragments {how}"), bytes));
    let tfdts = of_kind(&clean, b"tfdt");
    for time in [i64::MAX as u64, u64::MAX, 1 << 63, (1 << 63) - 2000, 1 << 40, 0] {
        let time: [u8; 8] = time.to_be_bytes();
        add(&format!("the first at {time:?}"), patched(&clean, tfdts[0].start + 12, &time));
        let last = tfdts.last().unwrap().start + 12;
        add(&format!("the last at {time:?}"), patched(&clean, last, &time));
        let each =
            tfdts.iter().fold(clean.clone(), |file, tfdt| patched(&file, tfdt.start + 12, &time));
        add(&format!("all at {time:?}"), each);
    }
    let tfhd = |flags, fields: &[u8]| full(b"tfhd", 0, flags, &[&words([1]), fields]);
    let trun = |flags, fields: &[u32]| full(b"trun", 0, flags, &[&words(fields.iter().copied())]);
    let max = u32::MAX;
    for (how, tfhd, trun) in [
        ("a base that wraps", tfhd(1, &[0xff; 8]), trun(0xe01, &[2, 100, 5, 0, 0, 5, 0, 0])),
        (
            "a base near the end of numbers",
            tfhd(1, &(i64::MAX as u64).to_be_bytes()),
            trun(0x201, &[1, 0x7fff_ffff, max]),
        ),
        ("data before the file", tfhd(0x2_0000, &[]), trun(0x201, &[1, 1 << 31, 5])),
        ("data behind the file", tfhd(0x2_0000, &[]), trun(0x201, &[1, 0x7fff_ffff, 5])),
        ("a run without fields of many", tfhd(0x2_0000, &[]), trun(0, &[1 << 18])),
        ("a run without fields of too many", tfhd(0x2_0000, &[]), trun(0, &[max])),
        ("a run of many of one byte", tfhd(0x2_0010, &words([1])), trun(0, &[1 << 18])),
        ("a run of many of the largest", tfhd(0x2_0010, &words([max])), trun(0, &[1 << 18])),
        ("a run of many that last longest", tfhd(0x2_0008, &words([max])), trun(0, &[1 << 18])),
        ("a run whose fields are not there", tfhd(0x2_0000, &[]), trun(0xf05, &[1000])),
        ("a run of nothing", tfhd(0x2_0000, &[]), trun(0xf01, &[0, 0])),
        ("fields that are not there", full(b"tfhd", 0, 0x3b, &[&words([1])]), trun(0, &[1])),
        ("no samples", tfhd(0x1_0000, &[]), trun(0, &[0])),
        ("another description", tfhd(0x2_0002, &words([9])), trun(0x201, &[1, 500, 5])),
    ] {
        let mut file = clean.clone();
        for (kind, other) in [(b"trun", &trun), (b"tfhd", &tfhd)] {
            let place = of_kind(&file, kind).swap_remove(0);
            file = replaced(&file, place.start..place.end, other);
        }
        add(&format!("first with {how}"), file);
    }
    // Fragments without `mvex`, and fragments that are all the same.
    let mvex = of_kind(&clean, b"mvex").swap_remove(0);
    add("without mvex", replaced(&clean, mvex.start..mvex.end, &[]));
    let moof = of_kind(&clean, b"moof").swap_remove(0);
    let once = &clean[moof.start..];
    add("all over again", [&clean[..], once, once].concat());
    let moofs = of_kind(&clean, b"moof");
    let ends = moofs.iter().skip(1).map(|moof| moof.start).chain([clean.len()]);
    let mut backwards: Vec<&[u8]> =
        moofs.iter().zip(ends).map(|(moof, end)| &clean[moof.start..end]).collect();
    backwards.reverse();
    add("in the wrong order", [&clean[..moof.start], &backwards.concat()].concat());
    add("behind a movie in tables", [plain(&plans()), once.to_vec()].concat());
}
