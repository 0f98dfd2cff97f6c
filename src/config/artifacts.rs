//! Where artifacts are, and how their bucket is reached.

use std::path::{Path, PathBuf};

use super::{ArtifactsPlace, BucketConfig, ConfigError, RootSource, Settings};

impl Settings {
    /// The folder of artifacts, of which those in a bucket need only the workspaces of jobs: `--artifacts`, else
    /// one in the data folder.
    pub fn artifacts_folder(&self, data: &Path) -> PathBuf {
        match &self.artifacts {
            Some(ArtifactsPlace::Folder(folder)) => folder.clone(),
            Some(ArtifactsPlace::Bucket(_)) | None => data.join("artifacts"),
        }
    }

    /// Whether artifacts are in a bucket.
    pub fn has_artifacts_bucket(&self) -> bool {
        matches!(self.artifacts, Some(ArtifactsPlace::Bucket(_)))
    }

    /// The bucket of artifacts, if they are in one. It is reached as the root in the same bucket is, else as the
    /// first root that is a bucket, else as the environment says.
    ///
    /// # Errors
    /// If it overlaps a root, in which artifacts would be titles, and titles taken for artifacts.
    pub fn artifacts_bucket(&self) -> Result<Option<BucketConfig>, ConfigError> {
        let Some(ArtifactsPlace::Bucket(url)) = &self.artifacts else { return Ok(None) };
        let roots = self.roots.iter().filter_map(|root| match &root.source {
            RootSource::Bucket(bucket) => Some(bucket),
            RootSource::Folder(_) => None,
        });
        let own = url.below("artifacts");
        let overlaps = |root: &&BucketConfig| {
            root.url.contains(url) || root.url.contains(&own) || own.contains(&root.url)
        };
        if let Some(root) = roots.clone().find(overlaps) {
            let root = &root.url;
            return Err(ConfigError::Conflict(format!(
                "artifacts = \"{url}\" overlaps the root {root}, where artifacts would be titles; choose \
                 another prefix or another bucket"
            )));
        }
        let same = roots.clone().find(|root| root.url.name() == url.name());
        let config = match same.or_else(|| roots.clone().next()) {
            Some(root) => BucketConfig { url: url.clone(), ..root.clone() },
            None => BucketConfig::new(url.clone()),
        };
        Ok(Some(config))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Layer;

    fn settings(text: &str) -> Settings {
        Settings::from_layers(&[toml::from_str::<Layer>(text).expect("a layer")])
    }

    #[test]
    fn artifacts_are_in_the_data_folder_in_another_or_in_a_bucket() {
        let data = Path::new("/data");
        assert_eq!(settings("").artifacts_folder(data), Path::new("/data/artifacts"));
        let elsewhere = settings("artifacts = '/mnt/artifacts'");
        assert_eq!(elsewhere.artifacts_folder(data), Path::new("/mnt/artifacts"));
        assert_eq!(elsewhere.artifacts_bucket().expect("valid"), None);
        let bucket = settings("artifacts = 's3://media/made'");
        let config = bucket.artifacts_bucket().expect("valid").expect("a bucket");
        assert_eq!(config, BucketConfig::new(config.url.clone()));
        assert_eq!(config.url.below("artifacts").to_string(), "s3://media/made/artifacts");
    }

    #[test]
    fn a_bucket_of_artifacts_is_reached_as_its_root() {
        let root =
            |name, region| format!("[[root]]\nbucket = 's3://{name}'\nregion = '{region}'\n");
        let roots = root("first", "one") + &root("second/films", "two");
        let region = |artifacts: &str| {
            let config = settings(&format!("artifacts = '{artifacts}'\n{roots}"));
            let config = config.artifacts_bucket().expect("valid").expect("a bucket");
            config.region.expect("one").to_string()
        };
        assert_eq!(region("s3://second/artifacts"), "two");
        assert_eq!(region("s3://third"), "one");
    }

    #[test]
    fn a_wrong_place_of_artifacts_is_refused_with_key_and_value() {
        for (value, reason) in [
            ("", "is not a folder or s3://bucket/prefix"),
            ("s3://x", "is not the URL of a bucket"),
            ("https://key:hunter2@s3.example/a", "\"https://…\" is not a folder"),
            ("s3://key:hunter2@media", "without credentials"),
        ] {
            let line = format!("artifacts = '{value}'");
            let error = toml::from_str::<Layer>(&line).expect_err(value).to_string();
            assert!(error.contains("artifacts = ") && error.contains(reason), "{error}");
        }
        let inside =
            settings("artifacts = 's3://media/films/a'\n[[root]]\nbucket = 's3://media/films'");
        let error = inside.artifacts_bucket().expect_err("a part of a root").to_string();
        assert!(error.contains("artifacts = \"s3://media/films/a\" overlaps the root"), "{error}");
        let around =
            settings("artifacts = 's3://media'\n[[root]]\nbucket = 's3://media/artifacts'");
        around.artifacts_bucket().expect_err("the root is where artifacts would be");
    }
}
