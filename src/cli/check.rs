//! `headwater check`: what a server with this configuration would serve, and which files of that do not play.

use std::{
    fmt::{self, Write as _},
    fs, io,
    num::NonZeroU32,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use super::{
    broken_files::{self, Checked},
    print::print,
};
use crate::{
    config::{NamedDir, Settings},
    store::DatabaseLocation,
    transcode::program::find_program,
};

/// Prints the address, roots and folders of a server with these settings.
pub(super) fn run(settings: &Settings) -> Result<(), String> {
    let roots = settings.named_roots().map_err(|error| error.to_string())?;
    let data = settings.data_folder().map_err(|error| error.to_string())?;
    let database = DatabaseLocation::parse(settings.database.as_deref(), &data);
    database.map_err(|error| error.to_string())?;
    let mut report = String::new();
    // Writing to a string does not fail.
    let problems = write_report(&mut report, settings, &roots, &data).unwrap_or_default();
    print(&report).map_err(|error| error.to_string())?;
    if problems > 0 {
        return Err(format!("{problems} of {} folders cannot be read", roots.len()));
    }
    let (mut files, mut broken) = (0, 0);
    for root in &roots {
        let checked = check_files(settings, root).map_err(|error| error.to_string())?;
        files += checked.files;
        broken += checked.broken;
    }
    match broken {
        0 => Ok(()),
        1 => Err(format!("1 of {files} files is broken")),
        broken => Err(format!("{broken} of {files} files are broken")),
    }
}

/// Reads all videos of a root, and prints those that are broken.
fn check_files(settings: &Settings, root: &NamedDir) -> io::Result<Checked> {
    let deadline = Duration::from_millis(settings.disk_deadline_ms.get());
    let grid_ms = u32::try_from(settings.segment_ms.get()).ok().and_then(NonZeroU32::new);
    let checked = broken_files::check(&root.dir, grid_ms.unwrap_or(NonZeroU32::MIN), deadline);
    let Checked { files, broken, lines } = &checked;
    let dir = root.dir.display();
    print(&format!("files   {files} in {dir}, {broken} broken\n{lines}"))?;
    Ok(checked)
}

/// Writes the report of a check. Returns the number of roots that cannot be read.
fn write_report(
    report: &mut String,
    settings: &Settings,
    roots: &[NamedDir],
    data: &Path,
) -> Result<usize, fmt::Error> {
    let deadline = Duration::from_millis(settings.disk_deadline_ms.get());
    // All at the same time, so that several that hang cost one deadline.
    let listed: Vec<_> = roots.iter().map(|root| list_in_thread(root.dir.clone())).collect();
    let begun = Instant::now();
    let mut problems = 0;
    for (NamedDir { name, dir, .. }, listed) in roots.iter().zip(listed) {
        let prefix = name.as_ref().map_or("/media/".to_owned(), |name| format!("/media/{name}/"));
        let problem = match listed.recv_timeout(deadline.saturating_sub(begun.elapsed())) {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_elapsed) => Some(format!("does not respond within {} ms", deadline.as_millis())),
        };
        match problem {
            None => writeln!(report, "{prefix}  from  {}", dir.display())?,
            Some(problem) => {
                writeln!(report, "{prefix}  from  {}: {problem}", dir.display())?;
                problems += 1;
            }
        }
    }
    writeln!(report, "listen  {}", settings.listen)?;
    writeln!(report, "data    {}", data.display())?;
    let ffmpeg = find_program("ffmpeg").map(|program| program.display().to_string());
    writeln!(report, "ffmpeg  {}", ffmpeg.as_deref().unwrap_or("not found"))?;
    Ok(problems)
}

/// Lists a folder, or opens a file, in a thread of its own, which may hang.
fn list_in_thread(path: PathBuf) -> mpsc::Receiver<io::Result<()>> {
    let (sender, listed) = mpsc::channel();
    thread::spawn(move || {
        // The first entry: opening alone succeeds on some disks that hang.
        let first = match fs::read_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                fs::File::open(&path).map(drop)
            }
            entries => entries.and_then(|mut entries| entries.next().transpose()).map(drop),
        };
        sender.send(first)
    });
    listed
}
