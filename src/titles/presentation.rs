//! A title's presentation: its own tracks, and those that its assets add.

use super::{
    assets::{AudioRendition, Rendition, TitleAssets},
    opened::Opened,
};
use crate::{
    movie::{codec::SegmentAudio, languages},
    package::{
        presentation::{Presentation, Track, end_us},
        title,
    },
};

/// Builds the presentation of a title with all its assets.
pub fn build(opened: &Opened, name: &str, assets: &TitleAssets) -> Presentation {
    let mut presentation = title::presentation(&opened.movie, name, opened.version);
    for track in &mut presentation.tracks {
        track.prefix.clone_from(&assets.prefix);
    }
    restore_languages(&mut presentation, opened, &assets.audio_languages);
    let has = |is: fn(&Track) -> bool| presentation.tracks.iter().any(is);
    let has_video = has(|track| track.video().is_some());
    let has_audio = has(|track| track.audio().is_some());
    for Rendition { prefix, folder, opened } in &assets.renditions {
        let rendition = title::presentation(&opened.movie, name, opened.version);
        if !has_video {
            extend_start(&mut presentation, &rendition);
        }
        let video = rendition.tracks.into_iter().find(|track| track.video().is_some());
        presentation.tracks.extend(video.map(|track| Track {
            prefix: prefix.clone(),
            folder: folder.clone().unwrap_or_else(|| track.folder.clone()),
            ..track
        }));
    }
    for AudioRendition { folder, place, opened: audio } in &assets.audio {
        let rendition = title::presentation(&audio.movie, name, audio.version);
        if !has_audio {
            extend_start(&mut presentation, &rendition);
        }
        presentation.tracks.extend(rendition.tracks.into_iter().next().map(|track| Track {
            prefix: assets.prefix.clone(),
            folder: folder.clone(),
            ..title::transcoded_audio(&opened.movie, *place, track)
        }));
    }
    remove_misleading_audio(&mut presentation, opened, assets);
    presentation.duration_us = end_us(&presentation.tracks);
    presentation.storyboard.clone_from(&assets.storyboard);
    let Some(leading) = presentation.tracks.first().cloned() else {
        return presentation;
    };
    for (index, source) in assets.texts.iter().enumerate().filter(|(_, text)| text.is_listed) {
        presentation.tracks.push(source.track(index, &assets.prefix, &leading));
    }
    presentation
}

/// Gives the audio of a remuxed movie the languages of the source file: MP4 has no more than a code of three
/// letters.
fn restore_languages(
    presentation: &mut Presentation,
    opened: &Opened,
    audio_languages: &[Option<String>],
) {
    let tracks = opened.movie.tracks.iter().filter(|track| track.is_audio());
    let audio = presentation.tracks.iter_mut().filter(|track| track.audio().is_some());
    for ((described, track), language) in audio.zip(tracks).zip(audio_languages) {
        if let Some(language) = language.as_deref().map(title::parse_language) {
            if track.name.is_none() {
                described.label = languages::native_name(&language);
            }
            described.language = Some(language);
        }
    }
}

/// Removes audio that browsers fail to play in segments although its CODECS promise it, if the title has AAC
/// in its place, or other audio that plays. A player may choose any audio of which it knows the codec: hls.js
/// took the group of the MP3 although there was one of AAC, and AAC without a channel configuration ended
/// the whole title. So no manifest can have both. A title without any other audio keeps it until it has AAC,
/// for the players that do play it.
fn remove_misleading_audio(presentation: &mut Presentation, opened: &Opened, assets: &TitleAssets) {
    let tracks = &opened.movie.tracks;
    let is = |place: usize, what| tracks[place].entry.segment_audio() == Some(what);
    let offered = title::offered(&opened.movie);
    let has_other = !assets.audio.is_empty()
        || offered.iter().any(|offered| is(offered.place, SegmentAudio::Plays));
    let misleads = |place: usize| {
        is(place, SegmentAudio::Misleads) && tracks[place].entry.encryption.is_none()
    };
    if !has_other {
        return;
    }
    let misleading: Vec<_> =
        offered.into_iter().filter(|offered| misleads(offered.place)).collect();
    let is_own = |track: &Track, folder: &str| {
        track.folder == folder && track.version == opened.version.to_string()
    };
    presentation
        .tracks
        .retain(|track| !misleading.iter().any(|offered| is_own(track, &offered.folder)));
}

/// Extends a presentation to the start of a rendition that replaces an original track, which cannot be sent.
fn extend_start(presentation: &mut Presentation, rendition: &Presentation) {
    presentation.start_us = match presentation.start_us {
        _ if presentation.tracks.is_empty() => rendition.start_us,
        own => own.zip(rendition.start_us).map(|(own, other)| own.min(other)),
    };
}
