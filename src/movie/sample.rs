//! Samples, in whatever container they are.

use super::mp4::AuxiliaryFault;

/// One sample (ISO/IEC 14496-12 section 3.1): a video frame, an audio frame, a cue.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sample {
    /// Number in the track, from 0.
    pub number: u32,
    /// Offset of its bytes in the file.
    pub offset: u64,
    /// Size in bytes.
    pub size: u32,
    /// Decoding time, in the track's ticks.
    pub dts: i64,
    /// Time until the next sample is decoded, in ticks.
    pub duration: u32,
    /// Composition offset, in ticks: presentation time minus decoding time.
    pub composition: i32,
    /// Whether decoding can start here.
    pub is_sync: bool,
    /// Number of its sample entry, from 1; that of the first of equal ones.
    pub description: u32,
    /// It is decoded and not shown: another sample at the border of an edit needs it.
    pub is_hidden: bool,
    /// It is a frame of [silence](super::Track::silence) in memory, and not in the file.
    pub is_silence: bool,
}

/// Why a track ends before its last sample.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SampleFault {
    /// A sample is wholly or partly outside the file: an interrupted download or recording.
    #[error("the file ends before its last sample")]
    OutsideFile,
    /// The chunk tables hold fewer samples than the size table.
    #[error("its size table has more samples than its chunks")]
    NoChunk,
    /// A time exceeds the number range.
    #[error("its times overflow")]
    TimeOverflows,
    /// The track has more samples than the work budget allows.
    #[error("it has too many samples")]
    TooMany,
    /// A fragment header exceeds the length limit.
    #[error("a fragment's header is too long")]
    FragmentTooLong,
    /// A fragment is cut short or contradicts itself.
    #[error("a fragment is invalid")]
    FragmentInvalid,
    /// The auxiliary information of an encrypted sample is missing or unusable.
    #[error(transparent)]
    Auxiliary(#[from] AuxiliaryFault),
}
