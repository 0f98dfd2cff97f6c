//! `headwater check`: what a server with this configuration would serve, and which files of that do not play.

use std::{
    fmt::{self, Write as _},
    fs, io,
    num::NonZeroU32,
    path::Path,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use super::{
    broken_files::{self, Checked},
    check_bucket,
    findings::Findings,
    print::print,
};
use crate::{
    config::{BucketConfig, NamedRootConfig, RootSource, Settings},
    store::DatabaseLocation,
    transcode::program::find_program,
};

/// Responses of a bucket that a check waits for in turn, and one more for its credentials.
const BUCKET_RESPONSES: u32 = 5;

/// Prints the address, roots and folders of a server with these settings.
pub(super) fn run(settings: &Settings) -> Result<(), String> {
    let roots = settings.named_roots().map_err(|error| error.to_string())?;
    let data = settings.data_folder().map_err(|error| error.to_string())?;
    let database = DatabaseLocation::parse(settings.database.as_deref(), &data);
    database.map_err(|error| error.to_string())?;
    let artifacts = settings.artifacts_bucket().map_err(|error| error.to_string())?;
    let mut report = String::new();
    // Writing to a string does not fail.
    let problems = write_report(&mut report, settings, &roots, artifacts, &data);
    let Problems { roots: unreadable, artifacts } = problems.unwrap_or_default();
    print(&report).map_err(|error| error.to_string())?;
    if unreadable > 0 {
        return Err(format!("{unreadable} of {} roots cannot be read", roots.len()));
    }
    if artifacts > 0 {
        return Err("the bucket of artifacts cannot be read".to_owned());
    }
    let (mut files, mut broken, mut unread) = (0, 0, 0);
    for dir in roots.iter().filter_map(|root| root.source.folder()) {
        let checked = check_files(settings, dir).map_err(|error| error.to_string())?;
        files += checked.files;
        broken += checked.broken;
        unread += checked.unread;
    }
    let broken = match broken {
        0 => None,
        1 => Some(format!("1 of {files} files is broken")),
        broken => Some(format!("{broken} of {files} files are broken")),
    };
    let unread = match unread {
        0 => None,
        1 => Some("1 file or folder could not be checked".to_owned()),
        unread => Some(format!("{unread} files or folders could not be checked")),
    };
    let problems: Vec<String> = broken.into_iter().chain(unread).collect();
    if problems.is_empty() { Ok(()) } else { Err(problems.join(", ")) }
}

/// Reads all videos of a folder, and prints those that are broken.
fn check_files(settings: &Settings, dir: &Path) -> io::Result<Checked> {
    let deadline = Duration::from_millis(settings.disk_deadline_ms.get());
    let grid_ms = u32::try_from(settings.segment_ms.get()).ok().and_then(NonZeroU32::new);
    let checked = broken_files::check(dir, grid_ms.unwrap_or(NonZeroU32::MIN), deadline);
    let Checked { files, broken, lines, .. } = &checked;
    let dir = dir.display();
    print(&format!("files   {files} in {dir}, {broken} broken\n{lines}"))?;
    Ok(checked)
}

/// The number of places that cannot be read.
#[derive(Default)]
struct Problems {
    roots: usize,
    artifacts: usize,
}

/// Writes the report of a check.
fn write_report(
    report: &mut String,
    settings: &Settings,
    roots: &[NamedRootConfig],
    artifacts: Option<BucketConfig>,
    data: &Path,
) -> Result<Problems, fmt::Error> {
    let disk_deadline = Duration::from_millis(settings.disk_deadline_ms.get());
    let bucket_deadline = Duration::from_millis(settings.bucket_deadline_ms.get());
    // All at the same time, so that several that hang cost one deadline.
    let examined: Vec<_> =
        roots.iter().map(|root| examine(&root.source, bucket_deadline)).collect();
    let has_bucket = artifacts.is_some() || roots.iter().any(|root| root.source.folder().is_none());
    let artifacts = artifacts.map(|bucket| {
        let url = bucket.url.to_string();
        (url, examine(&RootSource::Bucket(bucket), bucket_deadline))
    });
    let begun = Instant::now();
    let mut problems = Problems::default();
    for (NamedRootConfig { name, source, .. }, findings) in roots.iter().zip(examined) {
        let prefix = name.as_ref().map_or("/media/".to_owned(), |name| format!("/media/{name}/"));
        let deadline = match source {
            RootSource::Folder(_) => disk_deadline,
            // It has a deadline of its own for each response, and names the one that is late.
            RootSource::Bucket(_) => bucket_deadline.saturating_mul(BUCKET_RESPONSES),
        };
        let findings = wait_for(&findings, deadline, begun);
        problems.roots += write_findings(report, &format!("{prefix}  from  {source}"), findings)?;
    }
    if let Some((url, findings)) = artifacts {
        let deadline = bucket_deadline.saturating_mul(BUCKET_RESPONSES);
        let findings = wait_for(&findings, deadline, begun);
        problems.artifacts = write_findings(report, &format!("artifacts  in  {url}"), findings)?;
    }
    writeln!(report, "listen  {}", settings.listen)?;
    writeln!(report, "data    {}", data.display())?;
    if has_bucket {
        writeln!(report, "cache   {}", settings.cache_folder(data).display())?;
    }
    let ffmpeg = find_program("ffmpeg").map(|program| program.display().to_string());
    writeln!(report, "ffmpeg  {}", ffmpeg.as_deref().unwrap_or("not found"))?;
    Ok(problems)
}

/// Waits for the findings of an examination until it should have ended.
fn wait_for(findings: &mpsc::Receiver<Findings>, deadline: Duration, begun: Instant) -> Findings {
    let findings = findings.recv_timeout(deadline.saturating_sub(begun.elapsed()));
    findings.unwrap_or_else(|_elapsed| Findings {
        problem: Some(format!("does not respond within {} ms", deadline.as_millis())),
        notes: Vec::new(),
    })
}

/// Writes what was found of a place. Returns the number of problems.
fn write_findings(
    report: &mut String,
    place: &str,
    findings: Findings,
) -> Result<usize, fmt::Error> {
    let Findings { problem, notes } = findings;
    let problems = usize::from(problem.is_some());
    match problem {
        None => writeln!(report, "{place}")?,
        Some(problem) => writeln!(report, "{place}: {problem}")?,
    }
    notes.iter().try_for_each(|note| writeln!(report, "        {note}"))?;
    Ok(problems)
}

/// Examines a root in a thread of its own, which may hang. A response of a bucket may take so long.
fn examine(source: &RootSource, bucket_deadline: Duration) -> mpsc::Receiver<Findings> {
    let (sender, findings) = mpsc::channel();
    let source = source.clone();
    thread::spawn(move || {
        sender.send(match source {
            RootSource::Folder(dir) => Findings {
                problem: list(&dir).err().map(|error| error.to_string()),
                notes: Vec::new(),
            },
            RootSource::Bucket(bucket) => check_bucket::examine(&bucket, bucket_deadline),
        })
    });
    findings
}

/// Reads the first entry of a folder: opening alone succeeds on some disks that hang. Opens a file.
fn list(path: &Path) -> io::Result<()> {
    match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            fs::File::open(path).map(drop)
        }
        entries => entries.and_then(|mut entries| entries.next().transpose()).map(drop),
    }
}
