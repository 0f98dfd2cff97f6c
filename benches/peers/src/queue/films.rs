//! Films that are really there, to be decoded: one of two hours, one of eight minutes, which are eight
//! pieces: as many for each of two slots.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use crate::dataset;
use crate::options::Options;
use crate::titles::film;

/// A folder of films.
#[derive(Debug)]
pub struct Films {
    media: PathBuf,
}

impl Films {
    /// Makes both in the new folder `root`, the longer only if it is needed.
    pub fn create(options: &Options, root: &Path, is_long_needed: bool) -> Result<Self> {
        let media = root.join("media");
        fs::create_dir_all(&media)?;
        let films = Films { media };
        let short = root.join("short.mp4");
        film::encode(&short)?;
        let long = is_long_needed.then_some((Self::LONG, options.storyboard_s));
        for (name, seconds) in long.into_iter().chain([(Self::FILM, options.rendition_s)]) {
            println!("\nmaking a film of {seconds} s");
            film::repeat(&short, seconds, &films.path(name))?;
            File::open(films.path(name))?.sync_all()?;
            films.evict(name)?;
        }
        dataset::settle(long.iter().map(|(name, _)| films.path(name)))?;
        dataset::settle(std::iter::once(films.path(Self::FILM)))?;
        Ok(films)
    }

    /// The film that a storyboard is made of.
    pub const LONG: &str = "long.mp4";

    /// The film that is encoded.
    pub const FILM: &str = "film.mp4";

    /// The folder of the films.
    pub fn media(&self) -> &Path {
        &self.media
    }

    /// A film by its name.
    pub fn path(&self, name: &str) -> PathBuf {
        self.media.join(name)
    }

    /// Drops a film from the page cache.
    pub fn evict(&self, name: &str) -> Result<()> {
        dataset::evict(&File::open(self.path(name))?)
    }
}

/// The longest time that a film may take to be decoded or encoded: as long as it lasts, twice.
pub fn limit(seconds: u64) -> Duration {
    Duration::from_secs(2 * seconds + 60)
}
