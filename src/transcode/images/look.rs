//! How decoded pictures become those that are shown: their size, their colours, their orientation.
//!
//! JPEG and WebP know one matrix only, that of BT.601, and players show them beside the film: so its
//! colours are converted, which ffmpeg does not do by itself. Pictures of high dynamic range are mapped
//! to the standard one, or they would look grey. The turn of the track's matrix is made by ffmpeg.

use super::size::Size;
use crate::movie::{
    Track,
    codec::{Media, VideoRange},
};

/// What has to be known of the pictures of a track.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Look {
    range: VideoRange,
    matrix: &'static str,
    /// Samples on the longer side.
    side: u32,
}

impl Look {
    /// That of a track.
    pub fn of(track: &Track) -> Self {
        let Media::Video(video) = &track.entry.media else {
            return Self { range: VideoRange::Sdr, matrix: "bt601", side: 0 };
        };
        let matrix = match video.colour.matrix {
            1 => "bt709",
            4 => "fcc",
            5 | 6 => "bt601",
            7 => "smpte240m",
            9 | 10 => "bt2020",
            // Not said: as browsers take it.
            _ if video.height >= 720 => "bt709",
            _ => "bt601",
        };
        Self { range: video.range, matrix, side: u32::from(video.width.max(video.height)) }
    }

    /// Whether the decoder may leave out what smooths the edges of blocks: they are not seen in what is
    /// made so much smaller. It saves a fifth of the decoder's time.
    pub(super) fn is_shrunk_by_far(self, size: Size) -> bool {
        self.side >= 3 * size.whole.0.max(size.whole.1)
    }

    /// Filters that make pictures of a size: full range, the matrix of BT.601, square pixels.
    ///
    /// For high dynamic range they are `zscale` and `tonemap`, which Debian's ffmpeg has. It is scaled
    /// first: the rest is done in floating point.
    pub(super) fn filters(self, size: Size) -> String {
        let (width, height) = size.whole;
        let Self { range, matrix, .. } = self;
        let transfer = match range {
            VideoRange::Sdr => None,
            VideoRange::Pq => Some("smpte2084"),
            VideoRange::Hlg => Some("arib-std-b67"),
        };
        // As good as the usual one for what becomes much smaller, at a third of its time.
        let how = if self.is_shrunk_by_far(size) { "area" } else { "bicubic" };
        let mut filters = match transfer {
            None => format!(
                "scale={width}:{height}:flags={how}:in_color_matrix={matrix}:out_color_matrix=bt601\
                 :out_range=pc,format=yuvj420p"
            ),
            Some(transfer) => format!(
                "scale={width}:{height}:flags={how},zscale=min=2020_ncl:pin=2020:tin={transfer}\
                 :t=linear:npl=100,format=gbrpf32le,zscale=p=709,tonemap=hable:desat=0,\
                 zscale=t=709:m=170m:r=pc,format=yuvj420p"
            ),
        };
        if size.whole != (size.width, size.height) {
            filters.push_str(&format!(",crop={}:{}", size.width, size.height));
        }
        filters + ",setsar=1"
    }
}
