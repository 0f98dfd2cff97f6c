//! Pictures of a title: what ffmpeg is asked to do with a [small movie](crate::package::stills) of the
//! samples that they take, and how to see that it has done it.
//!
//! All of it is text from numbers: nothing here runs a program. The movie comes through a pipe; what is
//! made goes into the working folder, under names that a [`Recipe`] tells. One thread each: more would
//! take more CPU for the same pictures, and several titles are in work at once.

mod look;
mod size;
pub mod whole;

use std::{ffi::OsString, fs, io, path::Path};

pub use self::{
    look::Look,
    size::{Asked, Fit, SIDE_MAX, SIDE_MIN, Size, SizeRefused, WIDTH_USUAL},
};
use crate::package::storyboard::{COLUMNS, Geometry, ImageFormat, ROWS, Sheet};

/// Version of the pictures that are made. Whatever changes them must change this.
pub const FORMAT_VERSION: u64 = 1;

/// How many pictures a poster is chosen from.
const CANDIDATES: u32 = 8;
/// How many an animated preview has, two a second.
const PREVIEW_PICTURES: u32 = 12;
/// A picture is black if so many hundredths of it are.
const BLACK_PERCENT: u32 = 90;

/// What ffmpeg is to be told, and what it makes of that.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Recipe {
    /// Its arguments. The input is `pipe:0`.
    pub arguments: Vec<OsString>,
    /// What is in the working folder then.
    pub files: Vec<RenderedImage>,
}

/// A file that is made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RenderedImage {
    /// Its name in the working folder.
    pub name: String,
    /// Its width, in pixels.
    pub width: u32,
    /// Its height.
    pub height: u32,
}

/// Why what was made is of no use.
#[derive(Debug, thiserror::Error)]
pub enum Unfinished {
    /// It is not there, or cannot be read.
    #[error("{name} was not made: {error}")]
    Missing {
        /// The file.
        name: String,
        /// Why not.
        error: io::Error,
    },
    /// It ends early, or is something else.
    #[error("{name} is not a whole picture of {width}x{height} pixels")]
    NotWhole {
        /// The file.
        name: String,
        /// The width that it should have.
        width: u32,
        /// The height.
        height: u32,
    },
}

/// The times among which a poster is looked for, in milliseconds: from the beginning on, but behind
/// logos and black, and not so far that it would tell the end.
pub fn poster_times_ms(duration_ms: u64) -> Vec<u64> {
    let (from, until) = (duration_ms / 20, duration_ms / 2);
    let step = (until - from) / u64::from(CANDIDATES - 1);
    (0..u64::from(CANDIDATES)).map(|number| from + number * step).collect()
}

/// The times of which an animated preview is made, in milliseconds: the middle of each twelfth.
pub fn preview_times_ms(duration_ms: u64) -> Vec<u64> {
    let parts = 2 * u128::from(PREVIEW_PICTURES);
    let time = |number: u32| u128::from(duration_ms) * (2 * u128::from(number) + 1) / parts;
    (0..PREVIEW_PICTURES).map(|number| u64::try_from(time(number)).unwrap_or(u64::MAX)).collect()
}

/// A poster, from pictures at [these times](poster_times_ms): the one that is most like the others of
/// those that are not black, and if all are black one of them.
pub fn poster(look: Look, size: Size, coding: ImageFormat) -> Recipe {
    let most_usual = format!("thumbnail={CANDIDATES}");
    let filters = format!(
        "[0:v:0]{},split[all][bright];\
         [bright]blackframe=amount=0:threshold=32,\
         metadata=select:key=lavfi.blackframe.pblack:value={BLACK_PERCENT}:function=less,\
         {most_usual}[first];[all]{most_usual}[else];[first][else]concat",
        look.filters(size)
    );
    one("poster", &filters, look, size, coding)
}

/// The picture of a [second](crate::package::stills::Stills::second).
pub fn thumbnail(look: Look, size: Size, coding: ImageFormat, second: u32) -> Recipe {
    let filters = match second {
        0 => format!("[0:v:0]{}", look.filters(size)),
        second => format!("[0:v:0]trim=start={second},{}", look.filters(size)),
    };
    one("thumbnail", &filters, look, size, coding)
}

/// A sheet of a storyboard and its tiles, from one picture a second: `sheet.jpg`, `sheet.webp`, and
/// `1.jpg` up to `25.jpg`.
///
/// What is left of a last sheet is black. A picture that cannot be decoded is replaced by the one before
/// it, so that none is in another's place.
pub fn sheet(look: Look, geometry: &Geometry, sheet: Sheet) -> Recipe {
    let tile = Size::whole(geometry.tile_width, geometry.tile_height);
    let filters = format!(
        "[0:v:0]{},{},split[tiles][grid];[grid]tile={COLUMNS}x{ROWS},split[jpg][full];\
         [full]{STUDIO_RANGE}[webp]",
        look.filters(tile),
        one_a_second(sheet.tiles),
    );
    let mut arguments = begin(look, tile, &filters);
    arguments.output("[tiles]", &["-c:v", "mjpeg", "-q:v", "4", "-f", "image2"], "%d.jpg");
    let picture = ["-c:v", "mjpeg", "-q:v", "5", "-frames:v", "1", "-update", "1", "-f", "image2"];
    arguments.output("[jpg]", &picture, "sheet.jpg");
    let picture =
        ["-c:v", "libwebp", "-quality", "70", "-compression_level", "2", "-frames:v", "1"];
    arguments.output("[webp]", &picture, "sheet.webp");
    let tiles = (1..=sheet.tiles).map(|number| RenderedImage {
        name: format!("{number}.jpg"),
        width: tile.width,
        height: tile.height,
    });
    let (width, height) = geometry.sheet_size();
    let sheets = ["sheet.jpg", "sheet.webp"];
    let sheets = sheets.map(|name| RenderedImage { name: name.to_owned(), width, height });
    Recipe { arguments: arguments.0, files: tiles.chain(sheets).collect() }
}

