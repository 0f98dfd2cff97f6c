//! Matroska in place, as clients play it.

mod progressive; // play.mp4 and clips
