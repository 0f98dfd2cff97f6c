//! A title's presentation: its own tracks, and those that its assets add.

use super::{
    assets::{AudioRendition, Rendition, TitleAssets},
    opened::Opened,
};
use crate::package::{
    presentation::{Presentation, Track},
    title,
};

/// Builds the presentation of a title with all its assets.
pub fn build(opened: &Opened, name: &str, assets: &TitleAssets) -> Presentation {
    let mut presentation = title::presentation(&opened.movie, name, opened.version);
    for track in &mut presentation.tracks {
        track.prefix.clone_from(&assets.prefix);
    }
    let has = |is: fn(&Track) -> bool| presentation.tracks.iter().any(is);
    let has_video = has(|track| track.video().is_some());
    let has_audio = has(|track| track.audio().is_some());
    for Rendition { prefix, folder, opened } in &assets.renditions {
        let rendition = title::presentation(&opened.movie, name, opened.version);
        if !has_video {
            extend_times(&mut presentation, &rendition);
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
            extend_times(&mut presentation, &rendition);
        }
        presentation.tracks.extend(rendition.tracks.into_iter().next().map(|track| Track {
            prefix: assets.prefix.clone(),
            folder: folder.clone(),
            ..title::transcoded_audio(&opened.movie, *place, track)
        }));
    }
    presentation.storyboard.clone_from(&assets.storyboard);
    let Some(leading) = presentation.tracks.first().cloned() else {
        return presentation;
    };
    for (index, source) in assets.texts.iter().enumerate().filter(|(_, text)| text.is_listed) {
        presentation.tracks.push(source.track(index, &assets.prefix, opened, &leading));
    }
    presentation
}

/// Extends a presentation to the times of a rendition that replaces an original track, which cannot be sent.
fn extend_times(presentation: &mut Presentation, rendition: &Presentation) {
    presentation.duration_us = presentation.duration_us.max(rendition.duration_us);
    presentation.start_us = match presentation.start_us {
        _ if presentation.tracks.is_empty() => rendition.start_us,
        own => own.zip(rendition.start_us).map(|(own, other)| own.min(other)),
    };
}
