//! The videos of a folder that do not play, and why.

use std::{
    fmt::Write as _,
    fs,
    io::{self, IsTerminal as _, Write as _},
    num::NonZeroU32,
    path::{Path, PathBuf},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use super::report_text::escaped;
use crate::{
    extent::{ReadError, disk::PlainFile},
    library::media_type,
    movie::Movie,
    package::inspect::{foreign::Foreign, inspect, report::Severity},
};

/// The most broken files that are named; others are counted.
const NAMED_MAX: usize = 100;

/// The depth limit of folders, as of a scan.
const DEPTH_MAX: usize = 64;

/// The interval between two lines of progress.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// The result of a check.
#[derive(Debug, Default)]
pub(super) struct Checked {
    /// Files that were read.
    pub(super) files: usize,
    /// Those of them that are broken.
    pub(super) broken: usize,
    /// Folders that could not be listed, or not to their end, and files that were gone.
    pub(super) unread: usize,
    /// A line for each of the first ones, and for what could not be read.
    pub(super) lines: String,
}

/// What the thread that reads a folder reports.
enum Event {
    File(PathBuf, Result<(), String>),
    Folder(PathBuf, io::Error),
}

/// Reads the index of each video in a folder, or of one file, in a thread of its own, which may hang: then the
/// check ends after the deadline. On a terminal it shows its progress.
pub(super) fn check(root: &Path, grid_ms: NonZeroU32, deadline: Duration) -> Checked {
    let (sender, events) = mpsc::sync_channel(1);
    let folder = root.to_owned();
    thread::spawn(move || walk(folder, grid_ms, &sender));
    let mut checked = Checked::default();
    let mut progress = Progress::new();
    loop {
        match events.recv_timeout(deadline) {
            Ok(event) => checked.add(root, event),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                checked.unread += 1;
                checked.line(format_args!("the disk does not respond: the rest is not checked"));
                break;
            }
        }
        progress.show(&checked);
    }
    progress.clear();
    if checked.broken > NAMED_MAX {
        checked.line(format_args!("and {} more", checked.broken - NAMED_MAX));
    }
    checked
}

impl Checked {
    fn add(&mut self, root: &Path, event: Event) {
        let shown = |path: &Path| {
            let below = path.strip_prefix(root).ok().filter(|below| *below != Path::new(""));
            escaped(&below.unwrap_or(path).to_string_lossy())
        };
        match event {
            Event::File(path, result) => {
                self.files += 1;
                if let Err(why) = result {
                    self.broken += 1;
                    if self.broken <= NAMED_MAX {
                        self.line(format_args!("{}: {why}", shown(&path)));
                    }
                }
            }
            Event::Folder(path, error) => {
                self.unread += 1;
                self.line(format_args!("{}: cannot be listed: {error}", shown(&path)));
            }
        }
    }

    fn line(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = writeln!(self.lines, "  {text}");
    }
}

/// Reports all videos below a folder. Ends when the receiver is gone.
fn walk(root: PathBuf, grid_ms: NonZeroU32, events: &mpsc::SyncSender<Event>) {
    let mut pending = vec![(root, 0)];
    while let Some((path, depth)) = pending.pop() {
        let event = match fs::read_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                let result = why_broken(&path, grid_ms).map_or(Ok(()), Err);
                Event::File(path, result)
            }
            Err(error) => Event::Folder(path, error),
            Ok(entries) => {
                let mut names: Vec<_> = entries.flatten().collect();
                // The last one is read first.
                names.sort_by_key(|entry| std::cmp::Reverse(entry.file_name()));
                for entry in names {
                    let name = entry.file_name();
                    let name = name.as_encoded_bytes();
                    let kind = entry.file_type();
                    // As a scan: no hidden name, and no folder behind a link.
                    let is_folder = kind.as_ref().is_ok_and(fs::FileType::is_dir);
                    let is_listed =
                        if is_folder { depth < DEPTH_MAX } else { media_type::is_title(name) };
                    if is_listed && !name.starts_with(b".") {
                        pending.push((entry.path(), depth + 1));
                    }
                }
                continue;
            }
        };
        if events.send(event).is_err() {
            return;
        }
    }
}

/// Why a file does not play; `None` if it does.
fn why_broken(path: &Path, grid_ms: NonZeroU32) -> Option<String> {
    let read = || -> Result<Option<String>, ReadError> {
        let file = PlainFile::open(path)?;
        if file.identity().size == 0 {
            return Ok(Some("the file is empty".to_owned()));
        }
        if Foreign::read(&file)?.is_some_and(|head| head.is_broken()) {
            return Ok(Some("its head names no tracks".to_owned()));
        }
        let index = Movie::read(&file, grid_ms)?;
        let report = inspect(&file, index.as_ref(), file.identity().version(), grid_ms)?;
        let mut problems = report.problems.iter();
        let error = problems.find(|problem| problem.severity == Severity::Error);
        let reason = report.reasons.first().filter(|_| !report.playable).cloned();
        Ok(reason.or_else(|| error.map(|problem| problem.sentence.clone())))
    };
    read().unwrap_or_else(|error| Some(format!("cannot be read: {error}")))
}

/// A line on a terminal that overwrites itself.
struct Progress {
    is_terminal: bool,
    shown: Option<Instant>,
}

impl Progress {
    fn new() -> Self {
        Self { is_terminal: io::stderr().is_terminal(), shown: None }
    }

    fn show(&mut self, checked: &Checked) {
        let is_due = self.shown.is_none_or(|shown| shown.elapsed() >= PROGRESS_INTERVAL);
        if self.is_terminal && is_due {
            self.shown = Some(Instant::now());
            let Checked { files, broken, .. } = checked;
            let _ = write!(io::stderr(), "\r{files} files checked, {broken} broken");
        }
    }

    /// Removes the line.
    fn clear(&self) {
        if self.shown.is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_cannot_be_listed_counts_as_unread() {
        let folder = tempfile::tempdir().expect("a folder");
        let check = |path: &Path| check(path, NonZeroU32::MIN, Duration::from_secs(60));
        assert_eq!(check(folder.path()).unread, 0);
        let checked = check(&folder.path().join("gone"));
        assert_eq!((checked.files, checked.unread), (0, 1), "{checked:?}");
    }
}
