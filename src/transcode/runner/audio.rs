//! Sound that browsers do not play, as AAC beside its film.

use std::path::Path;

use tokio::task::spawn_blocking;

use super::{
    Failure, JobContext, JobRunner, Opened, remux,
    renditions::{millis, permille, said},
};
use crate::{
    movie::Track,
    package::cues,
    transcode::{
        ffmpeg::{Input, Limits, Progress as Coming, Run},
        ladder::audio,
    },
};

/// The name of a sound in its folder.
pub const AUDIO_FILE: &str = "sound.mp4";

/// What its boxes take, and what an encoder may be off by, in bytes.
const MORE_BYTES: u64 = 16 << 20;

/// What AAC of a track takes on disk at most.
pub(super) fn bytes(film: &Opened, track: u32) -> Result<u64, Failure> {
    let track = find(film, track)?;
    let samples_bytes = lasts_ms(track) / 1000 * audio::bit_rate(audio::channels(track)) / 8;
    Ok(samples_bytes.saturating_mul(2).saturating_add(MORE_BYTES))
}

fn find(film: &Opened, track: u32) -> Result<&Track, Failure> {
    let found = audio::encodable(&film.movie).find(|other| other.id == track);
    found.ok_or_else(|| Failure::for_good("there is no such sound"))
}

fn lasts_ms(track: &Track) -> u64 {
    cues::in_ms(track.index.end, track.timescale)
}

impl JobRunner {
    /// Makes AAC of a track.
    pub(super) async fn sound(
        &self,
        film: &Opened,
        track: u32,
        folder: &Path,
        watch: JobContext,
    ) -> Result<(), Failure> {
        let JobContext { progress, halted } = watch;
        let file_bytes = bytes(film, track)?;
        let track = find(film, track)?;
        let run = Run {
            args: audio::arguments(&film.on_disk, track, AUDIO_FILE),
            stdin: Input::Nothing,
            reads: vec![film.on_disk.clone()],
            writes: folder.to_owned(),
            limits: Limits { file_bytes, ..self.limits() },
        };
        let lasts_ms = lasts_ms(track);
        let coming = |coming: &Coming| {
            let permille = permille(millis(coming.out_time), lasts_ms);
            progress.send_replace(said("encoding", permille, ""));
        };
        self.ffmpeg.run(run, coming, halted).await?;
        let (made, grid_ms) = (folder.join(AUDIO_FILE), self.library.indices.grid_ms());
        spawn_blocking(move || remux::check(&made, grid_ms)).await.map_err(Failure::passing)?
    }
}
