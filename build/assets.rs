//! Builds the files of the page into the server: each style, script and image of `web/`.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

/// The page's source folder.
const WEB: &str = "web";

/// The extensions of assets. Documents are templates, which the server fills.
const ASSETS: [&str; 4] = ["css", "js", "mjs", "svg"];

/// Writes the list of assets with their bytes, `assets.rs`.
pub fn list() -> io::Result<()> {
    println!("cargo::rerun-if-changed={WEB}");
    let root = fs::canonicalize(WEB)?;
    let mut assets = Vec::new();
    find(&root, &mut assets)?;
    assets.sort();
    let mut list = String::from("&[\n");
    for path in assets {
        let name = path.strip_prefix(&root).map_err(io::Error::other)?;
        list += &format!("({name:?}, include_bytes!({path:?})),\n");
    }
    list += "]\n";
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    fs::write(Path::new(&out).join("assets.rs"), list)
}

/// Adds all assets below a folder.
fn find(folder: &Path, assets: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, assets)?;
        } else if path.extension().is_some_and(|end| ASSETS.iter().any(|known| end == *known)) {
            assets.push(path);
        }
    }
    Ok(())
}
