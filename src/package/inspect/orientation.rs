//! Rotation and mirroring of video in words.

use crate::movie::Orientation;

/// An orientation in words; `None` for identity.
pub(super) fn description(orientation: Orientation) -> Option<String> {
    match (orientation.degrees, orientation.is_mirrored) {
        (Some(0), false) => None,
        (Some(0), true) => Some("mirrored".to_owned()),
        (Some(degrees), false) => Some(format!("rotated by {degrees} degrees")),
        (Some(degrees), true) => Some(format!("mirrored and rotated by {degrees} degrees")),
        (None, _) => Some("rotated or sheared by an arbitrary angle".to_owned()),
    }
}
