//! Matroska and WebM (RFC 9559): a movie whose samples are in clusters.
//!
//! The head of a file, its cues and its last cluster tell the tracks, and where segments begin. The samples of
//! a segment are known after a walk over the headers of its blocks, which reads
//! some hundred bytes for each block.
//!
//! Files are hostile here, too: nothing recurses, no size reserves memory, all work has a budget.

mod attachments;
mod audio_entries;
mod audio_times;
mod blocks;
mod chapters;
mod clock;
mod clusters;
mod cues;
mod cuts;
mod ebml;
mod entries;
mod frame_lengths;
mod frames;
mod head;
mod hops;
mod ids;
mod index;
mod laces;
mod movie;
mod probe;
mod summary;
mod tags;
mod tail;
mod text_tracks;
mod texts;
mod tracks;
mod video_entries;
mod video_settings;
mod video_times;

pub(super) use self::movie::{is_matroska, read};
pub use self::{
    attachments::Attachment,
    summary::{MatroskaKind, MatroskaSummary},
};
