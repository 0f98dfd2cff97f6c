//! Work that takes longer than a request: what there is to do, and who is doing it.

pub mod housekeeping;
pub mod queue;
pub mod supervisor;
pub mod text;
pub mod worker;
