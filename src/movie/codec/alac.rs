//! Apple Lossless: the "magic cookie" of its decoder, `ALACSpecificConfig`, in a box `alac`.

use super::{audio::AudioConfig, boxes::full_body, cursor::Cursor};

/// Reads the `alac` box in an entry of the same type.
pub(super) fn read(body: &[u8]) -> Option<AudioConfig> {
    let mut fields = Cursor(full_body(body)?);
    fields.skip(5)?;
    let sample_size = Some(fields.u8()?.into());
    fields.skip(3)?;
    let channels = fields.u8()?.into();
    fields.skip(2 + 4 + 4)?;
    Some(AudioConfig {
        channels,
        sample_rate: fields.u32()?,
        sample_size,
        ..AudioConfig::default()
    })
}
