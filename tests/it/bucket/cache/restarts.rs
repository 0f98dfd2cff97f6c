//! What a cache has after its process ended, in good order or not.

use std::{
    collections::BTreeSet,
    env,
    fs::File,
    io::{self, BufRead as _, BufReader, Read as _},
    os::unix::fs::FileExt as _,
    path::Path,
    process::{Child, Command, Stdio},
};

use super::*;

/// The variable that names the folder of a child's cache.
const CHILD_FOLDER: &str = "TEST_CACHE_FOLDER";

/// Nine shelves, of which the last one is not full.
fn film() -> Object {
    Object::new(1, 8 * SHELF + 5 * MIB + 321)
}

/// Runs this test binary as a child with the cache in a folder, until it prints that it is done.
fn child(test: &str, folder: &Path) -> Child {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", &format!("bucket::cache::restarts::{test}"), "--ignored", "--nocapture"])
        .env(CHILD_FOLDER, folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.map(Result::unwrap).any(|line| line.ends_with("done")), "the child failed");
    child
}

/// How many shelves have chunks in their pages.
fn listed_shelves(folder: &Path) -> usize {
    let is_listed = |path: &PathBuf| {
        let mut bitmap = [0; 32];
        let read =
            File::open(path).and_then(|file| file.read_exact_at(&mut bitmap, SHELF as u64 + 48));
        read.is_ok() && bitmap != [0; 32]
    };
    shelf_files(folder).iter().filter(|path| is_listed(path)).count()
}

#[test]
fn after_a_restart_everything_is_still_there() {
    let (folder, film) = (tempfile::tempdir().unwrap(), film());
    let cache = open(folder.path(), 1 << 30);
    film.store_all(&cache);
    let before = cache.usage();
    assert_eq!(before.miss_bytes, film.id.size);
    drop(cache);
    let cache = open(folder.path(), 1 << 30);
    assert!(cache.object(&film.id).piece(0).is_none(), "nothing is present before it is checked");
    let missing = film.look_up(&cache);
    assert_eq!((missing, cache.usage().corrupt), (0, 0));
    until("all is counted", || cache.usage().bytes == before.bytes);
}

#[test]
fn a_cache_is_counted_without_a_look_up_and_the_budget_holds() {
    let (folder, film) = (tempfile::tempdir().unwrap(), film());
    film.store_all(&open(folder.path(), 1 << 30));
    assert_eq!(shelf_files(folder.path()).len(), 9);
    let cache = open(folder.path(), 64 * MIB);
    until("old shelves are evicted", || (3..5).contains(&shelf_files(folder.path()).len()));
    until("the rest is counted", || {
        let bytes = cache.usage().bytes as usize;
        bytes > 2 * SHELF && bytes <= 64 * MIB
    });
}

#[test]
#[ignore = "a child of the next test"]
fn child_fills_a_cache() {
    let Some(folder) = env::var_os(CHILD_FOLDER) else { return };
    let folder = Path::new(&folder);
    let cache = open(folder, 1 << 30);
    film().store_all(&cache);
    until("the pages of full shelves are written", || listed_shelves(folder) >= 8);
    println!("done");
    // Until it is killed, or the parent ends.
    let _ = io::stdin().read(&mut [0]);
}

#[test]
fn a_killed_process_loses_only_what_no_page_lists() {
    let (folder, film) = (tempfile::tempdir().unwrap(), film());
    let mut child = child("child_fills_a_cache", folder.path());
    let refused = Cache::open(settings(folder.path(), 1 << 30)).unwrap_err().to_string();
    assert!(refused.contains(&folder.path().display().to_string()), "{refused}");
    assert!(refused.contains("another process uses it"), "{refused}");
    child.kill().unwrap();
    child.wait().unwrap();
    let cache = open(folder.path(), 1 << 30);
    let missing = film.look_up(&cache);
    assert!(missing * 100 <= film.bytes.len() * 60, "{missing} of {} bytes", film.bytes.len());
    assert_eq!(cache.usage().corrupt, 0);
    // What is missing is stored again, and then all is right.
    film.store_all(&cache);
    assert_eq!(film.look_up(&cache), 0);
}

#[test]
fn a_changed_byte_on_the_disk_is_noticed_and_its_chunk_is_missing() {
    let (folder, film) = (tempfile::tempdir().unwrap(), film());
    film.store_all(&open(folder.path(), 1 << 30));
    let mut state = 7;
    let mut random = |below: usize| {
        state = next_random(state);
        (state % below as u64) as usize
    };
    let mut damaged = BTreeSet::new();
    for path in shelf_files(folder.path()) {
        let file = File::options().read(true).write(true).open(&path).unwrap();
        let number: usize = path.file_name().unwrap().to_str().unwrap().parse().unwrap();
        let length = (film.bytes.len() - number * SHELF).min(SHELF);
        for _ in 0..20 {
            let at = random(length);
            let mut byte = [0];
            file.read_exact_at(&mut byte, at as u64).unwrap();
            // Another bit each time, so that no flip takes one back.
            let place = damaged.iter().filter(|(_, _, other)| *other == at).count();
            file.write_all_at(&[byte[0] ^ (1 << (place % 8))], at as u64).unwrap();
            damaged.insert((number, at / CHUNK, at));
        }
    }
    let chunks: BTreeSet<(usize, usize)> =
        damaged.iter().map(|(shelf, chunk, _)| (*shelf, *chunk)).collect();
    let cache = open(folder.path(), 1 << 30);
    let missing = film.look_up(&cache);
    assert_eq!(cache.usage().corrupt as usize, chunks.len());
    assert_eq!(missing.div_ceil(CHUNK), chunks.len());
    film.store_all(&cache);
    assert_eq!(film.look_up(&cache), 0);
}

#[test]
fn a_damaged_page_costs_its_shelf_and_is_counted() {
    let (folder, film) = (tempfile::tempdir().unwrap(), film());
    film.store_all(&open(folder.path(), 1 << 30));
    let file = File::options().write(true).open(&shelf_files(folder.path())[3]).unwrap();
    file.write_all_at(&[1], SHELF as u64 + 2000).unwrap();
    let cache = open(folder.path(), 1 << 30);
    assert_eq!((film.look_up(&cache), cache.usage().corrupt), (SHELF, 1));
}

#[test]
fn a_copy_of_the_folder_at_any_moment_has_no_wrong_byte() {
    let (outer, film) = (tempfile::tempdir().unwrap(), Object::new(3, 2 * SHELF + 3 * MIB));
    let folder = outer.path().join("cache");
    let cache = open(&folder, 1 << 30);
    let cached = cache.object(&film.id);
    let copies: Vec<PathBuf> =
        (0..6).map(|number| outer.path().join(format!("copy-{number}"))).collect();
    std::thread::scope(|scope| {
        let stored = scope.spawn(|| {
            let end = film.bytes.len();
            for at in (0..end).step_by(4 * CHUNK) {
                film.store(&cached, at..(at + 4 * CHUNK).min(end));
                cache.close();
            }
        });
        for copy in &copies {
            copy_shelves(&folder, copy);
        }
        stored.join().unwrap();
    });
    for copy in copies {
        // `look_up` compares all that is present.
        film.look_up(&open(&copy, 1 << 30));
    }
    copy_shelves(&folder, &outer.path().join("last"));
    assert_eq!(film.look_up(&open(&outer.path().join("last"), 1 << 30)), 0);
}

/// Copies the files of shelves, as they are at that moment.
fn copy_shelves(from: &Path, to: &Path) {
    for file in shelf_files(from) {
        let copy = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::copy(&file, &copy).unwrap();
    }
}
