//! What the encoder of a chunk reads.
//!
//! Of a file it reads the file, and seeks in it. Of an object it gets the chunk's samples through a pipe, so that
//! all workers together read a title once, and none needs the space of a copy. So it does of a file in another
//! container than MP4, whose samples have the times of the title's index and not those that ffmpeg would read.

use std::{path::Path, sync::Arc};

use super::{Failure, JobRunner, Opened, piped};
use crate::{
    extent::ReadError,
    package::{clip::Span, stills},
    transcode::{
        ffmpeg::{
            Input,
            arguments::{FILE, PIPE},
        },
        renditions::{
            chunks::{Chunk, ChunkPlan},
            encode::DecodeStart,
        },
    },
};

/// The input of a chunk's encoder, and the plan and the chunk with the times of that input.
pub(super) struct ChunkInput {
    pub(super) name: &'static str,
    pub(super) input: Input,
    pub(super) plan: ChunkPlan,
    pub(super) chunk: Chunk,
}

impl JobRunner {
    /// The input for a chunk, which is decoded from `start` on.
    pub(super) async fn chunk_input(
        &self,
        title: &Opened,
        plan: &ChunkPlan,
        chunk: &Chunk,
        start: DecodeStart,
        folder: &Path,
    ) -> Result<ChunkInput, Failure> {
        // ffmpeg would read other times in another container than MP4.
        let is_piped = piped::is_needed(title) || title.movie.mp4().is_none();
        if is_piped && let Some(span) = read_span(title, plan, chunk, start).await? {
            return Ok(ChunkInput {
                name: PIPE,
                input: piped::input(&span, title)?,
                plan: ChunkPlan { track: Span::TRACK, shift: span.shift, ..plan.clone() },
                // It begins with the key frame.
                chunk: Chunk { seek: None, seek_previous: None, ..chunk.clone() },
            });
        }
        if title.movie.mp4().is_none() {
            let is_stripped = !stills::track(&title.movie)?.prefix.is_empty();
            return Err(Failure::permanent(match is_stripped {
                true => "the headers of its frames are compressed; such video is not transcoded",
                false => "its video has too few key frames to be transcoded",
            }));
        }
        Ok(ChunkInput {
            name: FILE,
            input: title.input(self, folder).await?,
            plan: plan.clone(),
            chunk: chunk.clone(),
        })
    }
}

/// The samples of a chunk; `None` if they cannot be piped.
async fn read_span(
    title: &Opened,
    plan: &ChunkPlan,
    chunk: &Chunk,
    start: DecodeStart,
) -> Result<Option<Span>, Failure> {
    let previous = chunk.seek_previous.map(|timestamp| timestamp.saturating_add(plan.shift));
    let from = match start {
        DecodeStart::KeyFrame => chunk.first,
        DecodeStart::PreviousKeyFrame => previous.unwrap_or(chunk.first),
    };
    let (movie, range) = (Arc::clone(&title.movie), from..chunk.end);
    let read = title.file.run_in_pool(move |open| {
        let track = stills::track(&movie).map_err(Failure::from)?;
        piped::read_span(track, range, open)
    });
    read.await.map_err(ReadError::from)?
}
