//! A server with jobs over a few files, and the images and renditions that it makes of them.

use serde_json::Value;

use crate::support::{
    client::Response,
    folder::Folder,
    json::{json, post, read},
    manifests::{self, Multivariant},
    program::Program,
    shown::{self, Frame},
    wait::until_slowly,
};

/// A running program with a library, a data folder and a worker.
pub struct Rendering {
    folder: Folder,
    /// The program.
    pub program: Program,
}

impl Rendering {
    /// Serves these files, by name.
    pub fn serve<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let folder = Folder::new();
        for (name, bytes) in files {
            folder.put(format!("library/{name}"), bytes);
        }
        let library = folder.path("library").display().to_string();
        let data = format!("--data={}", folder.path("data").display());
        let settings = [("HEADWATER_MIN_FREE_DISK_MIB", "0"), ("HEADWATER_IMAGE_WAIT_S", "60")];
        Self { program: Program::serve(&[library, data], &settings), folder }
    }

    /// The path of a file.
    pub fn path(&self, name: &str) -> String {
        self.folder.path(format!("library/{name}")).to_str().expect("text").to_owned()
    }

    /// The whole URL of a target.
    pub fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.program.address)
    }

    /// A GET that must succeed.
    #[track_caller]
    pub fn get(&self, target: &str) -> Response {
        let response = self.program.get(target, &[]);
        assert_eq!(response.status, 200, "{target}: {}", String::from_utf8_lossy(&response.body));
        response
    }

    /// The multivariant playlist of a title.
    pub fn multivariant(&self, title: &str) -> Multivariant {
        let url = format!("/v/{title}/index.m3u8");
        manifests::multivariant(&url, &self.get(&url).body)
    }

    /// The report about a title.
    pub fn report(&self, title: &str) -> Value {
        json(&self.get(&format!("/v/{title}/inspect")), 200)
    }

    /// The pixels of an image.
    #[track_caller]
    pub fn image(&self, target: &str) -> Frame {
        let path = self.folder.put("image", self.get(target).body);
        shown::first_frame(path.to_str().expect("text")).expect("an image")
    }

    /// Orders renditions of titles in H.264, waits for all, and returns the URLs of their playlists.
    pub fn renditions(&self, titles: &[&str], height: u32) -> Vec<String> {
        let jobs: Vec<String> = titles.iter().map(|title| self.order(title, height)).collect();
        for target in jobs {
            let mut job = Value::Null;
            until_slowly("the rendition is done", || {
                job = json(&self.program.get(&target, &[]), 200);
                ["done", "failed", "cancelled"].iter().any(|end| job["state"] == *end)
            });
            assert_eq!(job["state"], "done", "{job}");
        }
        let playlist = |title: &&str| {
            let marker = format!("/h264-{height}p-");
            let variants = self.multivariant(title).variants.into_iter();
            let mut urls = variants.map(|(url, _)| url).filter(|url| url.contains(&marker));
            self.url(&urls.next().expect("the rendition is listed"))
        };
        titles.iter().map(playlist).collect()
    }

    /// Orders a rendition. Returns the target of its job.
    fn order(&self, title: &str, height: u32) -> String {
        let request =
            format!(r#"{{"kind":"rendition","title":"{title}","height":{height},"codec":"h264"}}"#);
        let mut client = self.program.connect();
        client.send(post("/api/jobs", &request));
        let job = json(&read(&mut client), 202);
        format!("/api/jobs/{}", job["id"].as_str().expect("an id"))
    }
}
