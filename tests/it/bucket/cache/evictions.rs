//! Shelves that are evicted under their readers.

use std::{
    io::Read as _,
    net::{TcpListener, TcpStream},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use rustix::{
    fs::sendfile,
    io::Errno,
    process::{Resource, Rlimit, getrlimit, setrlimit},
};

use super::*;
use crate::support::wait::block_on;

/// Sends from a piece until the socket takes no more. Returns the number of bytes.
fn send(socket: &TcpStream, piece: &Piece, sent: usize) -> usize {
    let mut total = sent;
    loop {
        let mut offset = piece.offset + total as u64;
        let rest = piece.bytes as usize - total;
        if rest == 0 {
            return total;
        }
        match sendfile(socket, &*piece.shelf, Some(&mut offset), rest) {
            Ok(more) => total += more,
            Err(Errno::AGAIN) => return total,
            Err(error) => panic!("cannot send: {error}"),
        }
    }
}

#[test]
fn bytes_on_their_way_outlast_the_eviction_of_their_shelf() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open(folder.path(), 64 * MIB);
    let film = Object::new(1, SHELF);
    let piece = film.store_all(&cache).piece(0).unwrap();
    assert_eq!(piece.bytes as usize, SHELF);

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let mut viewer = listener.accept().unwrap().0;
    server.set_nonblocking(true).unwrap();
    let sent = send(&server, &piece, 0);
    assert!((1..SHELF).contains(&sent), "the viewer is paused");

    // The paused viewer's shelf goes, and its name with it.
    let shelf_file = shelf_files(folder.path()).pop().unwrap();
    for number in 2..20 {
        Object::new(number, SHELF).store_all(&cache);
    }
    assert!(!shelf_file.exists());
    assert!(cache.object(&film.id).piece(0).is_none());
    assert!(cache.usage().evicted_bytes as usize >= 10 * SHELF);
    assert!(cache.usage().bytes as usize <= 64 * MIB);

    server.set_nonblocking(false).unwrap();
    let received = thread::scope(|scope| {
        let receive = scope.spawn(move || {
            let mut received = Vec::new();
            viewer.read_to_end(&mut received).map(|_| received)
        });
        assert_eq!(send(&server, &piece, sent), SHELF);
        drop(server);
        receive.join().unwrap().unwrap()
    });
    assert!(received == film.bytes);
}

#[test]
fn an_evicted_object_is_fetched_again_into_another_file() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open(folder.path(), 64 * MIB);
    let film = Object::new(1, 5 * MIB);
    let old = film.store_all(&cache).piece(0).unwrap();
    for number in 2..20 {
        Object::new(number, SHELF).store_all(&cache);
    }
    let new = film.store_all(&cache).piece(0).unwrap();
    assert_ne!(old.shelf.page_cache_key(), new.shelf.page_cache_key());
    for piece in [old, new] {
        assert!(read(&piece, 5 * MIB) == film.bytes);
    }
}

#[test]
fn the_files_of_a_cache_stay_within_its_budget() {
    use std::os::unix::fs::MetadataExt as _;
    let folder = tempfile::tempdir().unwrap();
    let cache = open(folder.path(), 64 * MIB);
    for number in 0..30 {
        Object::new(number, 7 * MIB).store_all(&cache);
        let blocks = |path: &PathBuf| fs::metadata(path).unwrap().blocks() * 512;
        let on_disk: u64 = shelf_files(folder.path()).iter().map(blocks).sum();
        // With a page for each shelf.
        assert!(on_disk as usize <= 65 * MIB, "{on_disk} bytes after {number}");
    }
    assert_eq!(cache.usage().miss_bytes as usize, 30 * 7 * MIB);
}

#[test]
fn a_thousand_threads_that_store_read_and_evict_see_no_wrong_byte() {
    const THREADS: u64 = 1000;
    let folder = tempfile::tempdir().unwrap();
    let cache = open(folder.path(), 64 * MIB);
    // Twice as much as the cache may hold.
    let objects: Vec<Object> = (0..16).map(|number| Object::new(number, 8 * MIB + 777)).collect();
    let (compared, evicted) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (cache, objects, compared, evicted) = (&cache, &objects, &compared, &evicted);
            let run = move || {
                let mut state = thread + 1;
                let mut random = |below: usize| {
                    state = next_random(state);
                    (state >> 8) as usize % below
                };
                for _ in 0..8 {
                    let object = &objects[random(objects.len())];
                    let cached = cache.object(&object.id);
                    let at = random(object.bytes.len() / CHUNK) * CHUNK;
                    let end = (at + 4 * CHUNK).min(object.bytes.len());
                    for missing in cached.missing(at as u64..end as u64) {
                        let bytes = &object.bytes[missing.start as usize..missing.end as usize];
                        // It may be evicted as it comes, again and again.
                        let stored = cached.store(missing.start, bytes);
                        let kind = stored.map_err(|error| error.kind());
                        assert!(matches!(kind, Ok(()) | Err(ErrorKind::StorageFull)), "{kind:?}");
                    }
                    let at = at + random(end - at);
                    let Some(piece) = cached.piece(at as u64) else {
                        evicted.fetch_add(1, Ordering::Relaxed);
                        continue;
                    };
                    let length = (piece.bytes as usize).min(2 * CHUNK);
                    assert!(read(&piece, length) == object.bytes[at..at + length]);
                    compared.fetch_add(length, Ordering::Relaxed);
                }
            };
            let stack = thread::Builder::new().stack_size(256 * 1024);
            stack.spawn_scoped(scope, run).unwrap();
        }
    });
    let usage = cache.usage();
    assert!(usage.bytes as usize <= 64 * MIB && usage.corrupt == 0, "{usage:?}");
    assert!(usage.evicted_bytes > 0, "{usage:?}");
    assert!(compared.into_inner() > 100 * MIB, "evicted before use: {}", evicted.into_inner());
    for object in &objects {
        object.look_up(&cache);
    }
}

#[test]
fn more_shelves_than_may_be_open_are_closed_and_found_again() {
    let descriptors = Some(4096);
    let _raised = setrlimit(
        Resource::Nofile,
        Rlimit { current: descriptors, maximum: getrlimit(Resource::Nofile).maximum },
    );
    let folder = tempfile::tempdir().unwrap();
    let cache = open(folder.path(), 1 << 30);
    let objects: Vec<Object> = (0..1100).map(|number| Object::new(number, 1000)).collect();
    for object in &objects {
        object.store_all(&cache);
    }
    let open_files = || {
        let files = fs::read_dir("/proc/self/fd").unwrap().flatten();
        let names = files.flat_map(|file| fs::read_link(file.path()));
        names.filter(|name| name.starts_with(folder.path())).count()
    };
    until("some are closed", || open_files() <= 1030);
    for object in &objects {
        assert_eq!(object.look_up(&cache), 0);
    }
    assert_eq!(cache.usage().corrupt, 0);
}

#[test]
fn reads_of_a_pool_return_what_they_find() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open(folder.path(), 64 * MIB);
    let film = Object::new(1, 3 * CHUNK);
    let cached = cache.object(&film.id);
    let bytes = film.bytes.clone();
    let run = async {
        cached.in_pool(move |object| object.store(0, &bytes)).await.unwrap().unwrap();
        cached.in_pool(|object| object.missing(0..u64::MAX)).await.unwrap()
    };
    assert_eq!(block_on(run), []);
    assert_eq!(film.read_present(&cached), 3 * CHUNK);
    cached.record_hit(5);
    assert_eq!(cache.usage().hit_bytes, 5);
}
