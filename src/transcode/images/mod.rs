//! Images of a title: the ffmpeg arguments that render them from a [small movie](crate::package::stills)
//! of the needed samples, and the check of the result.
//!
//! Nothing here runs a program. The movie comes through a pipe; the outputs go into the working folder,
//! under the names in a [`RenderPlan`]. Each run has one thread: more would take more CPU for the same
//! images, and several titles are processed at once.

pub mod dimensions;
mod filters;
mod size;

use std::{ffi::OsString, fs, io, path::Path};

pub use self::{
    filters::SourceVideo,
    size::{DEFAULT_WIDTH, Fit, SIDE_MAX, SIDE_MIN, Size, SizeError, SizeRequest},
};
use crate::{
    package::storyboard::{COLUMNS, Geometry, ImageFormat, ROWS, Sheet},
    transcode::ffmpeg::{arguments::FILE, probe_report::Stream},
};

/// Version of the rendered images. Increase it with every change of the output.
pub const FORMAT_VERSION: u64 = 2;

/// The number of frames that a poster is selected from.
const POSTER_CANDIDATES: u32 = 8;
/// The number of frames of an animated preview, two a second.
const PREVIEW_FRAMES: u32 = 12;
/// The part of a file without an index that a poster is selected from, in seconds: it is read whole.
const SOURCE_POSTER_SPAN_S: u64 = 30;
/// The input: the small movie of the needed samples.
const SMALL_MOVIE: &[&str] = &["-f", "mov", "-i", "pipe:0"];
/// A frame is black if this percentage of its pixels is.
const BLACK_PERCENT: u32 = 90;

/// The arguments of ffmpeg and the expected outputs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RenderPlan {
    /// The arguments, with the input.
    pub arguments: Vec<OsString>,
    /// The files that the working folder then contains.
    pub outputs: Vec<RenderedImage>,
}

/// An output file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RenderedImage {
    /// Its name in the working folder.
    pub name: String,
    /// Its width, in pixels.
    pub width: u32,
    /// Its height.
    pub height: u32,
}

/// Why an output is unusable.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The file does not exist or cannot be read.
    #[error("{name} was not written: {error}")]
    Missing {
        /// The file.
        name: String,
        /// The error of the system.
        error: io::Error,
    },
    /// The file is truncated, or another image.
    #[error("{name} is not a complete image of {width}x{height} pixels")]
    Incomplete {
        /// The file.
        name: String,
        /// The expected width.
        width: u32,
        /// The expected height.
        height: u32,
    },
}

/// The times of the frames that a poster is selected from, in milliseconds: from the first twentieth on,
/// to skip logos and black, to the middle, so as not to spoil the end.
pub fn poster_times_ms(duration_ms: u64) -> Vec<u64> {
    let (from, until) = (duration_ms / 20, duration_ms / 2);
    let step = (until - from) / u64::from(POSTER_CANDIDATES - 1);
    (0..u64::from(POSTER_CANDIDATES)).map(|number| from + number * step).collect()
}

/// The times of the frames of an animated preview, in milliseconds: the middle of each twelfth.
pub fn preview_times_ms(duration_ms: u64) -> Vec<u64> {
    let parts = 2 * u128::from(PREVIEW_FRAMES);
    let time = |number: u32| u128::from(duration_ms) * (2 * u128::from(number) + 1) / parts;
    (0..PREVIEW_FRAMES).map(|number| u64::try_from(time(number)).unwrap_or(u64::MAX)).collect()
}

/// Plans a poster from the frames at [these times](poster_times_ms): the most representative frame
/// (ffmpeg's `thumbnail` filter) of those that are not black, or of all if all are black.
pub fn plan_poster(source: SourceVideo, size: Size, format: ImageFormat) -> RenderPlan {
    let filters = format!("[0:v:0]{}", poster_filters(source, size));
    plan_single("poster", SMALL_MOVIE, &filters, source, size, format)
}

