//! Encodes an audio track that browsers do not play as AAC.
//!
//! Of a file ffmpeg reads the file. Of an object it gets the track's samples through a pipe, which needs no copy of the
//! title, and reads no video where that is apart.

use std::{path::Path, sync::Arc};

use tokio::task::spawn_blocking;

use super::{
    Failure, JobContext, JobRunner, Opened, piped,
    remux::check_movie,
    renditions::{as_millis, permille, report_progress},
};
use crate::{
    extent::ReadError,
    movie::{Movie, Track},
    package::{clip::Span, cues},
    transcode::{
        ffmpeg::{
            self, Input, Invocation, Limits,
            arguments::{FILE, PIPE},
        },
        renditions::audio,
    },
};

/// The file name of encoded audio in its artifact.
pub const AUDIO_FILE: &str = "audio.mp4";

/// The size of the boxes, and the tolerance of the encoder's bit rate, in bytes.
const OVERHEAD_BYTES: u64 = 16 << 20;

/// The maximum size of the AAC of a track.
pub(super) fn bytes_max(title: &Opened, track: u32) -> Result<u64, Failure> {
    let track = find_track(&title.movie, track)?;
    let bits_per_second = audio::bit_rate(audio::channels(track));
    let sample_bytes = duration_ms(track) / 1000 * bits_per_second / 8;
    Ok(sample_bytes.saturating_mul(2).saturating_add(OVERHEAD_BYTES))
}

fn find_track(movie: &Movie, id: u32) -> Result<&Track, Failure> {
    audio::encodable(movie)
        .find(|track| track.id == id)
        .ok_or_else(|| Failure::permanent(format!("the title has no audio track {id} to encode")))
}

fn duration_ms(track: &Track) -> u64 {
    cues::in_ms(track.index.end, track.timescale)
}

impl JobRunner {
    /// Encodes an audio track.
    pub(super) async fn encode_audio(
        &self,
        title: &Opened,
        track: u32,
        folder: &Path,
        context: JobContext,
    ) -> Result<(), Failure> {
        let JobContext { progress, cancel } = context;
        let file_bytes = bytes_max(title, track)?;
        let track = find_track(&title.movie, track)?;
        let (name, input, stream) = self.audio_input(title, track, folder).await?;
        let channels = audio::channels(track);
        let run = Invocation {
            arguments: audio::arguments(name.as_ref(), &stream, channels, AUDIO_FILE),
            input,
            output_dir: folder.to_owned(),
            limits: Limits { file_bytes, ..self.limits() },
        };
        let duration_ms = duration_ms(track);
        let on_progress = |block: &ffmpeg::Progress| {
            let permille = permille(as_millis(block.out_time), duration_ms);
            report_progress(&progress, "encoding", permille, "");
        };
        self.ffmpeg.run(run, on_progress, cancel).await?;
        let (output, grid_ms) = (folder.join(AUDIO_FILE), self.library.indices.grid_ms());
        spawn_blocking(move || check_movie(&output, grid_ms)).await.map_err(Failure::transient)?
    }

    /// The input of the encoder with its name, and the stream of the track there.
    async fn audio_input(
        &self,
        title: &Opened,
        track: &Track,
        folder: &Path,
    ) -> Result<(&'static str, Input, String), Failure> {
        // Only tables in front tell all samples of a track within the deadline of a read.
        if piped::is_needed(title)
            && title.movie.mp4().is_some()
            && let Some(span) = read_track(title, track.id).await?
        {
            return Ok((PIPE, piped::input(&span, title)?, format!("i:{}", Span::TRACK)));
        }
        let stream = audio::stream(&title.movie, track);
        Ok((FILE, title.input(self, folder).await?, stream))
    }
}

/// All samples of a track, with the times of the title; `None` if they cannot be piped.
async fn read_track(title: &Opened, id: u32) -> Result<Option<Span>, Failure> {
    let movie = Arc::clone(&title.movie);
    let read = title
        .file
        .run_in_pool(move |open| piped::read_span(find_track(&movie, id)?, 0..i64::MAX, open));
    read.await.map_err(ReadError::from)?
}
