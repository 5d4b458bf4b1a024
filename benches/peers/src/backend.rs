//! tenantseal on AWS-LC: a feature, so a program of its own, which this one has built and asks for its figures.

use std::env;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::Outcome;
use crate::report::Speed;
use crate::speed::{self, Effort};

/// Tells this program to print the figures of tenantseal and the primitives alone.
pub const ALONE: &str = "--alone";

/// Has the program built with the feature, and gives what it measures.
pub fn measure() -> Outcome<Vec<Speed>> {
    eprintln!("building with the backend on AWS-LC");
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["run", "--release", "--quiet", "--locked", "--features", "aws-lc-rs", "--manifest-path"]);
    let output = command.arg(manifest).args(["--", ALONE]).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("{command:?} ended with {}", output.status).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// In the program that was built with it.
pub fn print(effort: Effort) -> Outcome<()> {
    if !cfg!(feature = "aws-lc-rs") {
        return Err("this program was built without the feature `aws-lc-rs`".into());
    }
    eprintln!("sealing and opening on AWS-LC");
    println!("{}", serde_json::to_string(&speed::measure(effort, false))?);
    Ok(())
}
