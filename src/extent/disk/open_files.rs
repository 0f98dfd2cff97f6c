//! Files kept open for the next request.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use quick_cache::sync::Cache;
use rustix::io::Errno;

use super::{EntryKind, File, Root, Unavailable, file::FormerState, watched_directories::Moment};
use crate::{shares::ClientKey, sys::file::Links};

/// The interval between look-ups of a watched name, which repair the loss of an event.
const REVALIDATE_WATCHED_AFTER: Duration = Duration::from_secs(300);

/// Open files by their path below the root.
///
/// A name is looked up again `revalidate_after` its last look-up; where the kernel
/// [watches](super::watched_directories) the directories, minutes after it. A file in steady use is
/// looked up in the background, one look-up at a time, while requests go on using it for as long again.
/// An event, or a changed link count, ends the use at once. Whatever the age, a local file's status is
/// read for each request (each 10 ms under a [lease](super::file_lease)), so that the response has the present
/// length and version.
#[derive(Debug)]
pub(super) struct OpenFiles {
    files: Cache<PathBuf, Arc<File>>,
    revalidate_after: Duration,
    /// The last state of files that were closed after a change, to detect growth.
    former: Cache<PathBuf, FormerState>,
}

/// The error of a file that cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no such regular file inside the root, or it may not be read.
    #[error("no such file")]
    NotFound,
    /// The disk did not respond.
    #[error(transparent)]
    Unavailable(Unavailable),
    /// The file cannot be served as it is; with the reason.
    #[error("{0}")]
    Refused(String),
    /// The disk reported an error that does not concern the name.
    #[error("cannot open the file: {0}")]
    Io(io::Error),
}

impl From<Unavailable> for OpenError {
    fn from(unavailable: Unavailable) -> Self {
        match unavailable {
            Unavailable::Panicked => Self::Io(io::Error::other(unavailable)),
            unavailable => Self::Unavailable(unavailable),
        }
    }
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        // A client gets "not found" alike for names that cannot exist, lead outside, loop, pass through a
        // file, or may not be read.
        let errno = error.raw_os_error().map(Errno::from_raw_os_error);
        match errno {
            Some(
                Errno::NOENT
                | Errno::NOTDIR
                | Errno::XDEV
                | Errno::LOOP
                | Errno::NAMETOOLONG
                | Errno::INVAL
                | Errno::NXIO
                | Errno::NODEV
                | Errno::ACCESS
                | Errno::PERM,
            ) => Self::NotFound,
            None if error.kind() == io::ErrorKind::NotFound => Self::NotFound,
            // Renames all over the system, or a lease on the file that is still being broken.
            Some(Errno::AGAIN) => Self::Unavailable(Unavailable::Busy),
            _ if is_out_of_descriptors(&error) => Self::Unavailable(Unavailable::NoDescriptor),
            // The root is not open, or the server of its file system is gone.
            Some(Errno::NOTCONN) => Self::Unavailable(Unavailable::Offline),
            _ => Self::Io(error),
        }
    }
}

fn is_out_of_descriptors(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(errno, Some(Errno::MFILE | Errno::NFILE))
}

impl OpenFiles {
    pub(super) fn new(capacity: usize, revalidate_after: Duration) -> Self {
        Self { files: Cache::new(capacity), revalidate_after, former: Cache::new(capacity) }
    }

    fn forget(&self, path: &Path) {
        if let Some((path, file)) = self.files.remove(path) {
            file.forget();
            self.former.insert(path, file.former_state());
        }
    }

    fn forget_below(&self, path: &Path) {
        self.forget_all(|kept, _| kept.starts_with(path));
    }

    fn forget_removed(&self) {
        self.forget_all(|_, file| file.is_removed());
    }

    fn forget_all(&self, is_stale: impl Fn(&Path, &File) -> bool) {
        self.files.retain(|path, file| {
            let is_stale = is_stale(path, file);
            if is_stale {
                file.forget();
            }
            !is_stale
        });
    }
}

impl Root {
    /// Drops the open file of this path after a change.
    pub fn forget(&self, relative: &Path) {
        self.watched.note_change();
        self.open_files.forget(relative);
    }

