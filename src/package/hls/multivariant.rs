//! Multivariant playlists: the renditions of a title, and the requirements of each combination
//! (RFC 8216bis section 4.4.6).

use super::{
    captions::ClosedCaptions,
    groups::{Group, Rendition, audio_groups, characteristics, subtitles_group},
    head, images,
    keys::keys,
    tag::Tag,
};
use crate::package::{
    bit_rate::BitRate,
    presentation::{Audio, Presentation, Track, Video, VideoRange},
    write::{clean, language, uri},
};

/// The multivariant playlist of a title. URIs are relative to the folder of the title.
///
/// Each pair of a video track and an audio group is a variant; groups in order and, within a group, video
/// tracks in order. A title without video has a variant for each codec of its audio; the other tracks of
/// that codec are its alternatives. A title with neither has no variants.
pub fn multivariant(presentation: &Presentation) -> String {
    let tracks = &presentation.tracks;
    let videos: Vec<_> = tracks
        .iter()
        .filter_map(|track| Some((track, track.video()?, BitRate::from_track(track))))
        .collect();
    let audio = audio_groups(tracks);
    let subtitles = subtitles_group(tracks);
    let subtitles_rate = subtitles.as_ref().map(Group::bit_rate).unwrap_or_default();

    let mut text = String::with_capacity(1024 + tracks.len() * 512);
    head(tracks).into_iter().for_each(|lines| text.push_str(lines));
    session_tags(&mut text, presentation);
    session_keys(&mut text, tracks);
    for group in &audio {
        audio_media(&mut text, group, videos.is_empty());
    }
    subtitles.iter().for_each(|group| subtitles_media(&mut text, group));
    let captions = ClosedCaptions::from_tracks(tracks);
    captions.media(&mut text);

    let subtitles_id = subtitles.as_ref().map(|group| group.id.as_str());
    if videos.is_empty() {
        for group in &audio {
            let Some(track) = group.default_rendition() else { continue };
            let codecs = codecs(group.renditions.iter().map(|rendition| rendition.track));
            let alternatives = (group.renditions.len() > 1).then_some(group.id.as_str());
            let rate = group.bit_rate().and(subtitles_rate);
            let tag = stream_inf(&mut text, rate, codecs.as_deref())
                .quoted_if("AUDIO", alternatives)
                .quoted_if("SUBTITLES", subtitles_id);
            captions.attribute(tag, None).end();
            text.push_str(&uri(track, "media.m3u8"));
            text.push('\n');
        }
    }
    // Video without audio has variants as well.
    let no_audio = audio.is_empty().then_some(None);
    for group in audio.iter().map(Some).chain(no_audio) {
        for (track, video, rate) in &videos {
            let group_rate = group.map(|group| group.bit_rate_beside(track)).unwrap_or_default();
            let group_rate = group_rate.and(subtitles_rate);
            let members = group.iter().flat_map(|group| &group.renditions);
            let codecs = codecs([*track].into_iter().chain(members.map(|member| member.track)));
            let tag = stream_inf(&mut text, rate.and(group_rate), codecs.as_deref());
            let tag = video_attributes(tag, video);
            let tag = match video.frame_rate {
                Some(rate) => tag.thousandths("FRAME-RATE", rate.scale(1000)),
                None => tag,
            }
            .quoted_if("AUDIO", group.map(|group| group.id.as_str()))
            .quoted_if("SUBTITLES", subtitles_id);
            captions.attribute(tag, Some(video)).end();
            text.push_str(&uri(track, "media.m3u8"));
            text.push('\n');
        }
    }
    for (track, video, _) in videos.iter().filter(|(_, video, _)| !video.iframes.is_empty()) {
        let tag = Tag::new(&mut text, "EXT-X-I-FRAME-STREAM-INF");
        let tag = bandwidths(tag, BitRate::from_iframes(track), codecs([*track]).as_deref());
        video_attributes(tag, video).quoted("URI", &uri(track, "iframes.m3u8")).end();
    }
    presentation.storyboard.iter().for_each(|storyboard| images::stream_inf(&mut text, storyboard));
    text
}

/// Writes the tags that apply to the whole title.
fn session_tags(text: &mut String, presentation: &Presentation) {
    if let Some(start) = presentation.start_us {
        Tag::new(text, "EXT-X-START")
            .seconds("TIME-OFFSET", start)
            .yes_or_no("PRECISE", true)
            .end();
    }
    if clean(&presentation.title).any(|character| character != ' ') {
        Tag::new(text, "EXT-X-SESSION-DATA")
            .quoted("DATA-ID", "com.apple.hls.title")
            .quoted("VALUE", &presentation.title)
            .end();
    }
}

