//! Renditions of one movie, by ffmpeg.

use std::{fs, sync::LazyLock};

use crate::support::{ffmpeg, folder::Folder};

/// Renditions of 13 s: two with equal key frames, one with others, one that ends early.
pub struct Renditions {
    /// 192 by 108 pixels.
    pub large: Vec<u8>,
    /// 96 by 54.
    pub small: Vec<u8>,
    /// With other key frames.
    pub other: Vec<u8>,
    /// That ends early.
    pub short: Vec<u8>,
}

/// They need ffmpeg.
pub static RENDITIONS: LazyLock<Renditions> = LazyLock::new(|| {
    let folder = Folder::new();
    let make = |name: &str, how: &str| -> Vec<u8> {
        let path = folder.path(name);
        let with_audio = "-f lavfi -i sine=sample_rate=48000:duration=13 -c:a aac -b:a 32k";
        let arguments = format!(
            "-f lavfi -i testsrc2=size=192x108:rate=25:duration=13 {with_audio} -c:v libx264 \
             -preset ultrafast -crf 38 -pix_fmt yuv420p -bf 2 -sc_threshold 0 {how} -y"
        );
        let path = path.to_str().expect("text");
        let arguments: Vec<_> = arguments.split_whitespace().chain([path]).collect();
        ffmpeg::run(&arguments).expect("a movie");
        fs::read(path).expect("a file")
    };
    Renditions {
        large: make("large.mp4", "-g 50 -keyint_min 50"),
        small: make("small.mp4", "-g 50 -keyint_min 50 -s 96x54"),
        other: make("other.mp4", "-g 40 -keyint_min 40 -s 96x54"),
        short: make("short.mp4", "-g 50 -keyint_min 50 -s 96x54 -t 12.4"),
    }
});
