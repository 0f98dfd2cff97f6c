//! Jobs.

mod api; // the API of jobs
mod queue; // the queue, on both databases
mod webhooks; // webhooks about jobs
mod worker; // workers, ffmpeg and servers that are killed, paused and starved
