//! A disk that hangs on demand.
//!
//! It is a FUSE file system in its own process (this binary again, see [`disk_process`]). As a
//! thread of the tests it would keep a killed test from ending: the test's threads would wait for
//! responses of a file system that waits for the process to end. As a process it ends when its
//! standard input does, with the tests, and unmounts.

use std::{
    env,
    ffi::OsStr,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{self, Child, ChildStderr, ChildStdin, Command, Stdio},
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
    time::{Duration, UNIX_EPOCH},
};

use fuser::{
    Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, LockOwner,
    MountOption, OpenFlags, ReplyAttr, ReplyData, ReplyDirectory, ReplyEntry, ReplyOpen,
    ReplyStatfs, Request,
};
use tempfile::TempDir;

use crate::support::folder::pattern;

/// The variable with the mount point, for the process of the disk.
const MOUNT: &str = "TEST_MOUNT";

/// The length of each file, in bytes.
const LENGTH: usize = 4 << 20;

/// The content of each file.
pub static CONTENT: LazyLock<Vec<u8>> = LazyLock::new(|| pattern(LENGTH));

/// Reads before this offset never hang, so that a response can begin.
pub const HELD_FROM: u64 = 1 << 20;

/// A mounted disk that can hang. It holds files named `0.mp4` to `9.mp4`.
pub struct HangingDisk {
    folder: TempDir,
    process: Child,
    orders: Option<ChildStdin>,
    reports: BufReader<ChildStderr>,
}

impl HangingDisk {
    /// Mounts one. `None`, and a printed line, where that is not permitted.
    pub fn mount() -> Option<Self> {
        let folder = TempDir::new().expect("a temporary folder");
        let mut process = Command::new(env::current_exe().expect("this program"))
            .args(["--exact", "support::hanging_disk::disk_process", "--nocapture"])
            .env(MOUNT, folder.path())
            // In its own process group, out of reach of a signal that ends the tests: it has to
            // unmount.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the process of the disk");
        let orders = process.stdin.take();
        let reports = BufReader::new(process.stderr.take().expect("piped"));
        let mut disk = Self { folder, process, orders, reports };
        match disk.next_report().as_str() {
            "mounted" => Some(disk),
            refused => {
                eprintln!(
                    "this test did not run: no FUSE file system can be mounted here: {refused}"
                );
                None
            }
        }
    }

    /// The mount point.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// From now on calls of this kind (`lookup`, `getattr`, `open`, `opendir`, `statfs`, `read`, or
    /// `all` of them) hang.
    pub fn hold(&mut self, kind: &str) {
        self.order(&format!("hold {kind}"));
    }

    /// Completes all hanging calls, and hangs no further one.
    pub fn release(&mut self) {
        self.order("release");
    }

    /// Waits until another call hangs.
    pub fn wait_until_a_call_hangs(&mut self) {
        while self.next_report() != "a call hangs" {}
    }

    fn order(&mut self, order: &str) {
        let orders = self.orders.as_mut().expect("open until it is dropped");
        writeln!(orders, "{order}").expect("the disk's process listens");
        while self.next_report() != "done" {}
    }

    fn next_report(&mut self) -> String {
        let mut line = String::new();
        let read = self.reports.read_line(&mut line).expect("text");
        assert!(read > 0, "the process of the disk has ended");
        line.trim_end().to_owned()
    }
}

impl Drop for HangingDisk {
    fn drop(&mut self) {
        self.orders = None;
        let _ = self.process.wait();
    }
}