/// Plans the poster of a file whose index is not known, from key frames after `start_ms`; of cover art, if
/// that is `None`. The input is the file itself.
pub fn plan_source_poster(stream: &Stream, start_ms: Option<u64>, size: Size) -> RenderPlan {
    let source = SourceVideo::from_probe(stream);
    let seek = start_ms.map(|start_ms| {
        format!("-skip_frame nokey -noaccurate_seek -ss {start_ms}ms -t {SOURCE_POSTER_SPAN_S}")
    });
    let mut input: Vec<&str> = seek.iter().flat_map(|seek| seek.split(' ')).collect();
    input.extend(["-i", FILE]);
    let filters = format!("[0:{}]{}", stream.index, poster_filters(source, size));
    plan_single("poster", &input, &filters, source, size, ImageFormat::Jpg)
}

fn poster_filters(source: SourceVideo, size: Size) -> String {
    let representative = format!("thumbnail={POSTER_CANDIDATES}");
    format!(
        "{},split[all][bright];\
         [bright]blackframe=amount=0:threshold=32,\
         metadata=select:key=lavfi.blackframe.pblack:value={BLACK_PERCENT}:function=less,\
         {representative}[first];[all]{representative}[else];[first][else]concat",
        source.filters(size)
    )
}

/// Plans a thumbnail: the frame of a [second](crate::package::stills::Stills::second) of the small movie.
pub fn plan_thumbnail(
    source: SourceVideo,
    size: Size,
    format: ImageFormat,
    second: u32,
) -> RenderPlan {
    let filters = match second {
        0 => format!("[0:v:0]{}", source.filters(size)),
        second => format!("[0:v:0]trim=start={second},{}", source.filters(size)),
    };
    plan_single("thumbnail", SMALL_MOVIE, &filters, source, size, format)
}

/// The file name of a storyboard sheet in its artifact, one of two.
pub const SHEET_FILE: &str = "sheet.jpg";

/// Plans a storyboard sheet and its tiles from one frame a second: `sheet.jpg`, `sheet.webp`, and `1.jpg`
/// to `25.jpg`.
///
/// The unused part of the last sheet is black. A frame that cannot be decoded is replaced by the one
/// before it, so that every tile keeps its place.
pub fn plan_sheet(source: SourceVideo, geometry: &Geometry, sheet: Sheet) -> RenderPlan {
    let tile = Size::uncropped(geometry.tile_width, geometry.tile_height);
    let filters = format!(
        "[0:v:0]{},{},split[tiles][grid];[grid]tile={COLUMNS}x{ROWS},split[jpg][full];\
         [full]{STUDIO_RANGE}[webp]",
        source.filters(tile),
        one_frame_per_second(sheet.tiles),
    );
    let mut arguments = Arguments::with_input(SMALL_MOVIE, source, tile, &filters);
    arguments.add_output("[tiles]", &["-c:v", "mjpeg", "-q:v", "4", "-f", "image2"], "%d.jpg");
    let jpeg = ["-c:v", "mjpeg", "-q:v", "5", "-frames:v", "1", "-update", "1", "-f", "image2"];
    arguments.add_output("[jpg]", &jpeg, SHEET_FILE);
    let webp = ["-c:v", "libwebp", "-quality", "70", "-compression_level", "2", "-frames:v", "1"];
    arguments.add_output("[webp]", &webp, "sheet.webp");
    let tiles = (1..=sheet.tiles).map(|number| RenderedImage {
        name: format!("{number}.jpg"),
        width: tile.width,
        height: tile.height,
    });
    let (width, height) = geometry.sheet_size();
    let sheets = [SHEET_FILE, "sheet.webp"].map(|name| RenderedImage {
        name: name.to_owned(),
        width,
        height,
    });
    RenderPlan { arguments: arguments.0, outputs: tiles.chain(sheets).collect() }
}

/// Plans an animated preview, `preview.webp`, from the frames at [these times](preview_times_ms).
pub fn plan_preview(source: SourceVideo, size: Size) -> RenderPlan {
    let filters = format!(
        "[0:v:0]{},{},settb=1/1000,setpts=PTS/2,fps=2,trim=end_frame={PREVIEW_FRAMES},\
         {STUDIO_RANGE}[out]",
        source.filters(size),
        one_frame_per_second(PREVIEW_FRAMES),
    );
    let mut arguments = Arguments::with_input(SMALL_MOVIE, source, size, &filters);
    let webp = ["-c:v", "libwebp_anim", "-quality", "60", "-compression_level", "3", "-loop", "0"];
    arguments.add_output("[out]", &webp, "preview.webp");
    let preview =
        RenderedImage { name: "preview.webp".to_owned(), width: size.width, height: size.height };
    RenderPlan { arguments: arguments.0, outputs: vec![preview] }
}

