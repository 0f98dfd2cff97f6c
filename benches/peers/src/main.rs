//! The program `peers`: the command line of the library.

use clap::Parser;
use peers::options::{Options, Role};

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    if let Some(Role::ActixFiles { media, workers }) = &options.role {
        return peers::peers::actix_files::serve(media, *workers);
    }
    if let Some(svg) = options.svg.as_ref().filter(|_| !options.redraw.is_empty()) {
        return peers::report::redraw(&options.redraw, svg);
    }
    peers::interrupt::install()?;
    peers::bench::run(&options)
}
