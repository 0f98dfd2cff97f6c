//! Queries of a catalog of a hundred thousand titles in a thousand folders, and its memory.

use std::{fs, hint::black_box, path::Path, time::SystemTime};

use criterion::Criterion;
use headwater::{
    extent::disk::Version,
    library::{
        Facts, MediaPath, Title, TitleKind,
        catalog::{Catalog, Query, Scope, SortBy},
    },
};

const FOLDERS: usize = 1000;
const TITLES: usize = 100_000;

fn path(number: usize) -> MediaPath {
    let (folder, episode) = (number % FOLDERS, number / FOLDERS);
    let path = format!("Series {folder:04}/Episode {episode:03} - A name of usual length.mp4");
    MediaPath::from_path(Path::new(&path)).expect("a path")
}

fn title(number: usize) -> Title {
    Title {
        path: path(number),
        size_bytes: number as u64 * 7919 % 1_000_003,
        modified: SystemTime::UNIX_EPOCH,
        version: Version::default(),
        facts: None,
    }
}

fn facts(number: usize) -> Facts {
    Facts {
        kind: TitleKind::Video,
        duration_ms: Some(number as u64 * 104_729 % 7_200_000),
        size: Some((1920, 1080)),
        is_hdr: Some(false),
        has_poster: true,
    }
}

/// The resident memory of this process, in bytes.
fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.unwrap_or_default() << 10
}

pub fn catalog(criterion: &mut Criterion) {
    let before = resident_bytes();
    let catalog = Catalog::new(1, TITLES);
    for number in 0..TITLES {
        catalog.note_scanned([title(number)], 1);
    }
    catalog.note_facts((0..TITLES).map(|number| (path(number), Version::default(), facts(number))));
    let bytes = resident_bytes().saturating_sub(before);
    println!("catalog: {} bytes of memory a title", bytes / TITLES as u64);
    let mut group = criterion.benchmark_group("catalog of 100,000 titles");
    let folder = || path(500).parent();
    for (name, scope, search, sort_by, offset) in [
        ("first page", Scope::All, "", SortBy::Path, 0),
        ("last page", Scope::All, "", SortBy::Path, TITLES - 100),
        ("top folder", Scope::Folder(None), "", SortBy::Name, 0),
        ("one folder by name", Scope::Folder(folder()), "", SortBy::Name, 0),
        ("all by duration", Scope::All, "", SortBy::Duration, 0),
        ("search for two words", Scope::All, "episode 042", SortBy::Name, 0),
        ("search for nothing", Scope::All, "zzz", SortBy::Name, 0),
    ] {
        let search = search.to_owned();
        let query = Query { scope, search, sort_by, descending: false, offset, limit: 100 };
        group.bench_function(name, |bencher| bencher.iter(|| catalog.query(black_box(&query))));
    }
    group.finish();
}
