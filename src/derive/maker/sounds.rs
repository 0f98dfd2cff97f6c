//! Sound that browsers do not play, as AAC beside its film.

use std::path::Path;

use tokio::task::spawn_blocking;

use super::{
    Failure, Maker, Opened, Watch, movie,
    renditions::{millis, permille, said},
};
use crate::{
    derive::{
        ffmpeg::{Input, Limits, Progress as Coming, Run},
        ladder::sound,
    },
    package::title,
};

/// The name of a sound in its folder.
pub const SOUND: &str = "sound.mp4";

/// What its boxes take, and what an encoder may be off by, in bytes.
const MORE_BYTES: u64 = 16 << 20;

/// What the sound of a film takes on disk at most.
pub(super) fn bytes(film: &Opened) -> u64 {
    let samples_bytes = title::duration_ms(&film.movie) / 1000 * sound::BIT_RATE_MAX / 8;
    samples_bytes.saturating_mul(2).saturating_add(MORE_BYTES)
}

impl Maker {
    /// Makes AAC of a track.
    pub(super) async fn sound(
        &self,
        film: &Opened,
        track: u32,
        folder: &Path,
        watch: Watch,
    ) -> Result<(), Failure> {
        let Watch { progress, halted } = watch;
        let track = film.movie.tracks.iter().find(|other| other.id == track);
        let track = track.filter(|track| sound::is_encodable(track));
        let track = track.ok_or_else(|| Failure::for_good("there is no such sound"))?;
        let run = Run {
            args: sound::arguments(&film.on_disk, track, SOUND),
            stdin: Input::Nothing,
            reads: vec![film.on_disk.clone()],
            writes: folder.to_owned(),
            limits: Limits { file_bytes: bytes(film), ..self.limits() },
        };
        let lasts_ms = title::duration_ms(&film.movie);
        let coming = |coming: &Coming| {
            let permille = permille(millis(coming.out_time), lasts_ms);
            progress.send_replace(said("encoding", permille, ""));
        };
        self.ffmpeg.run(run, coming, halted).await?;
        let (made, grid_ms) = (folder.join(SOUND), self.library.indices.grid_ms());
        spawn_blocking(move || movie::check(&made, grid_ms)).await.map_err(Failure::passing)?
    }
}
