//! CONTRIBUTING's table of crates and modules says who may use whom: this reads every import and holds the code to it.

mod imports;
mod table;

use std::collections::BTreeMap;
use std::path::Path;

use self::imports::{Arrow, Module, Sources};
use self::table::Table;

/// The crates whose modules the table lists, by the names of their folders.
const CRATES: [(&str, &str); 11] = [
    ("tenantseal_core", "core/src"),
    ("tenantseal_kms", "kms/src"),
    ("tenantseal_blobs", "blobs/src"),
    ("tenantseal", "src"),
    ("tenantseal_tenants", "tenants/src"),
    ("tenantseal_derive", "derive/src"),
    ("tenantseal_local", "local/src"),
    ("tenantseal_cli", "cli/src"),
    ("tenantseal_tower", "tower/src"),
    ("tenantseal_service", "examples/service/src"),
    ("tenantseal_stream_handler", "examples/stream_handler/src"),
];

fn workspace() -> Sources {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = CRATES.map(|(name, folder)| (name, root.join(folder)));
    Sources::read(folders.iter().map(|(name, folder)| (*name, folder.as_path())))
}

fn contributing() -> Table {
    Table::parse(include_str!("../CONTRIBUTING.md"))
}

#[test]
fn every_module_uses_only_modules_above_it_in_the_table() {
    let sources = workspace();
    let arrows = sources.arrows();
    assert!(arrows.len() > 300, "imports were found: {}", arrows.len());
    let wrong = contributing().violations(&arrows);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_module_has_a_row_and_every_row_a_module() {
    let (sources, table) = (workspace(), contributing());
    let homeless: Vec<_> = sources.modules().filter(|module| table.row_of(module).is_none()).collect();
    assert!(homeless.is_empty(), "no row of CONTRIBUTING's table has {homeless:?}");
    let empty: Vec<_> = table.rows().filter(|row| !sources.modules().any(|module| module.is_in(row))).collect();
    assert!(empty.is_empty(), "rows of CONTRIBUTING's table without a module: {empty:?}");
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let circles = imports::circles(&workspace().arrows());
    assert!(circles.is_empty(), "{circles:#?}");
}

/// No crate grows higher unnoticed: who reads a module needs the floors under it. `--nocapture` prints the chains.
#[test]
fn no_crate_has_more_floors_than_can_be_read() {
    let (table, arrows) = (contributing(), workspace().arrows());
    for (name, _) in CRATES {
        let chain = table.floors(&arrows, &Module::parse(name));
        println!("{name}: {} floors: {chain:?}", chain.len());
        assert!(chain.len() <= 12, "{chain:?}");
    }
}

#[test]
fn floors_are_counted_along_the_longest_chain() {
    let arrows = made_up([
        ("one", "mod low; mod high; pub use high::High;"),
        ("one::low", ""),
        ("one::high", "use super::low::Low; pub struct High;"),
    ]);
    let table = Table::parse(TABLE);
    let chain = table.floors(&arrows, &Module::parse("one"));
    assert_eq!(chain, ["one", "one::high", "one::low"].map(Module::parse).iter().collect::<Vec<_>>());
}

/// A crate of three modules, each with its source.
fn made_up(sources: [(&str, &str); 3]) -> Vec<Arrow> {
    let sources: BTreeMap<Module, String> =
        sources.into_iter().map(|(module, source)| (Module::parse(module), source.to_owned())).collect();
    Sources::of(sources).arrows()
}

const TABLE: &str = "
| module | does | names |
|---|---|---|
| `one::low` | the ground | |
| `one::high` | the roof | |
| `one` | the face | |
";

#[test]
fn an_arrow_that_points_down_the_table_is_found() {
    let table = Table::parse(TABLE);
    let right = made_up([
        ("one", "mod low; mod high; pub use low::Low;"),
        ("one::low", "pub struct Low;"),
        ("one::high", "use super::low::Low;"),
    ]);
    assert_eq!(table.violations(&right), Vec::<String>::new());
    for wrong in
        ["use crate::high::High;", "use super::{high::High};", "fn f() { crate::high::f() }", "use super::High;"]
    {
        let arrows = made_up([
            ("one", "mod low; mod high; pub use high::High;"),
            ("one::low", wrong),
            ("one::high", "pub struct High;"),
        ]);
        assert_eq!(table.violations(&arrows), ["`one::low` uses `one::high`, which stands below it"], "{wrong}");
    }
}

#[test]
fn a_circle_is_found_and_parent_and_child_are_none() {
    let circle = made_up([
        ("one", "mod low; mod high;"),
        ("one::low", "use super::high::High; pub struct Low;"),
        ("one::high", "use super::low::Low; pub struct High;"),
    ]);
    assert_eq!(imports::circles(&circle), [vec![Module::parse("one::high"), Module::parse("one::low")]]);
    let family = made_up([
        ("one", "mod low; use low::Low; pub struct One;"),
        ("one::low", "use super::One; pub struct Low;"),
        ("one::high", ""),
    ]);
    assert_eq!(imports::circles(&family), Vec::<Vec<Module>>::new());
}

#[test]
fn what_only_tests_import_does_not_count() {
    let arrows = made_up([
        ("one", ""),
        ("one::low", "#[cfg(test)] mod tests { use crate::high::High; } #[cfg(test)] use crate::high::High;"),
        ("one::high", ""),
    ]);
    assert_eq!(arrows, []);
}

/// The sources of the crates below `folder`, without tests, that quote a code of an AWS error.
fn quote_a_code(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            if name != "tests" {
                quote_a_code(&path, found);
            }
        } else if name.ends_with(".rs") && name != "tests.rs" {
            let source = std::fs::read_to_string(&path).unwrap();
            let lines = source.lines().filter(|line| !line.trim_start().starts_with("//") && quotes_a_code(line));
            found.extend(lines.map(|line| format!("{}: {}", path.display(), line.trim())));
        }
    }
}

/// Whether a line has a literal such as `"ThrottlingException"`.
fn quotes_a_code(line: &str) -> bool {
    let quoted = line.split('"').skip(1).step_by(2);
    let is_name = |text: &str| text.starts_with(char::is_uppercase) && text.chars().all(char::is_alphanumeric);
    quoted.into_iter().any(|text| text.ends_with("Exception") && is_name(text))
}

/// What an error of AWS means is said in one place. The local stack gives such errors, and has the codes for that.
#[test]
fn codes_of_aws_errors_are_in_one_table() {
    assert!(quotes_a_code(r#"    "no" | "ThrottlingException" => 1,"#));
    assert!(!quotes_a_code(r#"    "an Exception", "Exceptions""#));
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for (_, folder) in CRATES.iter().filter(|(name, _)| *name != "tenantseal_local") {
        quote_a_code(&root.join(folder), &mut found);
    }
    assert!(found.iter().any(|line| line.contains("kms/src/errors.rs")), "the table itself was found");
    found.retain(|line| !line.contains("kms/src/errors.rs"));
    assert!(found.is_empty(), "use `AwsErrorClass` of kms/src/errors.rs: {found:#?}");
}
