//! Programs that must not compile: each `<name>.rs` of a directory, beside `<name>.stderr`, which says why not.
//!
//! They are compiled against the libraries that this test itself is linked with. Crates for such tests build all
//! dependencies once more, in a package of their own: three of the eight minutes that all tests take.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs, thread};

use serde_json::Value;

/// Compiles each program of `directory`, and compares what the compiler says. `project` is the workspace's root, `test`
/// the name of this test binary, and `libraries` are the crates that the programs use.
///
/// `SNAPSHOTS=overwrite` writes what the compiler says instead.
pub(crate) fn must_not_compile(project: &Path, test: &str, directory: &str, libraries: &[&str]) {
    let built = Built::of(test, libraries);
    let mut programs: Vec<PathBuf> = fs::read_dir(project.join(directory))
        .expect("the directory is there")
        .map(|entry| Path::new(directory).join(entry.expect("an entry").file_name()))
        .filter(|path| path.extension() == Some(OsStr::new("rs")))
        .collect();
    programs.sort();
    assert!(!programs.is_empty(), "{directory} has no program");
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let shares = programs.chunks(programs.len().div_ceil(threads));
    let faults: String = thread::scope(|scope| {
        let compile = |share: &[PathBuf]| share.iter().filter_map(|program| built.fault(project, program)).collect();
        let workers: Vec<_> = shares.map(|share| scope.spawn(move || -> String { compile(share) })).collect();
        workers.into_iter().map(|worker| worker.join().expect("a compiler's thread")).collect()
    });
    assert!(faults.is_empty(), "{faults}\n`SNAPSHOTS=overwrite` writes what the compiler says");
}

/// The libraries that were built for a test.
struct Built {
    externs: Vec<String>,
    dependencies: PathBuf,
}

impl Built {
    /// Asks cargo where they are. Cargo builds nothing: it has just built them.
    fn of(test: &str, libraries: &[&str]) -> Self {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["test", "--workspace", "--no-run", "--message-format=json", "--test", test]);
        // Cargo sets these for a test. Build scripts that look at them would run again.
        let of_this_test = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_EXE_", "CARGO_PRIMARY_", "CARGO_CRATE_"];
        for (name, _) in env::vars_os() {
            if of_this_test.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
                cargo.env_remove(name);
            }
        }
        let Output { status, stdout, stderr } = cargo.output().expect("cargo runs");
        assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
        let mut files: HashMap<String, PathBuf> = HashMap::new();
        for line in String::from_utf8(stdout).expect("JSON is text").lines() {
            let message: Value = serde_json::from_str(line).expect("cargo writes JSON");
            let Some(name) = message["target"]["name"].as_str().map(|name| name.replace('-', "_")) else { continue };
            let library = message["filenames"].as_array().into_iter().flatten().filter_map(Value::as_str);
            for file in library.filter(|file| file.ends_with(".rlib")) {
                files.insert(name.clone(), file.into());
            }
        }
        let file = |library: &&str| files.get(*library).unwrap_or_else(|| panic!("{test} is not built with {library}"));
        let externs = libraries.iter().map(|library| format!("{library}={}", file(library).display())).collect();
        let directories = files.values().filter_map(|file| file.parent());
        let dependencies =
            directories.into_iter().find(|directory| directory.ends_with("deps")).expect("some are there");
        Self { externs, dependencies: dependencies.into() }
    }

    /// What is wrong with a program: it compiles, or for another reason than is written beside it.
    fn fault(&self, project: &Path, program: &Path) -> Option<String> {
        let mut rustc = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
        rustc.current_dir(project).args(["--edition=2024", "--crate-type=bin", "--emit=metadata", "--cap-lints=allow"]);
        rustc.args(["--color=never", "--out-dir", env!("CARGO_TARGET_TMPDIR"), "-L"]);
        rustc.arg(format!("dependency={}", self.dependencies.display()));
        rustc.args(self.externs.iter().flat_map(|library| ["--extern", library])).arg(program);
        let Output { status, stderr, .. } = rustc.output().expect("rustc runs");
        if status.success() {
            return Some(format!("{} compiles\n", program.display()));
        }
        let said = normal(&String::from_utf8_lossy(&stderr), program);
        let expected = project.join(program.with_extension("stderr"));
        if env::var_os("SNAPSHOTS").is_some_and(|snapshots| snapshots == "overwrite") {
            fs::write(expected, said).expect("the file can be written");
            return None;
        }
        let recorded = fs::read_to_string(expected).unwrap_or_default();
        (said != recorded).then(|| format!("{}: the compiler says\n\n{said}\n", program.display()))
    }
}

/// What the compiler said, without what changes with other files than the program: their lines' numbers, and the widths
/// that depend on them.
fn normal(said: &str, program: &Path) -> String {
    let program = format!("{}:", program.display());
    let (mut out, mut foreign) = (String::new(), false);
    for line in said.lines() {
        if ["error: aborting due to", "Some errors have detailed", "For more information about"]
            .iter()
            .any(|end| line.starts_with(end))
        {
            continue;
        }
        let (number, rest) = line.trim_start().split_once(' ').unwrap_or((line.trim_start(), ""));
        if let "-->" | ":::" = number {
            foreign = !rest.starts_with(&program);
            let place = if foreign { rest.split(':').next().unwrap_or(rest) } else { rest };
            let place = place.rsplit_once("/library/").map_or(place.to_owned(), |(_, file)| format!("$RUST/{file}"));
            _ = writeln!(out, "    {number} {place}");
        } else if !number.is_empty()
            && number.bytes().all(|byte| byte.is_ascii_digit())
            && rest.trim_start().starts_with('|')
        {
            let number = if foreign { "" } else { number };
            _ = writeln!(out, "{number:>4} {}", rest.trim_start());
        } else if line.starts_with(' ') && matches!(number, "|" | "=") {
            _ = writeln!(out, "{:>4} {}", "", line.trim_start());
        } else {
            foreign &= !line.is_empty();
            _ = writeln!(out, "{line}");
        }
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}
