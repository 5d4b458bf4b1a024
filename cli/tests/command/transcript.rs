//! Documents with transcripts: the commands in their `console` blocks are run, and what they print must be what stands there.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use snapbox::{Assert, Data};

use crate::redact::redact;

/// `tenantseal local`, until dropped, and a folder to work in.
pub(crate) struct Local {
    child: Child,
    pub(crate) environment: Vec<(String, String)>,
    folder: tempfile::TempDir,
}

impl Local {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenantseal"));
        command.args(["local", "--json"]).current_dir(folder.path()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&line).unwrap();
        let environment = said.into_iter().map(|(name, value)| (name, value.as_str().unwrap().to_owned())).collect();
        Self { child, environment, folder }
    }

    /// What a line for the shell prints to stdout and stderr, which are pipes, and its exit code if that is not 0.
    fn run(&self, line: &str) -> String {
        let binaries = Path::new(env!("CARGO_BIN_EXE_tenantseal")).parent().unwrap();
        let path = format!("{}:{}", binaries.display(), std::env::var("PATH").unwrap());
        let output = Command::new("sh")
            .args(["-c", &format!("exec 2>&1\n{line}")])
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", path)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let mut text = String::from_utf8(output.stdout).unwrap();
        if !output.status.success() {
            text.push_str(&format!("[exit {}]\n", output.status.code().unwrap()));
        }
        text
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the commands of a document, from the top of the project, against a stack of its own.
///
/// `SNAPSHOTS=overwrite` writes what they print into it.
pub(crate) fn assert_prints_what_it_says(document: &str) {
    let path = root().join(document);
    let text = std::fs::read_to_string(&path).unwrap();
    let local = Local::start();
    let mut lines = text.lines().peekable();
    let mut printed = String::new();
    let mut ran = 0;
    while let Some(line) = lines.next() {
        printed.push_str(&format!("{line}\n"));
        if line != "```console" {
            continue;
        }
        while let Some(line) = lines.next_if(|line| *line != "```") {
            if let Some(command) = line.strip_prefix("$ ") {
                printed.push_str(&format!("{line}\n{}", local.run(command)));
                ran += 1;
            }
        }
    }
    assert!(ran > 0, "{document} has no command");
    Assert::new().action_env("SNAPSHOTS").eq(redact(&printed), Data::read_from(&path, None).raw());
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}
