//! What can be wrong with an entry: so much that it is refused, or so little that it is doubted.

use super::{FourCc, VideoRange};

/// Why an entry is not read at all.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum EntryRefused {
    /// The size in its header is not that of the bytes given.
    #[error("a sample entry's size does not fit into its sample description")]
    Size,
    /// The fields that every entry of its kind has are not all there.
    #[error("a sample entry is too short for its kind")]
    CutShort,
    /// Longer than [`ENTRY_MAX_BYTES`](super::ENTRY_MAX_BYTES).
    #[error("a sample entry is longer than 1 MiB")]
    TooLong,
}

/// What is wrong in an entry, or strange. It prints itself for `/inspect`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Warning {
    /// A box that an entry of its type must have.
    #[error("there is no {0} in the sample entry: what is said of the codec is a guess")]
    Missing(FourCc),
    /// A box that ends too early, or holds what makes no sense.
    #[error("the {0} in the sample entry cannot be read to its end")]
    CutShort(FourCc),
    /// The parameter set of H.264 or HEVC that tells of colour.
    #[error("the sequence parameter set cannot be read")]
    SequenceParameterSet,
    /// The same of AV1.
    #[error("the sequence header cannot be read")]
    SequenceHeader,
    /// Something else than boxes stands where boxes must be.
    #[error("the boxes in the sample entry do not fill it")]
    Boxes,
    /// Players choose either.
    #[error(
        "the container says that the video is {}, the stream says {}",
        container.as_str(),
        stream.as_str()
    )]
    RangesDiffer {
        /// By `colr`. This is what is used.
        container: VideoRange,
        /// By the parameter set.
        stream: VideoRange,
    },
}
