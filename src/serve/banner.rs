//! The banner: the addresses, the titles, the data folder, and missing programs.

use std::{
    fmt::{self, Write as _},
    io::{self, IsTerminal as _, Write as _},
    net::{IpAddr, SocketAddr},
    path::Path,
    time::Duration,
};

use super::{Server, network_addresses::network_addresses, qr_code::qr_code};
use crate::{
    config::{NamedRootConfig, local_address},
    http::bucket_status,
    library::{Library, MediaPath, NamedRoot},
    telemetry::build,
    transcode::program::find_program,
};

/// Time that the banner waits for the first scan, before it says "so far".
const FIRST_SCAN_TIMEOUT: Duration = Duration::from_secs(2);

/// Poll interval of the first scan.
const SCAN_POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Width of the column of labels, in characters.
const LABEL_CHARS: usize = 11;

impl Server {
    /// Prints the banner. Its reader may have gone, or stall.
    pub(super) fn print_banner(&self) {
        self.background.block_on(first_scan(&self.site.titles.library));
        let mut banner = String::new();
        // Writing to a string does not fail.
        let _ = self.write_banner(&mut banner, io::stdout().is_terminal());
        self.background.spawn_blocking(move || {
            let mut out = io::stdout();
            let _ = out.write_all(banner.as_bytes()).and_then(|()| out.flush());
        });
    }

    fn write_banner(&self, banner: &mut String, is_terminal: bool) -> fmt::Result {
        let settings = self.site.settings.load();
        let library = &self.site.titles.library;
        let here = local_address(self.address);
        writeln!(banner, "Headwater {}", build::describe())?;
        writeln!(banner, "  page     http://{here}/")?;
        if let [NamedRoot { name: None, .. }] = library.roots()
            && let Some(file) = library.roots()[0].only_file()
            && let Ok(title) = MediaPath::from_path(Path::new(file))
        {
            writeln!(banner, "  watch    http://{here}/watch/{}", title.encoded())?;
        }
        self.write_network(banner, is_terminal)?;
        let catalog = &library.catalog;
        let note = match (catalog.is_scanning(), catalog.len()) {
            (true, _) => " so far",
            (false, 0) => ": no video or audio file there yet; new ones appear within seconds",
            (false, _) => "",
        };
        writeln!(banner, "  titles   {}{note}", catalog.len())?;
        let roots = settings.named_roots().unwrap_or_default();
        for (NamedRootConfig { name, source, .. }, named) in roots.iter().zip(library.roots()) {
            let name = name.as_ref().map(|name| format!("{name}/")).unwrap_or_default();
            let file = named.only_file().map(|file| file.to_string_lossy()).unwrap_or_default();
            let state = match named.root.bucket().map(|bucket| bucket_status::trouble(bucket)) {
                Some(None) => String::new(),
                Some(Some(trouble)) => format!(", not available yet: {trouble}"),
                None if named.root.is_open() => String::new(),
                None => ", not available yet".to_owned(),
            };
            writeln!(banner, "           /media/{name}{file} is {source}{state}")?;
        }
        writeln!(banner, "  data     {}", self.data.display())?;
        if self.site.bucket_cache().is_some() {
            writeln!(banner, "  cache    {}", settings.cache_folder(&self.data).display())?;
        }
        if find_program("ffmpeg").is_none() {
            let need = "files play without it, images and renditions need it";
            writeln!(banner, "  missing  ffmpeg: {need}")?;
        }
        Ok(())
    }

    /// Writes how other devices reach the page: by the addresses of this machine, if it listens on all.
    fn write_network(&self, banner: &mut String, is_terminal: bool) -> fmt::Result {
        let (ip, port) = (self.address.ip(), self.address.port());
        if ip.is_loopback() {
            return writeln!(
                banner,
                "           (this machine only; for other devices: --listen :{port})"
            );
        }
        let addresses = match ip.is_unspecified() {
            true => network_addresses(ip.is_ipv6()),
            false => vec![ip],
        };
        let url = |address: &IpAddr| format!("http://{}/", SocketAddr::new(*address, port));
        let mut label = "network";
        for address in addresses.iter().filter(|_| ip.is_unspecified()) {
            writeln!(banner, "  {label:8} {}", url(address))?;
            label = "";
        }
        if self.site.token.load().is_none() {
            let rule = "all may watch; changes need --api-token-file";
            writeln!(banner, "           ({rule})")?;
        }
        match addresses.first() {
            Some(first) if is_terminal => banner.write_str(&qr_code(&url(first), LABEL_CHARS)),
            _ => Ok(()),
        }
    }
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
