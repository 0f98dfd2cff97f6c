//! Encodes an audio track that browsers do not play as AAC.

use std::path::Path;

use tokio::task::spawn_blocking;

use super::{
    Failure, JobContext, JobRunner, Opened,
    remux::check_movie,
    renditions::{as_millis, permille, report_progress},
};
use crate::{
    movie::Track,
    package::cues,
    transcode::{
        ffmpeg::{self, Invocation, Limits, arguments::FILE},
        renditions::audio,
    },
};

/// The file name of encoded audio in its artifact.
pub const AUDIO_FILE: &str = "audio.mp4";

/// The size of the boxes, and the tolerance of the encoder's bit rate, in bytes.
const OVERHEAD_BYTES: u64 = 16 << 20;

/// The maximum size of the AAC of a track.
pub(super) fn bytes_max(title: &Opened, track: u32) -> Result<u64, Failure> {
    let track = find_track(title, track)?;
    let bits_per_second = audio::bit_rate(audio::channels(track));
    let sample_bytes = duration_ms(track) / 1000 * bits_per_second / 8;
    Ok(sample_bytes.saturating_mul(2).saturating_add(OVERHEAD_BYTES))
}

fn find_track(title: &Opened, id: u32) -> Result<&Track, Failure> {
    audio::encodable(&title.movie)
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
        let track = find_track(title, track)?;
        let run = Invocation {
            arguments: audio::arguments(FILE.as_ref(), &title.movie, track, AUDIO_FILE),
            input: title.input(self, folder).await?,
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
}
