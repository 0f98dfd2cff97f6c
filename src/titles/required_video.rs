//! Video that segments cannot hold (MPEG-4 Visual, ProRes), and that a title must have all the same.

use std::{fmt, time::Duration};

use super::{Error, Titles, artifacts::ArtifactStatus, opened::Opened};
use crate::{
    library::MediaPath,
    movie::{Movie, Track},
    package::stills,
    transcode::{
        JobSpec, Operation,
        renditions::spec::{Effort, RenditionSpec, VideoCodec, VideoTrack},
    },
};

/// Encodes the video of a title as H.264 in its own size, if segments cannot hold it: the request fails until
/// that is done, since a manifest with the audio alone would be another title. The same video in another
/// container is encoded by the remux, which requests wait for alike.
pub async fn require(
    titles: &Titles,
    title: &MediaPath,
    opened: &Opened,
    has_rendition: bool,
) -> Result<(), Error> {
    let Some((track, rendition)) = urgent(&opened.movie).filter(|_| !has_rendition) else {
        return Ok(());
    };
    let artifacts = titles.artifacts.load_full().ok_or(Error::DatabaseUnavailable(
        "cannot transcode the video of this title: no database; see the server's log",
    ))?;
    let refused = |why: &dyn fmt::Display| {
        let not_packageable = track.entry.packageable().err();
        let reason = not_packageable.map_or_else(String::new, |reason| reason.to_string());
        Error::Unprocessable(format!("{reason}; {why}"))
    };
    if let Some(why) = artifacts.unavailable {
        return Err(refused(&format_args!("transcoding is off: {why}")));
    }
    let spec = JobSpec::new(title, opened.source, Operation::Rendition { rendition });
    match artifacts.obtain(spec, Duration::ZERO).await? {
        ArtifactStatus::Pending(job) => {
            Err(Error::Pending { job: job.id, permille: job.progress.permille })
        }
        ArtifactStatus::Failed(why) => Err(refused(&format_args!("transcoding failed: {why}"))),
        ArtifactStatus::Unavailable(what) => {
            Err(Error::Unavailable(format!("cannot transcode this title now: {what}")))
        }
        // Published after the assets were listed.
        ArtifactStatus::Ready(_) => Err(Error::NotReady("the video was just encoded, retry later")),
    }
}

/// The video that must be encoded before a title plays in segments, and its rendition.
fn urgent(movie: &Movie) -> Option<(&Track, RenditionSpec)> {
    let track = stills::encoded_video(movie)?;
    let video = VideoTrack::from_track(track)?;
    let height = video.short_side();
    Some((track, RenditionSpec::new(&video, height, VideoCodec::H264, Effort::Quick)?))
}
