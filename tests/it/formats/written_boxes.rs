//! Boxes that Headwater writes, compared field by field with those of the source.
