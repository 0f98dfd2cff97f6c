//! A server whose root is a bucket, and a film that is good to count the requests for.

use std::ops::Deref;

use crate::support::{
    bucket::Bucket,
    folder::Folder,
    movies::{self, Plan},
    server::{Serving, serve_with},
};

/// A server of a bucket, and its credentials.
pub struct BucketServing {
    serving: Serving,
    _credentials: Folder,
}

impl Deref for BucketServing {
    type Target = Serving;

    fn deref(&self) -> &Serving {
        &self.serving
    }
}

/// A server of a bucket, with a cache of its own. It reads no title before a client does.
pub fn serve_bucket(bucket: &Bucket, endpoint: &str) -> BucketServing {
    serve_bucket_with(bucket, endpoint, "")
}

/// As [`serve_bucket`], with keys of the configuration.
pub fn serve_bucket_with(bucket: &Bucket, endpoint: &str, keys: &str) -> BucketServing {
    serve_bucket_beside(bucket, endpoint, keys, "")
}

/// As [`serve_bucket_with`], with lines behind those of the bucket's table: more of its keys, and other roots.
pub fn serve_bucket_beside(
    bucket: &Bucket,
    endpoint: &str,
    keys: &str,
    tables: &str,
) -> BucketServing {
    let credentials = Folder::new();
    let root = bucket.root(&credentials, endpoint);
    let serving = serve_with(&[], &format!("index_titles = false\n{keys}{root}{tables}"));
    serving.until_scanned();
    BucketServing { serving, _credentials: credentials }
}

/// A film of segments of 6 s, video and audio interleaved, with its index at the end.
pub struct Film {
    /// The file.
    pub bytes: Vec<u8>,
    /// The bytes of a segment, audio included.
    segment_bytes: usize,
}

/// The frames of a segment: 6 s at 25 a second.
const FRAMES: usize = 150;

/// The bytes in front of the first sample.
const HEAD_BYTES: usize = 32;

impl Film {
    /// A film of some segments, with frames of so many bytes.
    pub fn new(segments: usize, frame_bytes: u32) -> Self {
        Self::with_audio_frames(segments, frame_bytes, segments * 2 * FRAMES)
    }

    /// As [`new`](Self::new), with more audio behind: its tables make the index long.
    pub fn with_audio_frames(segments: usize, frame_bytes: u32, audio_frames: usize) -> Self {
        let mut video = Plan::video(1, segments * FRAMES);
        video.sizes.fill(frame_bytes);
        (video.sync_every, video.compositions) = (FRAMES, Vec::new());
        video.edits = vec![(u32::try_from(segments).expect("a short film") * 6000, 0)];
        let mut audio = Plan::audio(2, audio_frames);
        audio.sizes.fill(8);
        let chunks = FRAMES / video.per_chunk;
        let segment_bytes =
            FRAMES * frame_bytes as usize + chunks * audio.per_chunk * audio.sizes[0] as usize;
        Self { bytes: movies::plain(&[video, audio]), segment_bytes }
    }

    /// The offset of the first sample of a segment.
    pub fn segment_offset(&self, segment: usize) -> u64 {
        (HEAD_BYTES + segment * self.segment_bytes) as u64
    }

    /// The length in MiB.
    pub fn mib(&self) -> f64 {
        self.bytes.len() as f64 / f64::from(1 << 20)
    }
}