    /// Drops all open files below this path, which is a directory or gone.
    pub fn forget_below(&self, relative: &Path) {
        self.watched.note_change();
        self.open_files.forget_below(relative);
    }

    /// Drops all open files that have lost their last name, whose disk space no other file can use. Events
    /// report most removals, but not those that happen while a file is being opened, nor where nothing is
    /// watched.
    pub fn forget_removed(&self) {
        self.open_files.forget_removed();
    }

    /// Opens a regular file for reading, in its present state.
    ///
    /// Concurrent calls for one path cause one open. Cancelling a call is harmless: another call that
    /// waits for the same path takes over. The pool's deadline covers the whole wait.
    pub async fn open_file(self: &Arc<Self>, path: &Path) -> Result<Arc<File>, OpenError> {
        match self.kept_file(path) {
            Ok(file) => Ok(file),
            Err(stale) => {
                let opening = self.open_in_pool(path, stale);
                let opened = tokio::time::timeout(self.pool.deadline(), opening).await;
                opened.map_err(|_elapsed| self.pool.log(Unavailable::Deadline))?
            }
        }
    }

    /// As [`open_file`](Self::open_file) without waiting; `None` unless the file is open, its name was
    /// looked up or watched, and its status is in memory.
    pub fn open_file_now(self: &Arc<Self>, path: &Path) -> Option<Arc<File>> {
        self.kept_file(path).ok().filter(|file| file.is_nonblocking())
    }

    /// The open file of a path in its present state; an error, with the open file if there is one, when
    /// the name must be looked up first.
    fn kept_file(self: &Arc<Self>, path: &Path) -> Result<Arc<File>, Option<Arc<File>>> {
        let kept = self.open_files.files.get(path).ok_or(None)?;
        let now = Instant::now();
        let (age, revalidate_after) = (kept.look_up_age(now), self.revalidate_after(&kept));
        if age > revalidate_after * 2 || kept.is_forgotten() {
            return Err(Some(kept));
        }
        if age > revalidate_after {
            self.look_up_in_background(path, &kept);
        }
        let is_watched = kept.is_watched(self.watched.epoch());
        if !kept.is_nonblocking() || kept.was_checked(now, is_watched) {
            return Ok(kept);
        }
        match kept.current_identity() {
            Ok(found) if found == *kept.identity() => {
                kept.note_checked(now);
                Ok(kept)
            }
            // The file may have lost its name, or may just be written, which only a disk thread can decide.
            Ok(_) | Err(_) => Err(Some(kept)),
        }
    }

    fn revalidate_after(&self, kept: &File) -> Duration {
        let revalidate_after = self.open_files.revalidate_after;
        // 0 requires a look-up for each request, whatever the kernel reports. A file whose status is not
        // read for each request changes without an event of its name.
        let is_watched = kept.is_nonblocking() && kept.is_watched(self.watched.epoch());
        if is_watched && !revalidate_after.is_zero() {
            revalidate_after.max(REVALIDATE_WATCHED_AFTER)
        } else {
            revalidate_after
        }
    }

    /// Updates the cache with the present state of a kept file: a file that has grown keeps its descriptor and
    /// gets a new length. Blocks: for disk threads only.
    fn keep(&self, path: &Path, kept: Arc<File>) -> io::Result<Arc<File>> {
        let file = kept.in_settled_state()?;
        if file.identity() == kept.identity() {
            return Ok(kept);
        }
        // A rename of the file moves its ctime as a write does.
        kept.note_unwatched();
        let file = Arc::new(file);
        self.open_files.files.insert(path.to_owned(), Arc::clone(&file));
        Ok(file)
    }

    /// Looks a kept file's name up early, so that no request has to wait for it.
    fn look_up_in_background(self: &Arc<Self>, path: &Path, kept: &Arc<File>) {
        if !kept.begin_look_up() {
            return;
        }
        let (root, path, kept) = (Arc::clone(self), path.to_owned(), Arc::clone(kept));
        self.pool.run_detached(ClientKey::current(), move || {
            let (moment, begun) = (root.watched.now(), Instant::now());
            let is_watched = root.watch_directories_of(&path);
            match root.look_up_watched(&path, is_watched) {
                Ok((EntryKind::File(found), is_watched)) if found.same_file(kept.identity()) => {
                    kept.note_look_up(begun);
                    if let Ok(kept) = root.keep(&path, Arc::clone(&kept)) {
                        root.note_coverage(&kept, moment, is_watched);
                    }
                }
                _ => {
                    kept.forget();
                    let is_same = |file: &Arc<File>| file.same_descriptor(&kept);
                    root.open_files.files.remove_if(&path, is_same);
                }
            }
            kept.end_look_up();
        });
    }

