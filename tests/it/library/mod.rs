//! The library.

mod catalog; // scanning, watching, listing, sorting and searching
mod facts; // what lists tell of media, and that a restart reads no file again
mod folders;
mod paths; // which paths name a file, and that none leaves a root // the library as folders: natural order, counts, titles of several files
