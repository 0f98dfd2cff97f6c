//! Groups of renditions that a viewer chooses from (RFC 8216bis section 4.4.6.1.1).

use crate::package::{
    bit_rate::BitRate,
    presentation::Track,
    write::{Distinct, language, name},
};

/// The family that every client decodes.
const AAC: &str = "mp4a.40";

/// Renditions of one kind, of which one is played at a time.
pub(super) struct Group<'a> {
    /// Its GROUP-ID.
    pub(super) id: String,
    /// Its members, at least one.
    pub(super) renditions: Vec<Rendition<'a>>,
}

/// A member of a group.
pub(super) struct Rendition<'a> {
    /// The track.
    pub(super) track: &'a Track,
    /// Its NAME, which no other in the group has.
    pub(super) name: String,
    /// Whether it is played when nobody has chosen: one in a group at most.
    pub(super) is_default: bool,
    /// Whether a client may choose it by itself, by the viewer's languages.
    pub(super) autoselect: bool,
}

/// The audio tracks, in a group for each codec family: a client that does not decode one leaves out
/// the variants of its group. The group of AAC is the first, for clients that try the first variant.
///
/// Groups should have the same members, and a movie's tracks often do not: one language in AAC and AC-3,
/// another in AC-3 alone. What a group lacks and AAC has is added to it, since a client that decodes
/// the group's codec decodes AAC as well. The group of AAC itself stays free of all else, so that
/// every client plays it.
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
    let same = |a: &Track, b: &Track| name(a) == name(b) && language(a) == language(b);
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

/// The text tracks, in one group; `None` if there are none.
pub(super) fn subtitles_group(tracks: &[Track]) -> Option<Group<'_>> {
    let texts: Vec<_> = tracks.iter().filter(|track| track.text().is_some()).collect();
    let id = "subtitles".to_owned();
    (!texts.is_empty()).then(|| Group { id, renditions: renditions(&texts, false) })
}

/// The members of a group. Sound there must be, subtitles only where the title says so.
fn renditions<'a>(tracks: &[&'a Track], needs_default: bool) -> Vec<Rendition<'a>> {
    let marked = tracks.iter().position(|track| track.is_default);
    let default = marked.or(needs_default.then_some(0));
    let mut names = Distinct::default();
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
    // The client's choice is by these alone, so that it must not find two (section 4.4.6.1.1).
    let choice = |track: &'a Track| (language(track), track.text());
    let mut chosen = Vec::new();
    let order = default.into_iter().chain((0..tracks.len()).filter(|&at| default != Some(at)));
    for place in order {
        let choice = choice(tracks[place]);
        renditions[place].autoselect = !chosen.contains(&choice);
        chosen.push(choice);
    }
    renditions
}

impl Group<'_> {
    /// What is enough for any of its members.
    pub(super) fn bit_rate(&self) -> BitRate {
        let rates = self.renditions.iter().map(|rendition| BitRate::of(rendition.track));
        rates.fold(BitRate::default(), BitRate::or)
    }

    /// The member that is played when nobody has chosen.
    pub(super) fn default_rendition(&self) -> Option<&Track> {
        let mut renditions = self.renditions.iter();
        renditions.find(|rendition| rendition.is_default).map(|rendition| rendition.track)
    }
}
