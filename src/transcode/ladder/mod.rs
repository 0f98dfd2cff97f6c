//! Renditions: a film in other sizes and codecs, cut where the film itself is cut.
//!
//! [`rungs`] says which renditions a film has; [`pieces`] cuts it into pieces that are encoded each by
//! itself; [`encode`] says how ffmpeg is to do that; and [`join`] makes one movie of them, whose segments
//! begin where those of the film begin, so that a player can change between them. [`sound`] is for films
//! whose sound nobody plays, and [`remux`] makes a movie of a file that is none yet.
//!
//! All of it is planning: nothing here starts a program.

pub mod audio;
pub mod chunks;
pub mod encode;
pub mod join;
pub mod remux;
pub mod report;
pub mod spec;