/// Converts full range to the limited range of WebP.
const STUDIO_RANGE: &str = "scale=in_range=pc:out_range=tv,format=yuv420p";

/// Outputs exactly `count` frames, one per second, whatever the decoder returned.
fn one_frame_per_second(count: u32) -> String {
    format!("fps=1:start_time=0,tpad=stop_mode=clone:stop={count},trim=end_frame={count}")
}

fn plan_single(
    name: &str,
    input: &[&str],
    filters: &str,
    source: SourceVideo,
    size: Size,
    format: ImageFormat,
) -> RenderPlan {
    let name = format!("{name}.{}", format.extension());
    let filters = match format {
        ImageFormat::Jpg => format!("{filters}[out]"),
        ImageFormat::Webp => format!("{filters},{STUDIO_RANGE}[out]"),
    };
    let mut arguments = Arguments::with_input(input, source, size, &filters);
    let encoder: &[&str] = match format {
        ImageFormat::Jpg => &["-c:v", "mjpeg", "-q:v", "3", "-update", "1", "-f", "image2"],
        ImageFormat::Webp => &["-c:v", "libwebp", "-quality", "80"],
    };
    arguments.add_output("[out]", &[encoder, &["-frames:v", "1"]].concat(), &name);
    RenderPlan {
        arguments: arguments.0,
        outputs: vec![RenderedImage { name, width: size.width, height: size.height }],
    }
}

struct Arguments(Vec<OsString>);

impl Arguments {
    fn with_input(input: &[&str], source: SourceVideo, size: Size, filters: &str) -> Self {
        let mut arguments = Self(Vec::new());
        arguments.add(&["-threads", "1"]);
        if source.is_far_larger_than(size) {
            arguments.add(&["-skip_loop_filter", "all"]);
        }
        if !source.is_turned {
            arguments.add(&["-noautorotate"]);
        }
        if source.is_scaled_first() {
            // By default ffmpeg restarts all filters where the size of the frames changes, and their
            // counters with them.
            arguments.add(&["-reinit_filter", "0"]);
        }
        arguments.add(input);
        arguments.add(&["-filter_complex_threads", "1", "-filter_complex", filters]);
        arguments
    }

    fn add(&mut self, arguments: &[&str]) {
        self.0.extend(arguments.iter().map(OsString::from));
    }

    /// Adds an output file. `+bitexact` keeps ffmpeg's version out of it.
    fn add_output(&mut self, map: &str, encoder: &[&str], name: &str) {
        self.add(&["-map", map, "-map_metadata", "-1", "-fflags", "+bitexact"]);
        self.add(&["-flags:v", "+bitexact", "-threads", "1", "-fps_mode", "passthrough"]);
        self.add(encoder);
        self.add(&[name]);
    }
}

impl RenderPlan {
    /// Checks that a folder contains all outputs, complete and of the right size.
    pub fn verify(&self, folder: &Path) -> Result<(), RenderError> {
        self.outputs.iter().try_for_each(|output| {
            let &RenderedImage { ref name, width, height } = output;
            let bytes = fs::read(folder.join(name))
                .map_err(|error| RenderError::Missing { name: name.clone(), error })?;
            match dimensions::read_dimensions(&bytes) {
                Some(size) if size == (width, height) => Ok(()),
                _ => Err(RenderError::Incomplete { name: name.clone(), width, height }),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn poster_candidates_are_between_the_start_and_the_middle() {
        let times = poster_times_ms(7_200_000);
        assert_eq!(times.len(), 8);
        assert_eq!((times[0], times[7] / 1000), (360_000, 3_599));
        assert_eq!(poster_times_ms(0), [0; 8]);
        assert!(poster_times_ms(u64::MAX).is_sorted());
    }

    #[test]
    fn a_preview_covers_the_whole_title() {
        let times = preview_times_ms(24_000);
        assert_eq!(times, [1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23].map(|second| second * 1000));
        assert!(preview_times_ms(u64::MAX).is_sorted());
    }
}
