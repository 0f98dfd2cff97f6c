//! The banner: the address, the titles, the data folder, and missing programs.

use std::{
    fmt::{self, Write as _},
    io::{self, Write as _},
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use super::Server;
use crate::{config::NamedDir, library::Library, transcode::program::find_program};

/// Time that the banner waits for the first scan, before it says "so far".
const FIRST_SCAN_TIMEOUT: Duration = Duration::from_secs(2);

/// Poll interval of the first scan.
const SCAN_POLL_INTERVAL: Duration = Duration::from_millis(20);

impl Server {
    /// Prints the banner. Its reader may have gone, or stall.
    pub(super) fn print_banner(&self) {
        self.background.block_on(first_scan(&self.site.titles.library));
        let mut banner = String::new();
        // Writing to a string does not fail.
        let _ = self.write_banner(&mut banner);
        self.background.spawn_blocking(move || {
            let mut out = io::stdout();
            let _ = out.write_all(banner.as_bytes()).and_then(|()| out.flush());
        });
    }

    fn write_banner(&self, banner: &mut String) -> fmt::Result {
        let settings = self.site.settings.load();
        let shown = reachable(self.address);
        let catalog = &self.site.titles.library.catalog;
        let so_far = if catalog.is_scanning() { " so far" } else { "" };
        writeln!(banner, "Headwater {}", env!("CARGO_PKG_VERSION"))?;
        writeln!(banner, "  page     http://{shown}/")?;
        if self.address.ip().is_unspecified() {
            writeln!(
                banner,
                "           (on every address of this machine, port {})",
                shown.port()
            )?;
        }
        writeln!(banner, "  titles   {}{so_far}", catalog.len())?;
        let roots = settings.named_roots().unwrap_or_default();
        for (NamedDir { name, dir, .. }, named) in
            roots.iter().zip(self.site.titles.library.roots())
        {
            let name = name.as_ref().map(|name| format!("{name}/")).unwrap_or_default();
            let state = if named.root.is_open() { "" } else { ", not available yet" };
            writeln!(banner, "           /media/{name} is {}{state}", dir.display())?;
        }
        writeln!(banner, "  data     {}", self.data.display())?;
        if find_program("ffmpeg").is_none() {
            let need = "files play without it, images and renditions need it";
            writeln!(banner, "  missing  ffmpeg: {need}")?;
        }
        Ok(())
    }
}

/// The address to show: a loopback address if the server listens on all.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => IpAddr::from([127, 0, 0, 1]),
            IpAddr::V6(_) => IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
        });
    }
    address
}

/// Waits for the first scan of all roots, up to the timeout.
async fn first_scan(library: &Library) {
    let scanned = async {
        while library.catalog.is_scanning() {
            tokio::time::sleep(SCAN_POLL_INTERVAL).await;
        }
    };
    let _ = tokio::time::timeout(FIRST_SCAN_TIMEOUT, scanned).await;
}
