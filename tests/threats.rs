//! docs/THREATS.md names only tests that `cargo test --workspace` runs, and says nothing without one.

mod tests;

use std::fs;
use std::path::{Path, PathBuf};

use self::tests::Tests;

/// What the document says: one line of a list with what belongs to it.
fn claims(document: &str) -> Vec<String> {
    let mut claims: Vec<String> = Vec::new();
    let mut in_list = false;
    for line in document.lines() {
        if line.starts_with("- ") {
            claims.push(line.to_owned());
            in_list = true;
        } else if in_list && line.starts_with("  ") {
            let claim = claims.last_mut().unwrap();
            claim.push('\n');
            claim.push_str(line);
        } else {
            in_list = false;
        }
    }
    claims
}

/// The tests that a text links to: their files from the root, and their names.
fn links(text: &str) -> Vec<(PathBuf, String)> {
    let rest = text.split("[`").skip(1);
    rest.filter_map(|link| link.split_once("`](../"))
        .filter_map(|(name, rest)| Some((rest.split_once(')')?.0.into(), name.to_owned())))
        .collect()
}

/// What is wrong with a claim, if anything.
fn fault(tests: &Tests, claim: &str) -> Option<String> {
    let links = links(claim);
    if links.is_empty() && !claim.contains("(No test: ") {
        return Some(format!("names no test: {claim}"));
    }
    let missing = links.into_iter().find(|link| !tests.found.contains(link));
    missing.map(|(file, name)| format!("no test {name} of {} runs", file.display()))
}

#[test]
fn every_claim_names_tests_that_run() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tests = Tests::of(root);
    let document = fs::read_to_string(root.join("docs/THREATS.md")).unwrap();
    let claims = claims(&document);
    assert!(claims.len() > 30, "only {} claims were found", claims.len());
    let faults: Vec<_> = claims.iter().filter_map(|claim| fault(&tests, claim)).collect();
    assert!(faults.is_empty(), "docs/THREATS.md:\n{}", faults.join("\n"));
    let linked: usize = claims.iter().map(|claim| links(claim).len()).sum();
    assert_eq!(linked, document.matches("`](../").count(), "a test is linked to outside of a list");
}

#[test]
fn a_claim_without_a_test_or_with_one_that_does_not_run_is_found() {
    let sources = |path: &Path| {
        let source = match path.to_str().unwrap() {
            // A source to be read, not tests of this file: those that do not run are there to be found out.
            "tests/a.rs" => {
                r##"
                mod b;
                #[path = "elsewhere/c.rs"] mod c;
                #[cfg(feature = "off")] mod d;
                #[test] fn plain() {}
                #[tokio::test(flavor = "multi_thread")] async fn waiting() {}
                #[test] #[ignore = "slow"] fn ignored() {}
                #[cfg(not(test))] #[test] fn switched_off() {}
                fn helper() {}
                // #[test] fn commented_out() {}
                const QUOTED: &str = "#[test] fn quoted() {}";
                #[cfg(all(test, not(feature = "off")))] mod inner { #[test] fn inside() {} }
                proptest! { #[test] fn property(byte: u8, at in 0..9_usize) {} fn no_property() {} }
                "##
            }
            "tests/b/mod.rs" => "mod below;",
            "tests/b/below.rs" | "tests/elsewhere/c.rs" | "tests/d.rs" | "tests/nowhere.rs" => "#[test] fn there() {}",
            _ => return None,
        };
        Some(source.to_owned())
    };
    let mut tests = Tests::default();
    tests.read_crate(&sources, Path::new("tests/a.rs"));
    let claim = |(name, file): &(&str, &str)| format!("- this. [`{name}`](../{file})\n");
    let run = [
        ("plain", "tests/a.rs"),
        ("waiting", "tests/a.rs"),
        ("inside", "tests/a.rs"),
        ("property", "tests/a.rs"),
        ("there", "tests/b/below.rs"),
        ("there", "tests/elsewhere/c.rs"),
    ];
    for link in &run {
        assert_eq!(fault(&tests, &claim(link)), None);
    }
    assert_eq!(tests.found.len(), run.len());
    for name in ["ignored", "switched_off", "helper", "commented_out", "quoted", "no_property", "no_such"] {
        assert!(fault(&tests, &claim(&(name, "tests/a.rs"))).is_some(), "{name}");
    }
    for file in ["tests/b/mod.rs", "tests/d.rs", "tests/nowhere.rs", "tests/no_such.rs"] {
        assert!(fault(&tests, &claim(&("there", file))).is_some(), "{file}");
    }

    let document =
        "Can:\n- that\n  and more.\n- both. [`plain`](../tests/a.rs) [`no`](../tests/a.rs)\n- (No test: why.)\n";
    let faults: Vec<_> = claims(document).iter().map(|claim| fault(&tests, claim).is_some()).collect();
    assert_eq!(faults, [true, true, false]);
}
