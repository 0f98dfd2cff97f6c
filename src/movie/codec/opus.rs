//! Opus: the configuration `dOps` ("Encapsulation of Opus in ISO Base Media File Format", section
//! 4.3.2).

use super::audio::Sound;

/// Reads `dOps`. Opus is always decoded to 48 kHz; the rate in the box is that of what was encoded.
pub(super) fn read(body: &[u8]) -> Option<Sound> {
    let channels = *body.get(1)?;
    Some(Sound { channels: channels.into(), sample_rate: 48_000, ..Sound::default() })
}
