//! Faults of a sample entry: reasons to refuse it, and warnings.

use super::{FourCc, VideoRange};

/// Why an entry is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum EntryRefused {
    /// The size in its header differs from its actual size.
    #[error("the size of a sample entry does not match its sample description")]
    Size,
    /// Fixed fields of its kind are missing.
    #[error("a sample entry is too short for its media type")]
    CutShort,
    /// Longer than [`ENTRY_MAX_BYTES`](super::ENTRY_MAX_BYTES).
    #[error("a sample entry is longer than 1 MiB")]
    TooLong,
}

/// A fault in an entry that does not prevent playback. `/inspect` shows its text.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Warning {
    /// A mandatory box is missing.
    #[error("the sample entry has no {0} box; the codec parameters are a guess")]
    Missing(FourCc),
    /// A box is cut short or invalid.
    #[error("the {0} box in the sample entry is cut short or invalid")]
    CutShort(FourCc),
    /// The sequence parameter set of H.264 or HEVC, which declares the colour, is invalid.
    #[error("the sequence parameter set is invalid")]
    SequenceParameterSet,
    /// The sequence header of AV1 is invalid.
    #[error("the sequence header is invalid")]
    SequenceHeader,
    /// The entry has bytes after its last valid box.
    #[error("the sample entry has trailing data that is not a box")]
    Boxes,
    /// Container and stream declare different dynamic ranges; players follow either.
    #[error(
        "the container declares {} video, but the stream declares {}",
        container.as_str(),
        stream.as_str()
    )]
    RangesDiffer {
        /// From `colr`; takes precedence.
        container: VideoRange,
        /// From the parameter set.
        stream: VideoRange,
    },
}
