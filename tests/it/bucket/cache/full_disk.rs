//! A disk without room for the cache.

use super::*;
use crate::support::folder::Tmpfs;

/// Stores what the disk takes, and returns how many stores it refused.
fn store_what_fits(cache: &Arc<Cache>, film: &Object) -> usize {
    let cached = cache.object(&film.id);
    let end = film.bytes.len();
    let stores = (0..end).step_by(MIB).map(|at| {
        let bytes = &film.bytes[at..(at + MIB).min(end)];
        cached.store(at as u64, bytes).map_err(|error| error.kind())
    });
    let refused = stores.filter(Result::is_err);
    refused.inspect(|error| assert_eq!(*error, Err(ErrorKind::StorageFull))).count()
}

#[test]
fn a_full_disk_evicts_and_what_is_present_is_right() {
    let folder = tempfile::tempdir().unwrap();
    let Some(_small) = Tmpfs::mount(folder.path(), "size=48m") else { return };
    let cache = open(folder.path(), 4 << 30);
    for number in 0..8 {
        let film = Object::new(number, 24 * MIB);
        until("the disk holds one film", || store_what_fits(&cache, &film) == 0);
        assert_eq!(film.look_up(&cache), 0);
    }
    assert!(cache.usage().evicted_bytes > 0);
    assert!(cache.usage().bytes as usize <= 48 * MIB);
    drop(cache);
    let cache = open(folder.path(), 4 << 30);
    let present = |number| 24 * MIB - Object::new(number, 24 * MIB).look_up(&cache);
    assert!((0..8).map(present).sum::<usize>() >= 24 * MIB);
    assert_eq!(cache.usage().corrupt, 0);
}

#[test]
fn a_disk_that_viewers_keep_full_refuses_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let Some(_small) = Tmpfs::mount(folder.path(), "size=48m") else { return };
    let cache = open(folder.path(), 4 << 30);
    // Paused viewers hold their shelves: an eviction frees nothing.
    let films: Vec<Object> = (0..4).map(|number| Object::new(number, SHELF)).collect();
    let held: Vec<_> = films
        .iter()
        .map(|film| {
            store_what_fits(&cache, film);
            film.look_up(&cache);
            cache.object(&film.id).piece(0)
        })
        .collect();
    let other = Object::new(9, SHELF);
    assert!(store_what_fits(&cache, &other) > 0);
    other.look_up(&cache);
    for (film, piece) in films.iter().zip(&held) {
        if let Some(piece) = piece {
            let length = piece.bytes as usize;
            assert!(read(piece, length) == film.bytes[..length]);
        }
    }
    drop(held);
    until("the disk has room again", || store_what_fits(&cache, &other) == 0);
    assert_eq!(other.look_up(&cache), 0);
}

#[test]
fn the_cache_leaves_the_disk_what_must_stay_free() {
    let folder = tempfile::tempdir().unwrap();
    let Some(_small) = Tmpfs::mount(folder.path(), "size=200m") else { return };
    let settings = CacheSettings { min_free_bytes: 100 << 20, ..settings(folder.path(), 4 << 30) };
    let cache = Cache::open(settings.clone()).unwrap();
    for number in 0..12 {
        store_what_fits(&cache, &Object::new(number, SHELF));
    }
    let on_disk = || shelf_files(folder.path()).len() * SHELF;
    until("the cache has shrunk", || on_disk() <= 100 * MIB);
    assert!(!cache.usage().is_full);

    // Others fill the disk.
    fs::write(folder.path().join("other"), vec![0; 90 * MIB]).unwrap();
    until("the cache is full", || cache.usage().is_full);
    assert_eq!(store_what_fits(&cache, &Object::new(99, MIB)), 1);
    fs::remove_file(folder.path().join("other")).unwrap();
    until("the cache has room", || !cache.usage().is_full);
    assert_eq!(store_what_fits(&cache, &Object::new(99, MIB)), 0);
}
