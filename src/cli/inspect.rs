//! `headwater inspect FILE`: the report of a file, without a server.

use std::{
    io::{self, Write as _},
    num::NonZeroU32,
    path::PathBuf,
    process::ExitCode,
};

use super::report_text;
use crate::{
    config::Settings,
    extent::{ReadError, disk::PlainFile},
    movie::Movie,
    package::inspect::{inspect, report::Report},
};

/// Nothing of the file can be played.
const NOT_PLAYABLE: u8 = 1;

/// There is no report: what clap ends with too, when it does not understand.
const NO_REPORT: u8 = 2;

#[derive(clap::Args, Clone, Debug)]
pub(super) struct Asked {
    /// The file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print JSON, as the server does below /v/.
    #[arg(long)]
    json: bool,
}

/// Prints the report.
pub(super) fn run(asked: &Asked) -> ExitCode {
    let name = asked.file.display();
    let report = match read(asked) {
        Ok(report) => report,
        Err(error) => {
            match error {
                ReadError::Io(error) => eprintln!("headwater: {name}: {error}"),
                error => eprintln!("headwater: {name}: {error}"),
            }
            return ExitCode::from(NO_REPORT);
        }
    };
    let printed = if asked.json {
        serde_json::to_string_pretty(&report).map_err(io::Error::from)
    } else {
        Ok(report_text::text(&report, &name.to_string()))
    };
    let printed = printed.and_then(|text| writeln!(io::stdout(), "{}", text.trim_end()));
    match printed {
        // Whoever reads has seen enough, as `head` has.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            eprintln!("headwater: {name}: {error}");
            ExitCode::from(NO_REPORT)
        }
        _ if report.playable => ExitCode::SUCCESS,
        _ => ExitCode::from(NOT_PLAYABLE),
    }
}

fn read(asked: &Asked) -> Result<Report, ReadError> {
    let file = PlainFile::open(&asked.file)?;
    // As a server cuts that nobody has told otherwise.
    let grid_ms = Settings::from_layers(&[]).segment_ms.get();
    let grid_ms = u32::try_from(grid_ms).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN);
    let index = Movie::read(&file, grid_ms)?;
    inspect(&file, index.as_ref(), file.identity().version(), grid_ms)
}
