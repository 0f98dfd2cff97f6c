//! `headwater inspect FILE`: reports on a file, without a server.

use std::{
    fs, io,
    num::NonZeroU32,
    path::{Path, PathBuf},
    process::ExitCode,
};

use super::{
    print::{print, print_error},
    report_text,
};
use crate::{
    config::Settings,
    extent::{ReadError, disk::PlainFile},
    library::{
        sidecar_name::{Sidecar, find_sidecars},
        sidecars::SIDECARS_MAX,
    },
    movie::Movie,
    package::{
        inspect::{
            add_subtitle_files, inspect,
            report::{Report, SubtitleFile},
            subtitle_file,
        },
        text::FILE_BYTES_MAX,
    },
};

/// Exit status: no player can play any of the file.
const EXIT_NOT_PLAYABLE: u8 = 1;

/// Exit status: no report. clap uses it too, for invalid arguments.
const EXIT_NO_REPORT: u8 = 2;

#[derive(clap::Args, Clone, Debug)]
pub(super) struct InspectArgs {
    /// The file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print JSON, like `/v/…/inspect` of a server.
    #[arg(long)]
    json: bool,
}

/// Prints the report.
pub(super) fn run(args: &InspectArgs) -> ExitCode {
    let name = args.file.display();
    let report = match read(args) {
        Ok(report) => report,
        Err(error) => {
            match error {
                ReadError::Io(error) => print_error(format_args!("{name}: {error}")),
                error => print_error(format_args!("{name}: {error}")),
            }
            return ExitCode::from(EXIT_NO_REPORT);
        }
    };
    let printed = if args.json {
        serde_json::to_string_pretty(&report).map_err(io::Error::from)
    } else {
        Ok(report_text::text(&report, &name.to_string()))
    };
    let printed = printed.and_then(|text| print(&format!("{}\n", text.trim_end())));
    match printed {
        Err(error) => {
            print_error(format_args!("{name}: {error}"));
            ExitCode::from(EXIT_NO_REPORT)
        }
        _ if report.playable => ExitCode::SUCCESS,
        _ => ExitCode::from(EXIT_NOT_PLAYABLE),
    }
}

fn read(args: &InspectArgs) -> Result<Report, ReadError> {
    let file = PlainFile::open(&args.file)?;
    // Segments as of a server with the default configuration.
    let segment_ms = Settings::from_layers(&[]).segment_ms.get();
    let grid_ms =
        u32::try_from(segment_ms).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN);
    let index = Movie::read(&file, grid_ms)?;
    let mut report = inspect(&file, index.as_ref(), file.identity().version(), grid_ms)?;
    add_subtitle_files(&mut report, subtitle_files(&args.file));
    Ok(report)
}

/// The subtitle files beside a movie, as a server finds them. A folder that cannot be listed has none.
fn subtitle_files(movie: &Path) -> Vec<SubtitleFile> {
    let folder = match movie.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names: Vec<Vec<u8>> = entries.map(|entry| entry.file_name().into_encoded_bytes()).collect();
    let title = movie.file_name().unwrap_or_default().as_encoded_bytes();
    let visible = names.iter().map(Vec::as_slice).filter(|name| !name.starts_with(b"."));
    let found = find_sidecars(title, visible, SIDECARS_MAX);
    found.into_iter().map(|(name, sidecar)| describe(folder, name, &sidecar)).collect()
}

fn describe(folder: &Path, name: &[u8], sidecar: &Sidecar) -> SubtitleFile {
    let name = String::from_utf8_lossy(name);
    let path = folder.join(&*name);
    let is_long = |path: &Path| {
        fs::metadata(path).is_ok_and(|metadata| metadata.len() > FILE_BYTES_MAX as u64)
    };
    let content = match is_long(&path) {
        true => Err("it is too long".to_owned()),
        false => fs::read(&path).map_err(|error| error.to_string()),
    };
    let content = content.as_ref().map(Vec::as_slice).map_err(String::clone);
    subtitle_file(&name, &sidecar.label, sidecar.language.as_deref(), content)
}
