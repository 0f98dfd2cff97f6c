//! Media processing.

mod audio; // audio that browsers cannot decode
mod chunks; // renditions that workers encode in chunks
mod ffmpeg_supervision; // ffmpeg: sandboxed, supervised, ended
mod images; // posters, thumbnails, storyboards and previews
mod inspection; // reports about a file and its derived streams
mod inspection_sentences; // every sentence of a report, of a file of which it is true
mod long_movie; // a movie of a day at 60 frames a second
mod remux; // other containers, remuxed on the first request
mod sandbox; // the sandbox, by attempts to leave it
mod source_posters; // posters of files that are no movies, before a remux
