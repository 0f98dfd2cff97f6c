//! Subtitles with unusual times, escapes and encodings (kind K13).
