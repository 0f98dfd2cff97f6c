//! What a track is for, as its file says in `kind` boxes (ISO/IEC 14496-12 section 8.10.4): a role in an
//! MPD, a characteristic in a playlist.

use crate::movie::{Track, TrackKind};

/// The scheme of DASH (ISO/IEC 23009-1 section 5.8.5.5), which ffmpeg and GPAC write.
pub(super) const DASH_ROLES: &str = "urn:mpeg:dash:role:2011";

/// The kinds of tracks of HTML ("Sourcing In-band Media Resource Tracks from Media Containers into HTML").
const HTML_KINDS: &str = "about:html-kind";

/// Purposes of audio for people who see or hear less (TV-Anytime, DVB-DASH section 6.1.2).
pub(super) const AUDIO_PURPOSES: &str = "urn:tva:metadata:cs:AudioPurposeCS:2007";

/// A purpose of a track, named as DASH names it. `main` and `alternate` are left out: they follow from
/// which track plays by default.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "each variant is the role's name; see dash_value")]
pub enum Role {
    Caption,
    Commentary,
    Description,
    Dub,
    EasyReader,
    Emergency,
    EnhancedSpeech,
    ForcedSubtitle,
    Karaoke,
    Sign,
    Supplementary,
}

use Role::*;

/// The values of the DASH scheme.
const DASH_VALUES: [(Role, &str); 11] = [
    (Caption, "caption"),
    (Commentary, "commentary"),
    (Description, "description"),
    (Dub, "dub"),
    (EasyReader, "easyreader"),
    (Emergency, "emergency"),
    (EnhancedSpeech, "enhanced-audio-intelligibility"),
    (ForcedSubtitle, "forced-subtitle"),
    (Karaoke, "karaoke"),
    (Sign, "sign"),
    (Supplementary, "supplementary"),
];

impl Role {
    fn from_kind(kind: &TrackKind) -> Option<Self> {
        let value = kind.value.as_str();
        match kind.scheme.as_str() {
            // The name in the editions before the fifth.
            DASH_ROLES if value == "forced_subtitle" => Some(ForcedSubtitle),
            DASH_ROLES => {
                DASH_VALUES.iter().find(|(_, known)| *known == value).map(|(role, _)| *role)
            }
            HTML_KINDS => match value {
                "captions" => Some(Caption),
                "commentary" => Some(Commentary),
                "descriptions" | "main-desc" => Some(Description),
                "sign" => Some(Sign),
                "translation" => Some(Dub),
                _ => None,
            },
            AUDIO_PURPOSES => match value {
                "1" => Some(Description),
                "2" => Some(EnhancedSpeech),
                _ => None,
            },
            _ => None,
        }
    }

    /// The value of the DASH scheme.
    pub(super) fn dash_value(self) -> &'static str {
        DASH_VALUES.iter().find(|(role, _)| *role == self).map_or("", |(_, value)| value)
    }

    /// The scheme and value of `Accessibility` in an MPD (section 5.8.4.3), for audio and video that help
    /// people who see or hear less.
    pub(super) fn accessibility(self) -> Option<(&'static str, &'static str)> {
        match self {
            Description => Some((AUDIO_PURPOSES, "1")),
            EnhancedSpeech => Some((AUDIO_PURPOSES, "2")),
            Sign => Some((DASH_ROLES, "sign")),
            _ => None,
        }
    }

    /// The characteristic in a playlist (RFC 8216bis section 4.4.6.1). Captions have two of their own.
    pub(super) fn characteristic(self) -> Option<&'static str> {
        match self {
            Description => Some("public.accessibility.describes-video"),
            EasyReader => Some("public.easy-to-read"),
            EnhancedSpeech => Some("public.accessibility.enhances-speech-intelligibility"),
            _ => None,
        }
    }
}

/// The roles of a track, each once. Unknown schemes and values are left out.
pub fn roles(track: &Track) -> Vec<Role> {
    let mut roles = Vec::new();
    for role in track.kinds.iter().filter_map(Role::from_kind) {
        if !roles.contains(&role) {
            roles.push(role);
        }
    }
    roles
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_three_schemes_are_roles() {
        let role = |scheme: &str, value: &str| {
            Role::from_kind(&TrackKind { scheme: scheme.to_owned(), value: value.to_owned() })
        };
        for (expected, value) in DASH_VALUES {
            assert_eq!(role(DASH_ROLES, value), Some(expected));
            assert_eq!(expected.dash_value(), value);
        }
        assert_eq!(role(HTML_KINDS, "main-desc"), Some(Description));
        assert_eq!(role(AUDIO_PURPOSES, "2"), Some(EnhancedSpeech));
        for (scheme, value) in [(DASH_ROLES, "main"), (HTML_KINDS, "description"), ("x", "dub")] {
            assert_eq!(role(scheme, value), None);
        }
    }
}