    /// Opens a file, or confirms that the `stale` one still has its name, in one call in the disk pool.
    async fn open_in_pool(
        self: &Arc<Self>,
        path: &Path,
        stale: Option<Arc<File>>,
    ) -> Result<Arc<File>, OpenError> {
        let OpenFiles { files, former, .. } = &self.open_files;
        // Removed, so that all requests for the file wait for one look-up.
        if let Some(stale) = &stale {
            files.remove_if(path, |kept| Arc::ptr_eq(kept, stale));
        }
        let mut opened_at = None;
        let open = async {
            let (root, relative) = (Arc::clone(self), path.to_owned());
            // A file that a writer has opened is forgotten without a change of its name.
            let forgotten = stale.as_deref().filter(|stale| stale.is_forgotten());
            let former = former.remove(path).map(|(_, former)| former);
            let former = former.or_else(|| forgotten.map(File::former_state));
            let call = move || root.open_blocking(&relative, stale.as_deref(), former.as_ref());
            let opening = self.pool.run_joinable(ClientKey::current(), path, call);
            let opened = opening.await?.inspect_err(|error| {
                if is_out_of_descriptors(error) {
                    // Those that no response uses are free for the next caller.
                    files.retain(|_, kept| Arc::strong_count(kept) > 1);
                }
            });
            let (file, moment, is_watched) =
                opened.map_err(|error| self.open_error(path, error))?;
            opened_at = Some((moment, is_watched));
            Ok::<_, OpenError>(Arc::new(file))
        };
        self.pool.join(ClientKey::current(), path);
        let file = files.get_or_insert_async(path, open).await?;
        if let Some((moment, is_watched)) = opened_at {
            self.note_coverage(&file, moment, is_watched);
        }
        Ok(file)
    }

    /// Notes, once a file is in the cache, whether events cover it. A change since `moment` may concern
    /// this file, and came too early to find it in the cache.
    fn note_coverage(&self, file: &File, moment: Moment, is_watched: bool) {
        if !self.watched.is_unchanged_since(moment) {
            file.expire();
        } else if is_watched {
            file.note_watched(moment.epoch());
        }
    }

    fn open_blocking(
        self: &Arc<Self>,
        path: &Path,
        stale: Option<&File>,
        former: Option<&FormerState>,
    ) -> io::Result<(File, Moment, bool)> {
        let (moment, begun) = (self.watched.now(), Instant::now());
        let is_watched = self.watch_directories_of(path);
        if let Some(stale) = stale.filter(|stale| !stale.is_forgotten())
            && let Ok((EntryKind::File(found), is_watched)) = self.look_up_watched(path, is_watched)
            && found.same_file(stale.identity())
        {
            stale.note_look_up(begun);
            stale.note_unwatched();
            return Ok((stale.in_settled_state()?, moment, is_watched));
        }
        let open = |links| File::open(self, path, links);
        let (file, is_watched) = without_links(is_watched, open)?;
        let file = match former {
            Some(former) => file.with_former_state(former),
            None => file,
        };
        Ok((file, moment, is_watched))
    }

    /// Looks a name up; also returns whether watches cover it.
    fn look_up_watched(&self, path: &Path, is_watched: bool) -> io::Result<(EntryKind, bool)> {
        without_links(is_watched, |links| self.look_up_blocking(path, links))
    }
}