/// An animated preview, `preview.webp`, from pictures at [these times](preview_times_ms).
pub fn preview(look: Look, size: Size) -> Recipe {
    let filters = format!(
        "[0:v:0]{},{},settb=1/1000,setpts=PTS/2,fps=2,trim=end_frame={PREVIEW_PICTURES},\
         {STUDIO_RANGE}[out]",
        look.filters(size),
        one_a_second(PREVIEW_PICTURES),
    );
    let mut arguments = begin(look, size, &filters);
    let coding =
        ["-c:v", "libwebp_anim", "-quality", "60", "-compression_level", "3", "-loop", "0"];
    arguments.output("[out]", &coding, "preview.webp");
    let made =
        RenderedImage { name: "preview.webp".to_owned(), width: size.width, height: size.height };
    Recipe { arguments: arguments.0, files: vec![made] }
}

/// What WebP knows, from the full range.
const STUDIO_RANGE: &str = "scale=in_range=pc:out_range=tv,format=yuv420p";

/// So many pictures, one for each second, whatever the decoder has made.
fn one_a_second(count: u32) -> String {
    format!("fps=1:start_time=0,tpad=stop_mode=clone:stop={count},trim=end_frame={count}")
}

fn one(name: &str, filters: &str, look: Look, size: Size, coding: ImageFormat) -> Recipe {
    let name = format!("{name}.{}", coding.ending());
    let filters = match coding {
        ImageFormat::Jpg => format!("{filters}[out]"),
        ImageFormat::Webp => format!("{filters},{STUDIO_RANGE}[out]"),
    };
    let mut arguments = begin(look, size, &filters);
    let coding: &[&str] = match coding {
        ImageFormat::Jpg => &["-c:v", "mjpeg", "-q:v", "3", "-update", "1", "-f", "image2"],
        ImageFormat::Webp => &["-c:v", "libwebp", "-quality", "80"],
    };
    arguments.output("[out]", &[coding, &["-frames:v", "1"]].concat(), &name);
    Recipe {
        arguments: arguments.0,
        files: vec![RenderedImage { name, width: size.width, height: size.height }],
    }
}

struct Arguments(Vec<OsString>);

fn begin(look: Look, size: Size, filters: &str) -> Arguments {
    let mut arguments = Arguments(Vec::new());
    arguments.add(&["-threads", "1"]);
    if look.is_shrunk_by_far(size) {
        arguments.add(&["-skip_loop_filter", "all"]);
    }
    arguments.add(&["-f", "mov", "-i", "pipe:0"]);
    arguments.add(&["-filter_complex_threads", "1", "-filter_complex", filters]);
    arguments
}

impl Arguments {
    fn add(&mut self, arguments: &[&str]) {
        self.0.extend(arguments.iter().map(OsString::from));
    }

    /// What goes into a file. Nothing that changes from one version of ffmpeg to the next is written
    /// into it.
    fn output(&mut self, map: &str, coding: &[&str], name: &str) {
        self.add(&["-map", map, "-map_metadata", "-1", "-fflags", "+bitexact"]);
        self.add(&["-flags:v", "+bitexact", "-threads", "1", "-fps_mode", "passthrough"]);
        self.add(coding);
        self.add(&[name]);
    }
}

impl Recipe {
    /// Whether all that was ordered is in a folder, and whole.
    pub fn check(&self, folder: &Path) -> Result<(), Unfinished> {
        self.files.iter().try_for_each(|made| {
            let &RenderedImage { ref name, width, height } = made;
            let bytes = fs::read(folder.join(name));
            let bytes = bytes.map_err(|error| Unfinished::Missing { name: name.clone(), error })?;
            match whole::size(&bytes) {
                Some(size) if size == (width, height) => Ok(()),
                _ => Err(Unfinished::NotWhole { name: name.clone(), width, height }),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_poster_is_looked_for_behind_the_beginning_and_before_the_middle() {
        let times = poster_times_ms(7_200_000);
        assert_eq!(times.len(), 8);
        assert_eq!((times[0], times[7] / 1000), (360_000, 3_599));
        assert_eq!(poster_times_ms(0), [0; 8]);
        assert!(poster_times_ms(u64::MAX).is_sorted());
    }

    #[test]
    fn a_preview_goes_through_the_whole_title() {
        let times = preview_times_ms(24_000);
        assert_eq!(times, [1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23].map(|second| second * 1000));
        assert!(preview_times_ms(u64::MAX).is_sorted());
    }
}
