//! Renditions: a title's video in other sizes and codecs, with the segments of the title itself.
//!
//! [`spec`] lists the renditions of a title; [`chunks`] cuts its video into chunks that are encoded
//! independently; [`encode`] builds ffmpeg's arguments; [`join`] joins the chunks into one movie; its
//! segments start where those of the title start, so that a player can switch between them. [`audio`]
//! encodes audio that browsers do not play, and [`remux`] converts another container to MP4.
//!
//! All of it is planning: nothing here starts a program.

pub mod audio;
pub mod chunks;
pub mod encode;
pub mod join;
pub mod remux;
pub mod remux_description;
pub mod spec;
