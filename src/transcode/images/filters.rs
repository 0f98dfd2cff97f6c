//! Video filters for images: scaling, colour conversion, tone mapping, cropping.
//!
//! JPEG and WebP use the BT.601 matrix only, and players show thumbnails beside the video: so colours are
//! converted, which ffmpeg does not do on its own. HDR video is tone mapped to SDR, or images would look
//! grey. ffmpeg applies a rotation by a multiple of 90 degrees.

use super::size::Size;
use crate::{
    movie::{
        Track,
        codec::{Media, VideoRange},
    },
    transcode::ffmpeg::probe_report::Stream,
};

/// The properties of a video track that its filters depend on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SourceVideo {
    range: VideoRange,
    matrix: &'static str,
    /// Pixels of the longer side.
    long_side: u32,
    /// Whether frames may consist of two fields.
    may_be_interlaced: bool,
    /// Whether ffmpeg has to turn the frames.
    pub(super) is_turned: bool,
}

/// The matrix of video that specifies none: the default of browsers.
fn usual_matrix(height: u32) -> &'static str {
    if height >= 720 { "bt709" } else { "bt601" }
}

impl SourceVideo {
    /// The properties of a track.
    pub fn from_track(track: &Track) -> Self {
        let Media::Video(video) = &track.entry.media else {
            return Self {
                range: VideoRange::Sdr,
                matrix: "bt601",
                long_side: 0,
                may_be_interlaced: false,
                is_turned: false,
            };
        };
        let matrix = match video.colour.matrix {
            1 => "bt709",
            4 => "fcc",
            5 | 6 => "bt601",
            7 => "smpte240m",
            9 | 10 => "bt2020",
            _ => usual_matrix(video.height.into()),
        };
        Self {
            range: video.range,
            matrix,
            long_side: u32::from(video.width.max(video.height)),
            may_be_interlaced: video.scan.may_be_interlaced(),
            is_turned: track.shape.is_some_and(|shape| shape.orientation.is_turned()),
        }
    }

    /// The properties of a stream that ffprobe reports.
    pub fn from_probe(stream: &Stream) -> Self {
        let (width, height) = (stream.width.unwrap_or(0), stream.height.unwrap_or(0));
        Self {
            range: match stream.color_transfer.as_deref() {
                Some("smpte2084") => VideoRange::Pq,
                Some("arib-std-b67") => VideoRange::Hlg,
                _ => VideoRange::Sdr,
            },
            matrix: match stream.color_space.as_deref() {
                Some("bt709") => "bt709",
                Some("fcc") => "fcc",
                Some("bt470bg" | "smpte170m") => "bt601",
                Some("smpte240m") => "smpte240m",
                Some("bt2020nc" | "bt2020c") => "bt2020",
                _ => usual_matrix(height),
            },
            long_side: width.max(height),
            may_be_interlaced: stream.is_interlaced(),
            is_turned: false,
        }
    }

    /// Whether the image is less than a third of the video's size. Then the decoder may skip the
    /// deblocking filter, which saves a fifth of its time and makes no visible difference.
    pub(super) fn is_far_larger_than(self, size: Size) -> bool {
        self.long_side >= 3 * size.scaled.0.max(size.scaled.1)
    }

    /// Whether the first filter scales, and so takes frames of every size: turning and deinterlacing do
    /// not.
    pub(super) fn is_scaled_first(self) -> bool {
        !self.is_turned && !self.may_be_interlaced
    }

    /// The filters for images of a size: full range, BT.601, square pixels.
    ///
    /// HDR needs `zscale` and `tonemap`, which Debian's ffmpeg has. Scaling comes first, since the rest
    /// is done in floating point.
    pub(super) fn filters(self, size: Size) -> String {
        let (width, height) = size.scaled;
        let Self { range, matrix, may_be_interlaced, .. } = self;
        let transfer = match range {
            VideoRange::Sdr => None,
            VideoRange::Pq => Some("smpte2084"),
            VideoRange::Hlg => Some("arib-std-b67"),
        };
        // For far smaller images as good as bicubic, at a third of the time.
        let scaler = if self.is_far_larger_than(size) { "area" } else { "bicubic" };
        // Frames that are flagged as interlaced only, and from each alone: the frames around it in the
        // small movie are of other times.
        let deinterlace =
            if may_be_interlaced { "estdif=mode=frame:deint=interlaced," } else { "" };
        let mut filters = deinterlace.to_owned();
        filters += &match transfer {
            None => format!(
                "scale={width}:{height}:flags={scaler}:in_color_matrix={matrix}\
                 :out_color_matrix=bt601:out_range=pc,format=yuvj420p"
            ),
            Some(transfer) => format!(
                "scale={width}:{height}:flags={scaler},zscale=min=2020_ncl:pin=2020:tin={transfer}\
                 :t=linear:npl=100,format=gbrpf32le,zscale=p=709,tonemap=hable:desat=0,\
                 zscale=t=709:m=170m:r=pc,format=yuvj420p"
            ),
        };
        if size.scaled != (size.width, size.height) {
            filters.push_str(&format!(",crop={}:{}", size.width, size.height));
        }
        filters + ",setsar=1"
    }
}
