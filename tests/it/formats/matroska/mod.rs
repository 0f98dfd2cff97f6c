//! Matroska in place: the frames, times and tracks of files in many forms, as other readers find them.

mod damage;
mod frames;
mod limits;
mod texts;
mod tracks;
