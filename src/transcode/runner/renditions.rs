//! Renditions: a film is cut into pieces, which are jobs of their own, and joined when all are there.

use std::{num::NonZeroU32, path::Path, sync::Arc, time::Duration};

use tokio::task::spawn_blocking;

use super::{Failure, JobContext, JobRunner, Next, Opened};
use crate::{
    extent::ReadError,
    package::{cues, stills, title},
    queue::Progress,
    transcode::{
        JobSpec, Operation,
        ffmpeg::{Input, Limits, Progress as Coming, Run},
        ladder::{
            chunks::Chunks,
            encode::{self, Colours, Encoder, Start},
            join::{self, NoRendition},
            spec::{RenditionSpec, VideoTrack},
        },
    },
};

/// The name of a piece in its folder.
const PIECE: &str = "piece.mp4";

/// What the file of any piece may take, in bytes.
const FILE_BYTES_MIN: u64 = 64 << 20;

/// The name of a rendition in its folder.
pub const RENDITION_FILE: &str = "rendition.mp4";

impl JobRunner {
    /// What a rendition, or a piece of one, takes on disk at most: twice what its rate allows, since
    /// pieces are there until they are joined.
    pub(super) fn rendition_bytes(
        &self,
        opened: &Opened,
        operation: &Operation,
        rendition: &RenditionSpec,
    ) -> u64 {
        let whole_ms = title::duration_ms(&opened.movie);
        let (ms, copies) = match operation {
            Operation::Chunk { .. } => (whole_ms.min(2 * self.piece_ms.get()), 1),
            _ => (whole_ms, 2),
        };
        let bytes = u128::from(ms) * u128::from(rendition.bit_rate_max) / 8000 * copies;
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }

    /// Joins a rendition, or says which of its pieces have to be made first. What was made before and is
    /// still there is not made again.
    pub(super) async fn rendition(
        &self,
        opened: &Opened,
        spec: &JobSpec,
        rendition: &RenditionSpec,
        folder: &Path,
        watch: JobContext,
    ) -> Result<Next, Failure> {
        let film = self.pieces(opened).await?;
        let (mut files, mut missing) = (Vec::new(), Vec::new());
        for number in (1_u32..).take(film.pieces.len()) {
            let piece = JobSpec {
                operation: Operation::Chunk { rendition: *rendition, number },
                ..spec.clone()
            };
            match self.find(&piece.key()).await? {
                Some(made) => files.push(made.join(PIECE)),
                None => missing.push(piece),
            }
        }
        if !missing.is_empty() {
            return Ok(Next::Split(missing));
        }
        let JobContext { progress, halted } = watch;
        let whole_bytes = self.rendition_bytes(
            opened,
            &Operation::Rendition { rendition: *rendition },
            rendition,
        ) / 2;
        let output = folder.join(RENDITION_FILE);
        let grid_ms = self.grid_ms();
        let join = move || {
            join::join(&film, grid_ms, &files, &output, |bytes| {
                progress.send_replace(said("joining", permille(bytes, whole_bytes), ""));
                !*halted.borrow()
            })
        };
        let joined = spawn_blocking(join).await.map_err(Failure::passing)??;
        if joined.lost > 0 {
            let (lost, title) = (joined.lost, &spec.title);
            tracing::warn!(lost, title, "pictures could not be decoded");
        }
        Ok(Next::Publish)
    }

    /// Encodes one piece of a rendition.
    pub(super) async fn piece(
        &self,
        opened: &Opened,
        rendition: &RenditionSpec,
        number: u32,
        folder: &Path,
        watch: JobContext,
    ) -> Result<(), Failure> {
        let film = self.pieces(opened).await?;
        let piece = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
        let piece = piece.and_then(|place| film.pieces.get(place));
        let piece = piece.ok_or_else(|| Failure::for_good("there is no such piece"))?;
        let track = stills::track(&opened.movie)?;
        let pictures = VideoTrack::of(track).ok_or(stills::StillsRefused::NoPictures)?;
        let colours = Colours::of(&pictures, rendition.coding);
        let input = opened.on_disk.clone();
        let operation = Operation::Chunk { rendition: *rendition, number };
        let limits = Limits {
            // What stays within its rate on average may be far above it in a piece.
            file_bytes: self
                .rendition_bytes(opened, &operation, rendition)
                .saturating_mul(4)
                .max(FILE_BYTES_MIN),
            only_spare: self.yields,
            ..self.limits()
        };
        let JobContext { progress, halted } = watch;
        let lasts_ms = cues::in_ms(piece.end.saturating_sub(piece.first), film.timescale);
        let note = format!("{rendition}, piece {number} of {}", film.pieces.len());
        for start in [Start::KeyFrame, Start::Earlier] {
            let encoder = Encoder { rendition: *rendition, colours, threads: 1, start };
            let run = Run {
                args: encode::arguments(&input, &film, piece, &encoder, PIECE),
                stdin: Input::Nothing,
                reads: vec![input.clone()],
                writes: folder.to_owned(),
                limits,
            };
            let coming = |coming: &Coming| {
                let permille = permille(millis(coming.out_time), lasts_ms);
                progress.send_replace(said("encoding", permille, &note));
            };
            self.ffmpeg.run(run, coming, halted.clone()).await?;
            if self.is_complete(&film, number, folder, start).await? {
                break;
            }
        }
        Ok(())
    }

    /// Whether no picture of a piece is missing, or none that could be had by decoding from further
    /// before.
    async fn is_complete(
        &self,
        film: &Chunks,
        number: u32,
        folder: &Path,
        start: Start,
    ) -> Result<bool, Failure> {
        let (film, file, grid_ms) = (film.clone(), folder.join(PIECE), self.grid_ms());
        let number = usize::try_from(number).unwrap_or(usize::MAX);
        let check = spawn_blocking(move || join::check(&film, number, grid_ms, &file)).await;
        match (check.map_err(Failure::passing)?, start) {
            (Ok(0), _) | (Ok(_), Start::Earlier) => Ok(true),
            (Ok(_) | Err(NoRendition::VideoTrack { .. }), Start::KeyFrame) => Ok(false),
            (Err(error), _) => Err(error.into()),
        }
    }

    /// How a film is cut. The same whoever asks: it follows from the file alone.
    async fn pieces(&self, opened: &Opened) -> Result<Chunks, Failure> {
        let (movie, piece_ms) = (Arc::clone(&opened.movie), self.piece_ms);
        let cut = opened.file.run_in_pool(move |open| {
            let track = stills::track(&movie)?;
            Ok::<_, stills::StillsRefused>(Chunks::of(track, &open.blocking_reader(), piece_ms)?)
        });
        Ok(cut.await.map_err(ReadError::from)??)
    }

    fn grid_ms(&self) -> NonZeroU32 {
        self.library.indices.grid_ms()
    }
}

pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// How far `done` is of `all`; never quite there, since that is for whoever publishes it to say.
pub(super) fn permille(done: u64, all: u64) -> u16 {
    let permille = u128::from(done) * 1000 / u128::from(all.max(1));
    u16::try_from(permille.min(999)).unwrap_or(999)
}

pub(super) fn said(stage: &str, permille: u16, note: &str) -> Progress {
    Progress { permille, stage: stage.to_owned(), note: note.to_owned() }
}

impl From<NoRendition> for Failure {
    fn from(error: NoRendition) -> Self {
        match error {
            // What is written is among what is made here, and so is what is read.
            NoRendition::Io(_) | NoRendition::Read(_) => Self::lacking(error),
            error => Self::for_good(error),
        }
    }
}
