//! The library.

mod catalog; // scanning, watching, listing, sorting and searching
mod paths; // which paths name a file, and that none leaves a root
