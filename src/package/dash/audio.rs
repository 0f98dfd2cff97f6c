//! Audio channel configurations, in the schemes that clients support.

use super::xml::descriptor;
use crate::package::presentation::{Audio, Track};

/// Channel configurations by number (ISO/IEC 23001-8 section 8).
const CICP: &str = "urn:mpeg:mpegB:cicp:ChannelConfiguration";
/// A bit for each loudspeaker position (ETSI TS 102 366 annex I.1.2.1).
const DOLBY: &str = "tag:dolby.com,2014:dash:audio_channel_configuration:2011";
/// Objects in addition to the channels of Dolby Digital Plus (ETSI TS 103 420 annex D).
const EC3_EXTENSION: &str = "tag:dolby.com,2018:dash:EC3_ExtensionType:2018";
const EC3_COMPLEXITY: &str = "tag:dolby.com,2018:dash:EC3_ExtensionComplexityIndex:2018";

/// Writes the descriptors of a track's channels, if they are known.
///
/// A number of channels does not give their positions; the descriptors assume the usual ones.
pub(super) fn channels(out: &mut String, track: &Track, audio: &Audio) {
    let is_dolby = matches!(track.codec_family(), "ac-3" | "ec-3");
    let (scheme, values) = if is_dolby {
        let values = ["4000", "A000", "E000", "B800", "F800", "F801", "F901", "FA01"];
        (DOLBY, values)
    } else {
        (CICP, ["1", "2", "3", "4", "5", "6", "11", "12"])
    };
    let place = usize::from(audio.channels).checked_sub(1);
    if let Some(value) = place.and_then(|place| values.get(place)) {
        descriptor(out, "AudioChannelConfiguration", scheme, value);
    }
    if let Some(objects) = audio.joint_objects {
        descriptor(out, "SupplementalProperty", EC3_EXTENSION, "JOC");
        descriptor(out, "SupplementalProperty", EC3_COMPLEXITY, &objects.to_string());
    }
}
