//! Workers as they are in earnest: the real program, the real ffmpeg, a database, and violence.

mod endless;
mod house;
mod killed;
mod policy;
mod refused;
mod silent;
mod stopped;
mod supervised;
