//! The videos that jobs read: one of two hours, and one of eight minutes, which are eight chunks: four
//! for each of two slots.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use crate::dataset;
use crate::options::Options;
use crate::titles::video;

#[derive(Debug)]
pub struct JobSources {
    media: PathBuf,
}

impl JobSources {
    /// The source of the storyboard.
    pub const LONG: &str = "long.mp4";

    /// The source of renditions.
    pub const SHORT: &str = "short.mp4";

    /// Creates both in the new folder `root`, the longer one only if it is needed.
    pub fn create(options: &Options, root: &Path, needs_long: bool) -> Result<Self> {
        let media = root.join("media");
        fs::create_dir_all(&media)?;
        let sources = JobSources { media };
        let clip = root.join("clip.mp4");
        video::encode(&clip)?;
        let long = needs_long.then_some((Self::LONG, options.storyboard_s));
        for (name, seconds) in long.into_iter().chain([(Self::SHORT, options.rendition_s)]) {
            println!("\nmaking a video of {seconds} s");
            video::repeat(&clip, seconds, &sources.path(name))?;
            dataset::sync_and_evict(&File::open(sources.path(name))?)?;
            dataset::wait_for_quiet(std::iter::once(sources.path(name)))?;
        }
        Ok(sources)
    }

    /// The folder of the videos.
    pub fn media(&self) -> &Path {
        &self.media
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.media.join(name)
    }

    /// Drops a video from the page cache.
    pub fn evict(&self, name: &str) -> Result<()> {
        dataset::evict(&File::open(self.path(name))?)
    }
}

/// Longest job or ffmpeg run on a video of `seconds`: twice its duration.
pub fn limit(seconds: u64) -> Duration {
    Duration::from_secs(2 * seconds + 60)
}
