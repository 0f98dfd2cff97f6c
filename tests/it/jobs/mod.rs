//! Jobs.

pub mod api; // the API of jobs
pub mod queue; // the queue, on both databases
pub mod webhooks; // webhooks about jobs
mod worker; // workers, ffmpeg and servers that are killed, paused and starved
