//! Tracks that a manifest must have before a title plays, and that jobs encode at the first request.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    Error, Titles,
    artifacts::{ArtifactStatus, Artifacts},
    assets::{Rendition, TitleAssets},
    opened::Opened,
};
use crate::{
    library::MediaPath,
    movie::{Movie, Track, codec::Codec},
    package::stills,
    transcode::{
        JobSpec, Operation,
        renditions::{
            audio,
            spec::{Effort, RenditionSpec, VideoCodec, VideoTrack},
        },
    },
};

/// The height up to which a viewer who waits gets H.264: a larger rendition takes longer than it is worth.
const H264_HEIGHT_MAX: u32 = 720;

/// What a player asks a manifest to have, because it does not decode the title's own tracks.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Required {
    /// H.264 as all browsers decode it.
    pub h264: bool,
    /// AAC of the default audio.
    pub aac: bool,
}

/// Encodes the tracks that a title lacks and the manifest must have: the request fails until that is done.
///
/// - Segments cannot hold the title's own video (MPEG-4 Visual, ProRes): a manifest with the audio alone
///   would be another title. The same video in another container is encoded by the remux, which requests
///   wait for alike.
/// - The player asks for it.
pub async fn require(
    titles: &Titles,
    title: &MediaPath,
    opened: &Opened,
    assets: &TitleAssets,
    required: Required,
) -> Result<(), Error> {
    let movie = &opened.movie;
    let spec = |operation| JobSpec::new(title, opened.source, operation);
    if let Some((track, rendition)) = missing_video(movie, &assets.renditions, required.h264) {
        let artifacts = artifacts(titles, track)?;
        let status = artifacts.obtain_to_play(spec(Operation::Rendition { rendition })).await?;
        return Err(not_yet(status, track));
    }
    if required.aac
        && let Some(track) = missing_audio(movie, assets)
    {
        let artifacts = artifacts(titles, track)?;
        let operation = Operation::Audio { track: track.id };
        let status = artifacts.obtain(spec(operation), Duration::ZERO).await?;
        return Err(not_yet(status, track));
    }
    Ok(())
}

/// The artifacts, if jobs can encode here.
fn artifacts(titles: &Titles, track: &Track) -> Result<Arc<Artifacts>, Error> {
    let artifacts = titles.artifacts.load_full().ok_or(Error::DatabaseUnavailable(
        "cannot transcode this title: no database; see the server's log",
    ))?;
    match artifacts.unavailable {
        Some(why) => Err(refused(track, &format_args!("transcoding is off: {why}"))),
        None => Ok(artifacts),
    }
}

/// Why a manifest has to wait for a track, or cannot have it.
fn not_yet(status: ArtifactStatus, track: &Track) -> Error {
    match status {
        ArtifactStatus::Pending(job) => {
            Error::Pending { job: job.id, permille: job.progress.permille }
        }
        ArtifactStatus::Failed(why) => refused(track, &format_args!("transcoding failed: {why}")),
        ArtifactStatus::Unavailable(what) => {
            Error::Unavailable(format!("cannot transcode this title now: {what}"))
        }
        // Published after the assets were listed.
        ArtifactStatus::Ready(_) => Error::NotReady("the track was just encoded, retry later"),
    }
}

fn refused(track: &Track, why: &dyn fmt::Display) -> Error {
    let not_packageable = track.entry.packageable().err();
    let reason = not_packageable.map_or_else(String::new, |reason| format!("{reason}; "));
    Error::Unprocessable(format!("{reason}{why}"))
}

/// The video that must be encoded before a title plays, and its rendition.
fn missing_video<'a>(
    movie: &'a Movie,
    renditions: &[Rendition],
    requires_h264: bool,
) -> Option<(&'a Track, RenditionSpec)> {
    let (track, height_max) = match stills::encoded_video(movie) {
        Some(track) if renditions.is_empty() => (track, u32::MAX),
        _ if !requires_h264 || renditions.iter().any(is_h264) => return None,
        _ => {
            let track = stills::track(movie).ok().filter(|track| !stills::is_cover(movie, track));
            (track?, H264_HEIGHT_MAX)
        }
    };
    let video = VideoTrack::from_track(track).filter(|video| !is_plain_h264(video))?;
    let height = video.short_side().min(height_max);
    Some((track, RenditionSpec::new(&video, height, VideoCodec::H264, Effort::Quick)?))
}

fn is_h264(rendition: &Rendition) -> bool {
    let track = stills::track(&rendition.opened.movie).ok();
    track.and_then(VideoTrack::from_track).as_ref().is_some_and(is_plain_h264)
}

/// Whether all browsers decode the video: not all decode VP9 and AV1.
fn is_plain_h264(video: &VideoTrack) -> bool {
    video.codec == Codec::H264 && video.is_playable
}

/// The default audio, if it needs AAC that does not exist yet.
fn missing_audio<'a>(movie: &'a Movie, assets: &TitleAssets) -> Option<&'a Track> {
    let place = movie.leading_audio()?;
    let track = movie.tracks.get(place).filter(|track| audio::is_encodable(track))?;
    assets.audio.iter().all(|audio| audio.place != place).then_some(track)
}
