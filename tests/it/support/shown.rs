//! What a viewer sees of a movie: the first frame, stretched and turned as ffmpeg displays it.

use crate::support::ffmpeg;

/// A frame as displayed, in square pixels.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Frame {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Brightness of each pixel, row by row.
    pub brightness: Vec<u8>,
}

/// The first frame of a file, an image or a URL. Fails with ffmpeg's reason.
pub fn first_frame(input: &str) -> Result<Frame, String> {
    first_frame_with(input, &[])
}

/// The same, with options of the input.
pub fn first_frame_with(input: &str, options: &[&str]) -> Result<Frame, String> {
    let square = "scale=trunc(iw*sar+0.5):ih:flags=neighbor,setsar=1,format=gray";
    let output = ["-frames:v", "1", "-vf", square, "-c:v", "pgm", "-f", "image2pipe", "-"];
    let image = ffmpeg::run(&[options, &["-i", input], &output].concat())?;
    // P5, width, height, the largest value, and the pixels.
    let mut words = image.split(u8::is_ascii_whitespace).skip(1);
    let mut number = || std::str::from_utf8(words.next()?).ok()?.parse::<usize>().ok();
    let (width, height) = number().zip(number()).ok_or("no image")?;
    let pixels = image.len().checked_sub(width * height).ok_or("a short image")?;
    Ok(Frame { width, height, brightness: image[pixels..].to_vec() })
}

impl Frame {
    /// The corner of the brightest quarter.
    pub fn bright_corner(&self) -> &'static str {
        let mean = |right: usize, low: usize| {
            let (width, height) = (self.width / 2, self.height / 2);
            let rows =
                (low * height..(low + 1) * height).map(|row| row * self.width + right * width);
            let pixels = rows.flat_map(|at| &self.brightness[at..at + width]);
            let sum: usize = pixels.map(|pixel| usize::from(*pixel)).sum();
            sum / (width * height).max(1)
        };
        let corners = [
            ("top left", mean(0, 0)),
            ("top right", mean(1, 0)),
            ("bottom left", mean(0, 1)),
            ("bottom right", mean(1, 1)),
        ];
        corners.into_iter().max_by_key(|(_, mean)| *mean).expect("four").0
    }

    /// The mean difference of adjacent rows: large where the two fields of a frame are apart.
    pub fn combs(&self) -> usize {
        let pairs = self.brightness.iter().zip(&self.brightness[self.width..]);
        let sum: usize = pairs.map(|(one, other)| usize::from(one.abs_diff(*other))).sum();
        sum / (self.width * (self.height - 1)).max(1)
    }
}
