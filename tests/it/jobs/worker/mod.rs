//! Workers: the real program, the real ffmpeg and a database, under failures.

mod broken_ffmpeg; // other programs in its place
mod crashes; // killed processes
mod database_outages; // a database that fails for a moment
mod endless_movies; // small files that claim endless movies
mod evictions; // artifacts over their maximum size
mod expired_leases; // workers paused for longer than their lease
mod failures; // jobs that cannot succeed
mod fairness; // clients that request more images than a worker renders
mod full_disks; // a disk that fills up and is freed again
mod policy; // automatic renditions
mod supervision; // the local worker of a server
