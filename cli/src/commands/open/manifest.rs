//! One file of an export, by the export's list of them.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::input::Source;
use crate::array_index;
use crate::errors::{Exit, Failure, Result};
use crate::output::count;

/// A line of `manifest-files.json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    item_count: u64,
    data_file_s3_key: String,
}

/// A file with items.
#[derive(Debug)]
pub(super) struct DataFile {
    path: PathBuf,
    items: u64,
}

impl DataFile {
    /// The file of this index, or of the array job's. It lies in `data` beside the manifest, as in the export.
    pub(super) fn find(manifest: &Path, index: Option<u64>) -> Result<Self> {
        let shown = manifest.display();
        let wrong = |why: &dyn std::fmt::Display| Failure::usage(format!("{shown}: {why}"));
        let index = match index {
            Some(index) => Some(index),
            None => array_index::from_environment()?,
        };
        let index = index.ok_or_else(|| {
            Failure::usage("which file of the manifest?").help("give --index, or run it as a part of an array job")
        })?;
        let lines = BufReader::new(File::open(manifest).map_err(|error| wrong(&error))?).lines();
        let at = usize::try_from(index).unwrap_or(usize::MAX);
        let Some(line) = lines.into_iter().nth(at) else {
            return Err(Failure::usage(format!("{shown} has no file {index}: they are counted from 0")));
        };
        let line = line.map_err(|error| wrong(&error))?;
        let malformed = || Failure::usage(format!("{shown}, line {}: it is not a file of an export", index + 1));
        let Listed { item_count, data_file_s3_key } = serde_json::from_str(&line).map_err(|_| malformed())?;
        let name = data_file_s3_key.rsplit('/').next().filter(|name| !name.is_empty() && *name != "..");
        let folder = manifest.parent().unwrap_or(Path::new(""));
        Ok(Self { path: folder.join("data").join(name.ok_or_else(malformed)?), items: item_count })
    }

    pub(super) fn open(&self) -> Result<Source> {
        let file = File::open(&self.path);
        let file = file.map_err(|error| Failure::usage(format!("{}: {error}", self.path.display())))?;
        Ok(Source::new(file))
    }

    /// Whether the file had as many items as the manifest says.
    pub(super) fn check_count(&self, lines: u64) -> Result<()> {
        if lines == self.items {
            return Ok(());
        }
        let [had, listed] = [lines, self.items].map(|figure| count(figure as f64));
        let what = format!("{}: it has {had} items, and the manifest lists {listed}", self.path.display());
        Err(Failure::new(Exit::Findings, what).help("download the file again"))
    }
}
