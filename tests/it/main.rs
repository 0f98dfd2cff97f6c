//! The tests of the product, in one binary.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may end where it stands")]
#![allow(clippy::cast_possible_truncation, reason = "what a test makes is as long as it says")]

mod boxes; // boxes in memory, read without the program's own reader
mod breaking; // movies that lie
mod clips; // clips of every kind, made by ffmpeg and kept
mod comparing; // whether a package has what its source has
mod costly; // movies that are made to cost much
mod described; // the description of the API, and whether an answer is as it says
mod ffmpeg; // ffmpeg and ffprobe: packets and frames
mod hanging_disk; // a disk that hangs when it is told to
mod harness;
mod http2; // a client for HTTP/2
mod json; // requests with JSON, and answers
mod legal; // any request, and what a legal answer to it is
mod manifests; // a strict reader of playlists and of MPDs
mod memory; // contents answered without a socket
mod movies; // small sound movies
mod patching; // where the boxes of a file are, so that they can be broken
mod postgres; // a PostgreSQL of our own
mod program; // the real program, as a child process
mod sources; // sources that misbehave on demand
mod streams; // all that is derived from a title, found as a player finds it

mod answers; // the table of cases, over sockets and in memory
mod broken; // broken movies, hundreds of them
mod browsers; // CORS, methods, request ids, health
mod cases; // HTTP's rules as a table of requests and answers
mod changing; // files that are replaced, overwritten, truncated or deleted while they are sent
mod chapters; // the names of chapters, wherever a file has them
mod clipping; // parts of titles, and some of their tracks
mod codings; // content codings of text, and never of media
mod companions; // subtitles beside a title and inside it
mod confined; // ffmpeg as the server runs it: confined, watched, ended
mod connections; // keep-alive, pipelining, malformed requests, what closes and what does not
mod contents; // content of requests: what is read of it, and what is not
mod corpus; // the seeds of the fuzz targets
mod day; // a title of a day
mod derived; // HTTP's rules for what is derived from a title
mod disks; // a root whose disk hangs stops nobody else
mod encrypted; // Common Encryption passes through, and who has the key sees the source
mod events; // what is told to whoever listens
mod failing; // sources that fail while they are being sent
mod fields; // which header fields answers have
mod following; // `?follow`: files that grow while they are sent
mod http2_limits; // what an HTTP/2 client may have, and what it keeps when the server goes down
mod inspect; // what is told of a file, and of what it is sent as
mod jobs; // the jobs of the API
mod ladder; // renditions that are encoded in pieces
mod library; // scanning, watching, listing, sorting and searching
mod listed; // what manifests promise, held against what is fetched
mod openapi; // what is described of the API, held against what is answered
mod paths; // which paths name a file, and that none leads out of a root
mod pictures; // posters, thumbnails, sheets and previews, by ffmpeg
mod players; // ffmpeg as a client
mod playing; // every clip by virtual MP4, HLS and DASH, packet by packet and frame by frame
mod process; // the program itself: signals, configuration, logs
mod properties; // what holds for any request
mod queue; // the queue of jobs, on both databases
mod regressions; // what was once wrong
mod remux; // files that are no movies, made playable when they are first asked for
mod renditions; // renditions beside a title, and sets of them
mod sandbox; // what a confined process may not do, proven by trying
mod sounds; // sound that browsers do not play
mod viewers; // very many, slow, paused and vanished viewers
mod webhooks; // who is told what has become of the jobs
mod wire; // the conversation over HTTP/1, in each way in which a file gets to a connection
mod wire_files; // files on the wire: long ones, cold ones, and those that change meanwhile
mod wire_limits; // how long the wire waits for whom, and how it goes down
mod wire_parts; // several parts in one answer, and how far apart they may be
mod worker; // workers, ffmpeg and servers that are killed, stopped and starved
