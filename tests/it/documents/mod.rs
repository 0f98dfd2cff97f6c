//! The documents and the packages: what they say is true.

mod commands; // every command of a document runs, and prints what the document shows
mod links; // links between documents, length of the README
mod packages; // container image, systemd unit
mod transcript; // compares the output of commands with that in a document
