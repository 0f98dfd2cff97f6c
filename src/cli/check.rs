//! `headwater check`: what a server with this configuration would serve.

use std::{
    fmt::{self, Write as _},
    fs, io,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use super::print::print;
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
    match problems {
        0 => Ok(()),
        problems => Err(format!("{problems} of {} folders cannot be read", roots.len())),
    }
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
