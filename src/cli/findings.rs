//! What `headwater check` found.

/// What a check found of a root.
pub(super) struct Findings {
    /// Why it cannot be read.
    pub(super) problem: Option<String>,
    /// More about it, a sentence to a line.
    pub(super) notes: Vec<String>,
}
