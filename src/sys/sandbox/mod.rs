//! What the kernel does to keep a program in its place: the one seam between Linux, which can, and
//! systems on which nothing here knows how. There a program that has to be confined is not run, and
//! one that is confined where that is possible runs with nothing but its [`limits`](super::amounts).

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(target_os = "linux")]
pub mod landlock;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub mod seccomp;

#[cfg(not(target_os = "linux"))]
pub use elsewhere::{
    UNNEEDED, be_modest, confine_files, die_with_parent, drop_privileges, gain_nothing, helper,
    refuse_calls,
};
#[cfg(target_os = "linux")]
pub use {
    landlock::confine as confine_files,
    linux::{UNNEEDED, be_modest, die_with_parent, drop_privileges, gain_nothing, helper},
    seccomp::refuse as refuse_calls,
};