/// Not a test: the work of the disk's process, when a test has started it.
#[test]
fn disk_process() {
    let Some(mount) = env::var_os(MOUNT) else {
        return;
    };
    let disk = Disk::default();
    let mut config = fuser::Config::default();
    config.mount_options = vec![MountOption::RO, MountOption::FSName("hanging".into())];
    let served = disk.clone();
    let session = fuser::Session::new(served, &mount, &config).and_then(fuser::Session::spawn);
    let _session = match session {
        Ok(session) => session,
        Err(error) => {
            eprintln!("{error}");
            return;
        }
    };
    eprintln!("mounted");
    for order in std::io::stdin().lines().map_while(Result::ok) {
        match order.strip_prefix("hold ") {
            Some(kind) => disk.lock().held_kind = Some(kind.into()),
            None => disk.release(),
        }
        eprintln!("done");
    }
    // Lazily, because a server may still have it open. When this process ends, the kernel fails
    // every hanging call.
    let lazily = [("umount", "-l"), ("fusermount3", "-uz"), ("fusermount", "-uz")];
    let _ = lazily.iter().find(|(program, flag)| {
        let mut unmount = Command::new(program);
        let unmount = unmount.arg(flag).arg(&mount).stderr(Stdio::null()).status();
        unmount.is_ok_and(|status| status.success())
    });
    process::exit(0);
}

#[derive(Clone, Default)]
struct Disk(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    held_kind: Option<String>,
    held: Vec<Box<dyn FnOnce() + Send>>,
}

impl Disk {
    /// Completes a call now, or on release.
    fn complete(&self, kind: &str, complete: impl FnOnce() + Send + 'static) {
        let mut state = self.lock();
        match state.held_kind.as_deref() {
            Some(held) if held == kind || held == "all" => {
                state.held.push(Box::new(complete));
                eprintln!("a call hangs");
            }
            _ => {
                drop(state);
                complete();
            }
        }
    }

    fn release(&self) {
        let mut state = self.lock();
        state.held_kind = None;
        let held = std::mem::take(&mut state.held);
        drop(state);
        held.into_iter().for_each(|complete| complete());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Inode numbers: 10 for `0.mp4` and so on.
const FILES: std::ops::Range<u64> = 10..20;

/// No caching in the kernel, so that every call arrives here.
const FORGET: Duration = Duration::ZERO;

fn attributes(number: INodeNo) -> FileAttr {
    let is_root = number == INodeNo::ROOT;
    let time = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    FileAttr {
        ino: number,
        size: if is_root { 0 } else { LENGTH as u64 },
        blocks: 0,
        atime: time,
        mtime: time,
        ctime: time,
        crtime: time,
        kind: if is_root { FileType::Directory } else { FileType::RegularFile },
        perm: 0o755,
        nlink: 1,
        uid: 0,
        gid: 0,
        rdev: 0,
        flags: 0,
        blksize: 4096,
    }
}

impl Filesystem for Disk {
    fn lookup(&self, _: &Request, _: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let number =
            FILES.clone().find(|number| name == format!("{}.mp4", number - FILES.start).as_str());
        self.complete("lookup", move || match number {
            Some(number) => reply.entry(&FORGET, &attributes(INodeNo(number)), Generation(0)),
            None => reply.error(Errno::ENOENT),
        });
    }

    fn getattr(&self, _: &Request, number: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        self.complete("getattr", move || reply.attr(&FORGET, &attributes(number)));
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        self.complete("open", move || reply.opened(FileHandle(0), FopenFlags::empty()));
    }

    fn opendir(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        self.complete("opendir", move || reply.opened(FileHandle(0), FopenFlags::empty()));
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        self.complete("statfs", move || reply.statfs(0, 0, 0, 0, 0, 512, 255, 0));
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let kind = if offset < HELD_FROM { "early read" } else { "read" };
        self.complete(kind, move || {
            let start = usize::try_from(offset).expect("small").min(LENGTH);
            let end = (start + size as usize).min(LENGTH);
            reply.data(&CONTENT[start..end]);
        });
    }

    fn readdir(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let number = |number| FILES.start + number;
        for file in offset..FILES.end - FILES.start {
            let name = format!("{file}.mp4");
            if reply.add(INodeNo(number(file)), file + 1, FileType::RegularFile, name) {
                break;
            }
        }
        reply.ok();
    }
}
