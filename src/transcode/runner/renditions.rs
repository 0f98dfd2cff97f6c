//! Renditions: encodes chunks, which are jobs of their own, and joins them when all exist.

use std::{num::NonZeroU32, path::Path, sync::Arc, time::Duration};

use tokio::{sync::watch, task::spawn_blocking};

use super::{Failure, JobContext, JobRunner, NextStep, Opened, chunk_input::ChunkInput};
use crate::{
    extent::ReadError,
    package::{
        cues,
        stills::{self, StillsError},
        title,
    },
    queue::Progress,
    transcode::{
        JobSpec, Operation,
        ffmpeg::{self, Invocation, Limits},
        renditions::{
            chunks::ChunkPlan,
            encode::{self, Colours, DecodeStart, EncodeSettings},
            join::{self, RenditionError},
            spec::{RenditionSpec, VideoTrack},
        },
    },
};

/// The file name of a chunk in its artifact.
const CHUNK_FILE: &str = "chunk.mp4";

/// The minimum of the size limit of a chunk, in bytes.
const CHUNK_BYTES_MIN: u64 = 64 << 20;

/// The file name of a rendition in its artifact.
pub const RENDITION_FILE: &str = "rendition.mp4";

impl JobRunner {
    /// The maximum disk space of a rendition or of one of its chunks, by bit rate. A rendition counts
    /// twice, since its chunks exist until it is joined.
    pub(super) fn rendition_bytes(
        &self,
        title: &Opened,
        operation: &Operation,
        rendition: &RenditionSpec,
    ) -> u64 {
        let title_ms = title::duration_ms(&title.movie);
        let (ms, copies) = match operation {
            Operation::Chunk { .. } => (title_ms.min(2 * self.chunk_ms.get()), 1),
            _ => (title_ms, 2),
        };
        let bytes = u128::from(ms) * u128::from(rendition.bit_rate_max) / 8000 * copies;
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }

    /// Joins a rendition, or lists its missing chunks. Existing chunks of an earlier attempt are reused.
    pub(super) async fn join_rendition(
        &self,
        title: &Opened,
        spec: &JobSpec,
        rendition: &RenditionSpec,
        folder: &Path,
        context: JobContext,
    ) -> Result<NextStep, Failure> {
        let plan = self.plan_chunks(title, None).await?;
        let (mut files, mut missing) = (Vec::new(), Vec::new());
        for number in (1_u32..).take(plan.chunks.len()) {
            let chunk = JobSpec {
                operation: Operation::Chunk { rendition: *rendition, number },
                ..spec.clone()
            };
            match self.open_artifact(&chunk.key(), CHUNK_FILE).await? {
                Some(file) => files.push(file),
                None => missing.push(chunk),
            }
        }
        if !missing.is_empty() {
            return Ok(NextStep::Split(missing));
        }
        let JobContext { progress, cancel } = context;
        let total_bytes = self.rendition_bytes(title, &spec.operation, rendition) / 2;
        let output = folder.join(RENDITION_FILE);
        let grid_ms = self.grid_ms();
        let join = move || {
            let files = files.iter().map(|file| file.blocking_reader());
            join::join(&plan, grid_ms, files, &output, |bytes| {
                report_progress(&progress, "joining", permille(bytes, total_bytes), "");
                !*cancel.borrow()
            })
        };
        let joined = spawn_blocking(join).await.map_err(Failure::transient)??;
        if joined.lost > 0 {
            let (lost, title) = (joined.lost, &spec.title);
            tracing::warn!(lost, title, "some frames could not be decoded");
        }
        Ok(NextStep::Publish)
    }

