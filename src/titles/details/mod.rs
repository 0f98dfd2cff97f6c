//! What a title is, for programs: its tracks, chapters, renditions and subtitles, and whether it plays.
//!
//! A file that is broken, empty or still written has details too: they say why it does not play. Reading
//! details starts no job.

mod document;

use std::{sync::Arc, time::Instant};

pub use self::document::{Chapter, Details, LeftOutFile, Rendition, TextFile, Track};

use super::{
    Error, Titles,
    assets::TitleAssets,
    facts,
    opened::Opened,
    readiness::Waiting,
    remux::{self, RemuxStart},
    text_files,
    texts::{self, TextOrigin},
};
use crate::{
    extent::File,
    library::{MediaPath, sidecars::is_set},
    movie::MovieRefused,
    package::inspect::{foreign::Foreign, playable::Playable},
};

impl Titles {
    /// The details of a title.
    pub async fn details(&self, title: &MediaPath) -> Result<Details, Error> {
        let begun = Instant::now();
        let opened = match self.index(title, Waiting::Allowed).await {
            Ok((file, Ok(movie))) => self.opened(file, movie, begun),
            Ok((file, Err(refused))) => return self.details_of_other(title, file, refused).await,
            Err(Error::NotFound) if is_set(title) => return self.details_of_set(title).await,
            // The same sentence as that of a playlist.
            Err(error @ Error::Growing) => {
                return Ok(Details::unplayable(title, error.to_string()));
            }
            Err(error) => return Err(error),
        };
        let assets = TitleAssets::open(self, title, &opened, "").await?;
        let playable = match opened.movie.mp4() {
            Some(_) => Playable::of_movie(&opened.movie),
            None => match facts::foreign(&opened.file).await? {
                Some(foreign) => Playable::of_foreign(&foreign, &opened.movie),
                None => Playable::of_movie(&opened.movie),
            },
        };
        let facts = facts::of_opened(&opened).await?;
        let details = self.details_of_movie(opened, assets, playable).await?;
        Ok(Details { facts: Some(facts), ..details })
    }

    async fn details_of_set(&self, title: &MediaPath) -> Result<Details, Error> {
        let Some(set) = self.open_set(title).await? else {
            let why = "no file of the set is a movie".to_owned();
            return Ok(Details::unplayable(title, why));
        };
        let file = set.leading.path.clone();
        let (opened, assets) = TitleAssets::of_set(self, set).await?;
        let playable = Playable::of_movie(&opened.movie);
        let details = self.details_of_movie(opened, assets, playable).await?;
        Ok(Details { file: Some(file), ..details })
    }

    /// The details of a file that is no movie itself: those of its remuxed movie, if there is one.
    async fn details_of_other(
        &self,
        title: &MediaPath,
        file: Arc<File>,
        refused: Arc<MovieRefused>,
    ) -> Result<Details, Error> {
        let version = self.version(&file);
        let foreign = facts::foreign(&file).await?;
        let progress = match remux::progress(self, title, (&file, version), &refused).await {
            Ok(progress) => progress,
            Err(Error::Unprocessable(why)) => return Ok(Details::unplayable(title, why)),
            Err(error) => return Err(error),
        };
        let Some(progress) = progress else {
            return self.details_of_remuxed(title, (file, refused), foreign.as_ref()).await;
        };
        let (beside, mut left_out) = text_files::open_beside(self, title, version).await?;
        let facts = facts::from_head(title, foreign.as_ref());
        Ok(Details {
            facts: Some(facts),
            playable: Playable::before_remux(foreign.as_ref(), &progress),
            texts: self.text_files(&beside, &mut left_out).await,
            left_out: left_out.into_iter().map(LeftOutFile::from).collect(),
            ..Details::default()
        })
    }

    async fn details_of_remuxed(
        &self,
        title: &MediaPath,
        (file, refused): (Arc<File>, Arc<MovieRefused>),
        foreign: Option<&Foreign>,
    ) -> Result<Details, Error> {
        let (start, begun) = (RemuxStart::Never, Instant::now());
        let indexed = (file, Err(refused));
        let opened = self.open_indexed(title, indexed, start, begun, Waiting::Allowed).await?;
        let assets = TitleAssets::open(self, title, &opened, "").await?;
        let playable = match foreign {
            Some(foreign) => Playable::of_foreign(foreign, &opened.movie),
            None => Playable::of_movie(&opened.movie),
        };
        let facts = facts::from_remuxed(&opened.movie, title, foreign);
        let details = self.details_of_movie(opened, assets, playable).await?;
        Ok(Details { facts: Some(facts), ..details })
    }

    async fn details_of_movie(
        &self,
        opened: Opened,
        mut assets: TitleAssets,
        playable: Playable,
    ) -> Result<Details, Error> {
        let chapters = texts::read_chapters(&opened).await?;
        let mut left_out = std::mem::take(&mut assets.left_out);
        let texts = self.text_files(&assets.texts, &mut left_out).await;
        let transcoding = self.transcoding();
        let describe = move || {
            let described = document::of_movie(&opened, &assets, playable, transcoding);
            Details {
                texts,
                left_out: left_out.into_iter().map(LeftOutFile::from).collect(),
                chapters: chapters.into_iter().map(Chapter::from).collect(),
                ..described
            }
        };
        Ok(self.background.spawn_blocking_limited(describe).await?)
    }

    /// Why jobs cannot transcode here, if they cannot.
    pub(super) fn transcoding(&self) -> Result<(), String> {
        match &*self.artifacts.load() {
            None => Err("the server has no database".to_owned()),
            Some(artifacts) => match artifacts.unavailable {
                Some(why) => Err(why.to_owned()),
                None => Ok(()),
            },
        }
    }

    /// Describes subtitles that have a cue. Adds the files beside the title that have none to those left out.
    async fn text_files(
        &self,
        sources: &[texts::TextSource],
        left_out: &mut texts::LeftOut,
    ) -> Vec<TextFile> {
        let mut files = Vec::new();
        for (source, name) in sources.iter().zip(text_files::names(sources)) {
            if !source.is_listed {
                continue;
            }
            match (texts::why_invalid(self, source).await, &source.origin) {
                (None, _) => files.push(TextFile::new(name, source.describe())),
                (Some(why), TextOrigin::Sidecar { path, .. }) => left_out.push((path.clone(), why)),
                (Some(_), _) => {}
            }
        }
        files
    }
}
