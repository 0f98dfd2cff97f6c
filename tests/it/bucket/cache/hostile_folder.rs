//! A folder that contains what does not belong there.

use std::{fs::File, os::unix::fs::symlink};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::*;

/// What may be in place of a shelf's file.
const DAMAGES: usize = 12;

/// Puts something in place of a shelf's file. `other` is the file of another shelf, `outside` a file that is
/// not in the folder.
fn damage(kind: usize, path: &Path, other: &Path, outside: &Path) {
    let resize = |length: usize| {
        File::options().write(true).open(path).unwrap().set_len(length as u64).unwrap();
    };
    let overwrite = |bytes: &[u8], at: usize| {
        use std::os::unix::fs::FileExt as _;
        File::options().write(true).open(path).unwrap().write_all_at(bytes, at as u64).unwrap();
    };
    let remove = || fs::remove_file(path).unwrap();
    match kind {
        0 => resize(0),
        1 => resize(SHELF + 2048),
        2 => resize(SHELF + MIB),
        3 => resize(5 * MIB),
        4 => overwrite(&[0; 4096], SHELF),
        5 => overwrite(&[255; 2048], SHELF + 2048),
        // The page of another shelf, and all of it.
        6 => overwrite(&fs::read(other).unwrap()[SHELF..], SHELF),
        7 => drop(fs::copy(other, path).unwrap()),
        8 => {
            remove();
            symlink(outside, path).unwrap();
        }
        9 => {
            remove();
            fs::hard_link(outside, path).unwrap();
        }
        10 => {
            remove();
            mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        }
        // The data of another shelf under the right page.
        _ => {
            let bytes = fs::read(other).unwrap();
            overwrite(&bytes[..SHELF / 2], 0);
        }
    }
}

#[test]
fn nothing_in_place_of_a_shelf_is_sent_or_written_through() {
    let outer = tempfile::tempdir().unwrap();
    let (folder, outside) = (outer.path().join("cache"), outer.path().join("outside"));
    let (film, other) = (Object::new(1, 2 * SHELF), Object::new(2, SHELF));
    for kind in 0..DAMAGES {
        // As long as a shelf, so that only its name tells that it is none.
        fs::write(&outside, vec![kind as u8; SHELF + 4096]).unwrap();
        let cache = open(&folder, 1 << 30);
        film.store_all(&cache);
        let films_first =
            shelf_files(&folder).into_iter().find(|path| path.ends_with("1")).unwrap();
        let films_first = films_first.with_file_name("0");
        other.store_all(&cache);
        drop(cache);
        let files = shelf_files(&folder);
        let others = files.iter().find(|path| path.parent() != films_first.parent()).unwrap();
        damage(kind, &films_first, others, &outside);

        let cache = open(&folder, 1 << 30);
        let missing = film.look_up(&cache);
        assert!((1..=SHELF).contains(&missing), "{missing} bytes are missing after {kind}");
        assert_eq!(other.look_up(&cache), 0);
        film.store_all(&cache);
        assert_eq!(film.look_up(&cache), 0, "{kind}");
        drop(cache);
        assert_eq!(film.look_up(&open(&folder, 1 << 30)), 0, "{kind}");
        assert!(fs::read(&outside).unwrap() == vec![kind as u8; SHELF + 4096], "{kind}");
    }
}

#[test]
fn a_directory_in_place_of_a_shelf_costs_only_that_shelf() {
    let folder = tempfile::tempdir().unwrap();
    let film = Object::new(1, 2 * SHELF);
    film.store_all(&open(folder.path(), 1 << 30));
    let first = shelf_files(folder.path()).remove(0);
    fs::remove_file(&first).unwrap();
    fs::create_dir(&first).unwrap();
    let cache = open(folder.path(), 1 << 30);
    assert_eq!(film.look_up(&cache), SHELF);
    let cached = cache.object(&film.id);
    assert!(cached.store(0, &film.bytes[..MIB]).is_err());
    film.store(&cached, SHELF..SHELF + MIB);
    assert_eq!(film.look_up(&cache), SHELF);
    assert!(first.is_dir());
}

#[test]
fn foreign_files_stay_and_a_link_in_place_of_a_directory_leads_nowhere() {
    let outer = tempfile::tempdir().unwrap();
    let (folder, elsewhere) = (outer.path().join("cache"), outer.path().join("elsewhere"));
    let film = Object::new(1, SHELF);
    film.store_all(&open(&folder, 1 << 30));
    let file = shelf_files(&folder).remove(0);
    let upper = file.parent().unwrap().parent().unwrap();
    fs::rename(upper, &elsewhere).unwrap();
    symlink(&elsewhere, upper).unwrap();
    let before = fs::read(&file).unwrap();
    for name in ["holiday.mp4", "zz"] {
        fs::write(folder.join(name), name).unwrap();
    }

    let cache = open(&folder, 64 * MIB);
    assert_eq!(film.look_up(&cache), SHELF);
    assert!(cache.object(&film.id).store(0, &film.bytes).is_err());
    for number in 2..12 {
        let other = Object::new(number, SHELF);
        other.store_all(&cache);
        assert_eq!(other.look_up(&cache), 0);
    }
    assert!(fs::read(&file).unwrap() == before);
    assert_eq!(fs::read(folder.join("holiday.mp4")).unwrap(), b"holiday.mp4");
    assert_eq!(fs::read(folder.join("zz")).unwrap(), b"zz");
}

#[test]
fn files_that_vanish_under_an_open_cache_are_stored_again() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open(folder.path(), 1 << 30);
    let film = Object::new(1, 2 * SHELF);
    film.store_all(&cache);
    for file in shelf_files(folder.path()) {
        fs::remove_file(file).unwrap();
    }
    assert_eq!(film.look_up(&cache), 0, "the shelves are open");
    drop(cache);
    let cache = open(folder.path(), 1 << 30);
    assert_eq!(film.look_up(&cache), 2 * SHELF);
    film.store_all(&cache);
    assert_eq!(film.look_up(&cache), 0);
}
