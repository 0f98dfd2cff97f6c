//! Opus: the configuration `dOps` ("Encapsulation of Opus in ISO Base Media File Format", section
//! 4.3.2).

use super::audio::AudioConfig;

/// Reads `dOps`. Opus decodes to 48 kHz; the rate in the box is that of the encoder's input.
pub(super) fn read(body: &[u8]) -> Option<AudioConfig> {
    let channels = *body.get(1)?;
    Some(AudioConfig { channels: channels.into(), sample_rate: 48_000, ..AudioConfig::default() })
}