/// Resolves a path whose directories are watched, without links, because no watch covers their targets. A
/// path with a link is resolved with links, and counts as not watched.
fn without_links<T>(
    is_watched: bool,
    resolve: impl Fn(Links) -> io::Result<T>,
) -> io::Result<(T, bool)> {
    if is_watched {
        match resolve(Links::Refused) {
            Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {}
            resolved => return Ok((resolved?, true)),
        }
    }
    Ok((resolve(Links::Followed)?, false))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink, thread::sleep, time::Duration};

    use tempfile::TempDir;

    use super::{super::*, *};
    use crate::extent::{
        ReadAt as _, Source as _,
        disk::testing::{block_on, until},
    };

    /// Short, so that only a watched file is used without a look-up.
    const REVALIDATE_AFTER: Duration = Duration::from_millis(1);

    /// A root with these files, each holding its own path.
    fn root(files: &[&str]) -> (TempDir, Arc<Root>) {
        root_that_revalidates_after(REVALIDATE_AFTER, files)
    }

    fn root_that_revalidates_after(
        revalidate_after: Duration,
        files: &[&str],
    ) -> (TempDir, Arc<Root>) {
        let folder = tempfile::tempdir().expect("a folder");
        for file in files {
            put(&folder, file, file);
        }
        let pool = DiskPoolSettings { threads: 2, queue: 16, deadline: Duration::from_secs(60) };
        let settings = RootSettings {
            pool,
            open_files: 100,
            revalidate_after,
            // Each request reads the status of a file that is not quiet.
            quiet_period: Some(Duration::from_secs(3600)),
        };
        let opening = Root::open("test", folder.path(), Buffers::new(1 << 20), settings);
        let root = block_on(opening).expect("a root");
        (folder, root)
    }

    fn put(folder: &TempDir, name: &str, content: &str) {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        fs::write(path, content).expect("a file");
    }

    fn text(file: &File) -> String {
        let mut bytes = vec![0; usize::try_from(file.len()).expect("small")];
        file.blocking_reader().read_exact_at(0, &mut bytes).expect("all of it");
        String::from_utf8(bytes).expect("text")
    }

    fn content(root: &Arc<Root>, path: &str) -> Option<String> {
        block_on(root.open_file(Path::new(path))).ok().map(|file| text(&file))
    }

    /// Whether the file is used without a look-up although its last one is too old.
    fn is_ready(root: &Arc<Root>, path: &str) -> bool {
        sleep(REVALIDATE_AFTER * 10);
        root.open_file_now(Path::new(path)).is_some()
    }

    #[test]
    fn a_removed_file_is_closed_although_no_event_reports_it() {
        let (folder, root) = root(&["real/kept", "real/removed"]);
        // Behind a link nothing is watched.
        symlink("real", folder.path().join("link")).expect("a link");
        for name in ["link/kept", "link/removed"] {
            content(&root, name).expect("a file");
        }
        let open = || {
            let targets = fs::read_dir("/proc/self/fd").expect("a process").flatten();
            let targets = targets.filter_map(|entry| fs::read_link(entry.path()).ok());
            targets.filter(|target| target.starts_with(folder.path().join("real"))).count()
        };
        fs::remove_file(folder.path().join("real/removed")).expect("a file");
        assert_eq!(open(), 2, "nobody closes it");
        root.forget_removed();
        until("it is closed", || open() == 1);
        assert_eq!(content(&root, "link/removed"), None);
        assert_eq!(content(&root, "link/kept").as_deref(), Some("real/kept"));
    }

    #[test]
    fn a_file_whose_directories_are_watched_is_not_looked_up_again() {
        let (_folder, root) = root(&["a.mp4", "deep/er/b.mp4"]);
        for path in ["a.mp4", "deep/er/b.mp4"] {
            assert_eq!(content(&root, path).as_deref(), Some(path));
            assert!(is_ready(&root, path), "{path}");
        }
    }

    #[test]
    fn a_replaced_file_is_never_used_again() {
        let (folder, root) = root(&["a.mp4", "deep/b.mp4"]);
        for round in 0..100 {
            for path in ["a.mp4", "deep/b.mp4"] {
                content(&root, path).expect("a file");
                let new = format!("{path} in round {round}");
                put(&folder, "new", &new);
                fs::rename(folder.path().join("new"), folder.path().join(path)).expect("renamed");
                // Also before the event arrives.
                assert_eq!(content(&root, path), Some(new));
            }
        }
        fs::remove_file(folder.path().join("a.mp4")).expect("removed");
        assert_eq!(content(&root, "a.mp4"), None);
    }

    #[test]
    fn a_file_under_a_replaced_directory_is_dropped_by_the_event() {
        let (folder, root) = root(&["deep/er/a.mp4", "new/er/a.mp4", "kept/b.mp4"]);
        let at = |name: &str| folder.path().join(name);
        assert_eq!(content(&root, "deep/er/a.mp4").as_deref(), Some("deep/er/a.mp4"));
        assert!(is_ready(&root, "deep/er/a.mp4"));
        fs::rename(at("deep"), at("old")).expect("renamed");
        fs::rename(at("new"), at("deep")).expect("renamed");
        until("the event arrives", || {
            content(&root, "deep/er/a.mp4").as_deref() == Some("new/er/a.mp4")
        });
        // The new directories are watched too.
        until("it is watched again", || {
            content(&root, "deep/er/a.mp4");
            is_ready(&root, "deep/er/a.mp4")
        });
        fs::rename(at("deep/er/a.mp4"), at("deep/er/b.mp4")).expect("renamed");
        until("the file is gone", || content(&root, "deep/er/a.mp4").is_none());
        assert_eq!(content(&root, "deep/er/b.mp4").as_deref(), Some("new/er/a.mp4"));
    }

    #[test]
    fn the_growth_of_a_file_without_status_checks_is_noticed() {
        let (folder, root) = root_that_revalidates_after(Duration::from_millis(50), &["a.mp4"]);
        let file = block_on(root.open_file(Path::new("a.mp4"))).expect("a file");
        // As on a network file system.
        file.stop_sending();
        put(&folder, "a.mp4", "longer than before");
        until("the look-up in the background finds it", || {
            content(&root, "a.mp4").as_deref() == Some("longer than before")
        });
    }

    #[test]
    fn a_file_behind_a_link_is_looked_up_because_no_watch_covers_the_target() {
        let (folder, root) = root(&["one/a.mp4", "two/a.mp4"]);
        let link = |to: &str| {
            symlink(to, folder.path().join("next")).expect("a link");
            fs::rename(folder.path().join("next"), folder.path().join("now")).expect("renamed");
        };
        link("one");
        symlink("one/a.mp4", folder.path().join("file.mp4")).expect("a link");
        for path in ["now/a.mp4", "file.mp4"] {
            assert_eq!(content(&root, path).as_deref(), Some("one/a.mp4"));
            assert!(!is_ready(&root, path), "{path}");
        }
        link("two");
        sleep(REVALIDATE_AFTER * 10);
        assert_eq!(content(&root, "now/a.mp4").as_deref(), Some("two/a.mp4"));
    }

    #[test]
    fn lost_events_end_the_use_of_every_file() {
        let (_folder, root) = root(&["a.mp4"]);
        content(&root, "a.mp4").expect("a file");
        assert!(is_ready(&root, "a.mp4"));
        root.watched.reset();
        assert!(!is_ready(&root, "a.mp4"));
        content(&root, "a.mp4").expect("looked up");
        assert!(is_ready(&root, "a.mp4"), "watched again");
    }

    #[test]
    fn a_change_between_the_look_up_and_the_cache_requires_another_look_up() {
        let (folder, root) = root(&["a.mp4"]);
        let path = Path::new("a.mp4");
        let (file, moment, is_watched) = root.open_blocking(path, None, None).expect("a file");
        put(&folder, "new", "new");
        fs::rename(folder.path().join("new"), folder.path().join("a.mp4")).expect("renamed");
        until("the event arrives", || !root.watched.is_unchanged_since(moment));
        let file = Arc::new(file);
        root.open_files.files.insert(path.to_owned(), Arc::clone(&file));
        root.note_coverage(&file, moment, is_watched);
        assert!(is_watched && root.open_file_now(path).is_none());
        assert_eq!(content(&root, "a.mp4").as_deref(), Some("new"));
    }

    #[test]
    fn a_root_that_is_dropped_ends_its_thread() {
        let (_folder, root) = root(&["a.mp4"]);
        content(&root, "a.mp4").expect("a file");
        let weak = Arc::downgrade(&root);
        drop(root);
        until("nothing holds the root", || weak.strong_count() == 0);
    }
}