    /// Encodes one chunk of a rendition.
    pub(super) async fn encode_chunk(
        &self,
        title: &Opened,
        rendition: &RenditionSpec,
        number: u32,
        folder: &Path,
        context: JobContext,
    ) -> Result<(), Failure> {
        let plan = self.plan_chunks(title, Some(number)).await?;
        let index = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
        let chunk = index
            .and_then(|index| plan.chunks.get(index))
            .ok_or_else(|| Failure::permanent(format!("the rendition has no chunk {number}")))?;
        let track = stills::track(&title.movie)?;
        let video = VideoTrack::from_track(track).ok_or(StillsError::NoVideo)?;
        let colours = Colours::for_codec(&video, rendition.codec);
        let operation = Operation::Chunk { rendition: *rendition, number };
        let limits = Limits {
            // A chunk may exceed the average bit rate by far.
            file_bytes: self
                .rendition_bytes(title, &operation, rendition)
                .saturating_mul(4)
                .max(CHUNK_BYTES_MIN),
            idle_scheduling: self.idle_scheduling,
            ..self.limits()
        };
        let JobContext { progress, cancel } = context;
        let chunk_ms = cues::in_ms(chunk.end.saturating_sub(chunk.first), plan.timescale);
        let note = format!("{rendition}, chunk {number} of {}", plan.chunks.len());
        for start in [DecodeStart::KeyFrame, DecodeStart::PreviousKeyFrame] {
            let settings = EncodeSettings {
                rendition: *rendition,
                colours,
                may_be_interlaced: video.may_be_interlaced,
                is_turned: video.is_turned,
                threads: 1,
                start,
            };
            let input = self.chunk_input(title, &plan, chunk, start, folder).await?;
            let ChunkInput { name, plan: own_plan, chunk: own_chunk, input } = input;
            let name = name.as_ref();
            let run = Invocation {
                arguments: encode::arguments(name, &own_plan, &own_chunk, &settings, CHUNK_FILE),
                input,
                output_dir: folder.to_owned(),
                limits,
            };
            let on_progress = |block: &ffmpeg::Progress| {
                let permille = permille(as_millis(block.out_time), chunk_ms);
                report_progress(&progress, "encoding", permille, &note);
            };
            self.ffmpeg.run(run, on_progress, cancel.clone()).await?;
            if self.is_complete(&plan, number, folder, start).await? {
                break;
            }
        }
        Ok(())
    }

    /// Whether a chunk has all frames, or all that the last attempt could decode.
    async fn is_complete(
        &self,
        plan: &ChunkPlan,
        number: u32,
        folder: &Path,
        start: DecodeStart,
    ) -> Result<bool, Failure> {
        let (plan, file, grid_ms) = (plan.clone(), folder.join(CHUNK_FILE), self.grid_ms());
        let number = usize::try_from(number).unwrap_or(usize::MAX);
        let check = spawn_blocking(move || join::check(&plan, number, grid_ms, &file)).await;
        match (check.map_err(Failure::transient)?, start) {
            (Ok(0), _) | (Ok(_), DecodeStart::PreviousKeyFrame) => Ok(true),
            (Ok(_) | Err(RenditionError::Frames { .. }), DecodeStart::KeyFrame) => Ok(false),
            (Err(error), _) => Err(error.into()),
        }
    }

    /// Plans the chunks of a title. The plan depends on the file alone, so all jobs get the same. The frames of
    /// chunk `counted`, from 1, are counted in any case.
    async fn plan_chunks(
        &self,
        title: &Opened,
        counted: Option<u32>,
    ) -> Result<ChunkPlan, Failure> {
        let (movie, chunk_ms) = (Arc::clone(&title.movie), self.chunk_ms);
        let place = counted.and_then(|number| usize::try_from(number).ok()?.checked_sub(1));
        let plan = title.file.run_in_pool(move |open| {
            let (track, reader) = (stills::track(&movie)?, open.blocking_reader());
            let mut plan = ChunkPlan::new(track, &reader, chunk_ms)?;
            if let Some(place) = place {
                plan.count_frames(track, &reader, place)?;
            }
            Ok::<_, StillsError>(plan)
        });
        Ok(plan.await.map_err(ReadError::from)??)
    }

    fn grid_ms(&self) -> NonZeroU32 {
        self.library.indices.grid_ms()
    }
}

pub(super) fn as_millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The part of `total` that is done; at most 999, since a job is complete only once it is published.
pub(super) fn permille(done: u64, total: u64) -> u16 {
    let permille = u128::from(done) * 1000 / u128::from(total.max(1));
    u16::try_from(permille.min(999)).unwrap_or(999)
}

pub(super) fn report_progress(
    progress: &watch::Sender<Progress>,
    stage: &str,
    permille: u16,
    note: &str,
) {
    progress.send_replace(Progress { permille, stage: stage.to_owned(), note: note.to_owned() });
}