/// Writes the keys of all tracks without duplicates, so that players can request them early.
fn session_keys(text: &mut String, tracks: &[Track]) {
    let mut unique: Vec<String> = Vec::new();
    for track in tracks {
        let mut tags = String::new();
        keys(&mut tags, "EXT-X-SESSION-KEY", track);
        for key in tags.lines() {
            if !unique.iter().any(|known| known == key) {
                unique.push(key.to_owned());
            }
        }
    }
    for key in unique {
        text.push_str(&key);
        text.push('\n');
    }
}

/// Writes the members of an audio group. In a title without video the variant itself is the default
/// member, which then has no URI; a single member needs no group.
fn audio_media(text: &mut String, group: &Group, is_variant: bool) {
    if is_variant && group.renditions.len() < 2 {
        return;
    }
    for rendition in &group.renditions {
        let uri = uri(rendition.track, "media.m3u8");
        let channels = rendition.track.audio().and_then(channels);
        media(text, "AUDIO", group, rendition)
            .quoted_if("CHARACTERISTICS", characteristics(rendition.track).as_deref())
            .quoted_if("CHANNELS", channels.as_deref())
            .quoted_if("URI", (!(is_variant && rendition.is_default)).then_some(&uri))
            .end();
    }
}

fn subtitles_media(text: &mut String, group: &Group) {
    for rendition in &group.renditions {
        let is_forced = rendition.track.text().is_some_and(|text| text.forced);
        media(text, "SUBTITLES", group, rendition)
            .yes_or_no("FORCED", is_forced)
            .quoted_if("CHARACTERISTICS", characteristics(rendition.track).as_deref())
            .quoted("URI", &uri(rendition.track, "media.m3u8"))
            .end();
    }
}

fn media<'t>(text: &'t mut String, kind: &str, group: &Group, rendition: &Rendition) -> Tag<'t> {
    Tag::new(text, "EXT-X-MEDIA")
        .plain("TYPE", kind)
        .quoted("GROUP-ID", &group.id)
        .quoted("NAME", &rendition.name)
        .quoted_if("LANGUAGE", language(rendition.track))
        .yes_or_no("DEFAULT", rendition.is_default)
        .yes_or_no("AUTOSELECT", rendition.autoselect)
}

fn stream_inf<'t>(text: &'t mut String, rate: BitRate, codecs: Option<&str>) -> Tag<'t> {
    bandwidths(Tag::new(text, "EXT-X-STREAM-INF"), rate, codecs)
}

fn bandwidths<'t>(tag: Tag<'t>, rate: BitRate, codecs: Option<&str>) -> Tag<'t> {
    let tag = tag.number("BANDWIDTH", rate.peak);
    let tag = match rate.average_is_known {
        true => tag.number("AVERAGE-BANDWIDTH", rate.average),
        false => tag,
    };
    tag.quoted_if("CODECS", codecs)
}

/// Adds the video attributes of variants and I-frame playlists. RESOLUTION is the displayed size.
fn video_attributes<'t>(tag: Tag<'t>, video: &Video) -> Tag<'t> {
    tag.quoted_if("SUPPLEMENTAL-CODECS", video.supplemental_codecs.as_deref())
        .resolution("RESOLUTION", video.pixel_aspect.scale(video.width), video.height.into())
        .plain(
            "VIDEO-RANGE",
            match video.range {
                VideoRange::Sdr => "SDR",
                VideoRange::Pq => "PQ",
                VideoRange::Hlg => "HLG",
            },
        )
}

/// The codecs of tracks that play together, without duplicates. `None` if one is unknown: players expect no
/// other media than an incomplete list names, and probe the media if there is no list.
fn codecs<'a>(tracks: impl IntoIterator<Item = &'a Track>) -> Option<String> {
    let mut unique: Vec<&str> = Vec::new();
    for track in tracks {
        if track.codecs.is_empty() {
            return None;
        }
        if !unique.contains(&track.codecs.as_str()) {
            unique.push(&track.codecs);
        }
    }
    (!unique.is_empty()).then(|| unique.join(","))
}

/// CHANNELS of an audio track in the form that Apple's devices read: `2`, `6`, `16/JOC`.
fn channels(audio: &Audio) -> Option<String> {
    match (audio.joint_objects, audio.channels) {
        (Some(objects), _) => Some(format!("{objects}/JOC")),
        (None, 0) => None,
        (None, channels) => Some(channels.to_string()),
    }
}
