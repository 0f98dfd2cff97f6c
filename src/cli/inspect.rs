//! `headwater inspect FILE`: reports on a file, without a server.

use std::{io, num::NonZeroU32, path::PathBuf, process::ExitCode};

use super::{
    print::{print, print_error},
    report_text,
};
use crate::{
    config::Settings,
    extent::{ReadError, disk::PlainFile},
    movie::Movie,
    package::inspect::{inspect, report::Report},
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
    inspect(&file, index.as_ref(), file.identity().version(), grid_ms)
}
