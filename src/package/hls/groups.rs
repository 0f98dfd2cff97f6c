//! Rendition groups (RFC 8216bis section 4.4.6.1.1).

use crate::package::{
    bit_rate::BitRate,
    presentation::{Sizes, Track},
    write::{UniqueNames, language, name},
};

/// The codec family that every client decodes.
const AAC: &str = "mp4a.40";

/// CHARACTERISTICS of subtitles for the hearing impaired.
const CAPTIONS: [&str; 2] = [
    "public.accessibility.transcribes-spoken-dialog",
    "public.accessibility.describes-music-and-sound",
];

/// Renditions of one kind, of which a client plays one at a time.
pub(super) struct Group<'a> {
    /// GROUP-ID.
    pub(super) id: String,
    /// Members, at least one.
    pub(super) renditions: Vec<Rendition<'a>>,
}

/// A member of a group.
pub(super) struct Rendition<'a> {
    /// Track.
    pub(super) track: &'a Track,
    /// NAME, unique in the group.
    pub(super) name: String,
    /// Whether the rendition plays by default: at most one in a group.
    pub(super) is_default: bool,
    /// Whether a client may select the rendition by the viewer's languages.
    pub(super) autoselect: bool,
}

/// Groups the audio tracks by codec family: a client skips the variants of a group if it does not decode the
/// codec. The AAC group comes first, for clients that try the first variant.
///
/// Groups should have the same members, but tracks of a movie often differ: one language in AAC and AC-3,
/// another in AC-3 only. Each other group also gets the AAC tracks that it has no equivalent of, because a
/// client that decodes its codec decodes AAC as well. The AAC group contains only AAC, so that every client
/// plays it.
pub(super) fn audio_groups(tracks: &[Track]) -> Vec<Group<'_>> {
    let mut families: Vec<Vec<&Track>> = Vec::new();
    for track in tracks.iter().filter(|track| track.audio().is_some()) {
        let is_family = |family: &&mut Vec<&Track>| {
            family.first().is_some_and(|first| first.codec_family() == track.codec_family())
        };
        match families.iter_mut().find(is_family) {
            Some(family) => family.push(track),
            None => families.push(vec![track]),
        }
    }
    let is_aac = |family: &[&Track]| family.iter().any(|track| track.codec_family() == AAC);
    families.sort_by_key(|family| !is_aac(family));
    let aac = families.first().filter(|family| is_aac(family)).cloned().unwrap_or_default();
    let same = |a: &Track, b: &Track| {
        name(a) == name(b) && language(a) == language(b) && a.roles == b.roles
    };
    for family in families.iter_mut().filter(|family| !is_aac(family)) {
        let own = family.len();
        for &track in &aac {
            if !family[..own].iter().any(|other| same(other, track)) {
                family.push(track);
            }
        }
    }
    (1..)
        .zip(families)
        .map(|(number, family): (usize, _)| Group {
            id: format!("audio-{number}"),
            renditions: renditions(&family, true),
        })
        .collect()
}

/// The text tracks as one group; `None` if there are none.
pub(super) fn subtitles_group(tracks: &[Track]) -> Option<Group<'_>> {
    let texts: Vec<_> = tracks.iter().filter(|track| track.text().is_some()).collect();
    let id = "subtitles".to_owned();
    (!texts.is_empty()).then(|| Group { id, renditions: renditions(&texts, false) })
}

/// The members of a group. Audio needs a default; subtitles have one only if a track is marked.
fn renditions<'a>(tracks: &[&'a Track], needs_default: bool) -> Vec<Rendition<'a>> {
    let marked = tracks.iter().position(|track| track.is_default);
    let default = marked.or(needs_default.then_some(0));
    let mut names = UniqueNames::default();
    let mut renditions: Vec<_> = tracks
        .iter()
        .enumerate()
        .map(|(place, &track)| Rendition {
            track,
            name: names.add(&name(track).replace('"', "'"), |name, n| format!("{name} ({n})")),
            is_default: default == Some(place),
            autoselect: false,
        })
        .collect();
    // Clients choose by these properties, so only one rendition with the same ones may be selected
    // automatically (section 4.4.6.1.1).
    let properties = |track: &'a Track| (language(track), track.text(), characteristics(track));
    let mut seen = Vec::new();
    let order = default.into_iter().chain((0..tracks.len()).filter(|&at| default != Some(at)));
    for place in order {
        let properties = properties(tracks[place]);
        renditions[place].autoselect = !seen.contains(&properties);
        seen.push(properties);
    }
    renditions
}

/// CHARACTERISTICS of a rendition (section 4.4.6.1); `None` if it has none.
pub(super) fn characteristics(track: &Track) -> Option<String> {
    let is_for_deaf = track.text().is_some_and(|text| text.hearing_impaired);
    let captions: &[&str] = if is_for_deaf { &CAPTIONS } else { &[] };
    let declared = track.roles.iter().filter_map(|role| role.characteristic());
    let all: Vec<&str> = captions.iter().copied().chain(declared).collect();
    (!all.is_empty()).then(|| all.join(","))
}

impl Group<'_> {
    /// Bit rate that suffices for each member.
    pub(super) fn bit_rate(&self) -> BitRate {
        let rates = self.renditions.iter().map(|rendition| BitRate::from_track(rendition.track));
        rates.fold(BitRate::default(), BitRate::or)
    }

    /// Bit rate that each member needs beside a video track. If the sizes of that are not known, they count all
    /// tracks of its file.
    pub(super) fn bit_rate_beside(&self, video: &Track) -> BitRate {
        let is_counted = |track: &Track| {
            let of = |track: &Track| (track.version.clone(), track.prefix.clone());
            video.sizes != Sizes::Exact && of(track) == of(video)
        };
        let rates = self.renditions.iter().map(|rendition| {
            let rate = BitRate::from_track(rendition.track);
            if is_counted(rendition.track) { BitRate { peak: 0, ..rate } } else { rate }
        });
        rates.fold(BitRate::default(), BitRate::or)
    }

    /// The member that plays by default.
    pub(super) fn default_rendition(&self) -> Option<&Track> {
        let mut renditions = self.renditions.iter();
        renditions.find(|rendition| rendition.is_default).map(|rendition| rendition.track)
    }
}
