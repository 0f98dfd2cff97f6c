//! Streaming: virtual MP4, HLS and DASH.

mod chapters; // chapter titles, from either place in a file
mod clipping; // `play.mp4?start=&end=&tracks=`
mod encryption; // Common Encryption passes through
mod ffmpeg_client; // ffmpeg as a client
mod gathered_segments; // audio segments that are kept in memory
mod growing_files; // `?follow`: files that grow
mod manifests; // manifests against the segments they list
mod matroska_in_place; // Matroska by HLS and DASH, without a copy
mod paused_clips; // clips that clients do not read, or read late
mod playback; // every clip by virtual MP4, HLS and DASH, packet by packet
mod renditions; // renditions beside a title, and folders of them
mod required_tracks; // `?require=`: jobs that playing starts
mod subtitles; // subtitles beside a title and inside it
mod text_files; // subtitles as whole files
