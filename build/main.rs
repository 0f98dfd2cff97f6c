//! Builds the files of the page into the server, and gives a release build its commit.

use std::io;

mod assets;
mod commit;

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build");
    commit::set();
    assets::list()
}
