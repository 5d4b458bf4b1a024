//! What a minimal program with each library costs to build from cold.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

use crate::Outcome;
use crate::report::Build;

/// The programs in `minimal/`: the SDK alone, one for each library, and one that seals bytes without AWS; folder and
/// title.
pub const PROGRAMS: [(&str, &str); 4] = [
    ("plain", "the SDK alone"),
    ("core", "tenantseal-core alone"),
    ("tenantseal", "tenantseal"),
    ("aws-db-esdk", "DB-ESDK"),
];

/// Builds a program into an empty directory: all with the same flags, nothing fetched while the clock runs.
pub fn measure((folder, title): (&str, &str)) -> Outcome<Build> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = here.join("minimal").join(folder).join("Cargo.toml");
    let target = here.join("target").join("minimal").join(folder);
    let cargo = |arguments: &[&str]| {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(arguments).arg("--locked").arg("--manifest-path").arg(&manifest);
        command
    };
    run(&mut cargo(&["fetch"]))?;
    if target.exists() {
        fs::remove_dir_all(&target)?;
    }

    let tree = cargo(&["tree", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"]).output()?;
    let mut crates: Vec<&str> =
        str::from_utf8(&tree.stdout)?.lines().map(|line| line.trim_end_matches(" (*)")).collect();
    crates.sort_unstable();
    crates.dedup();
    // Without the program itself.
    let crates = crates.len().checked_sub(1).ok_or("cargo tree prints nothing")?;

    // What cargo says of its progress goes to the terminal.
    eprintln!("building {title} from cold: {crates} crates");
    let (begun, cpu) = (Instant::now(), children_cpu()?);
    run(cargo(&["build", "--release"]).arg("--target-dir").arg(&target))?;
    let (wall, cpu) = (begun.elapsed(), children_cpu()? - cpu);
    eprintln!("{title}: {:.0} s, {:.0} s of CPU", wall.as_secs_f64(), cpu.as_secs_f64());

    let binary_bytes = fs::metadata(target.join("release").join(format!("minimal-{folder}")))?.len();
    fs::remove_dir_all(&target)?;
    Ok(Build { program: title.to_owned(), wall_s: wall.as_secs_f64(), cpu_s: cpu.as_secs_f64(), crates, binary_bytes })
}

fn run(command: &mut Command) -> Outcome<()> {
    match command.status()? {
        status if status.success() => Ok(()),
        status => Err(format!("{command:?} ended with {status}").into()),
    }
}

/// The CPU time of all child processes that have ended.
fn children_cpu() -> Outcome<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let seconds = |time: TimeVal| Duration::new(time.tv_sec().unsigned_abs(), 1000 * time.tv_usec() as u32);
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}
