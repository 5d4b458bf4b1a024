//! docs/THREATS.md names only tests that exist, and says nothing without one.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::path::Path;

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

/// The tests that a text links to: their names, and their files from the root.
fn links(text: &str) -> Vec<(&str, &str)> {
    let rest = text.split("[`").skip(1);
    rest.filter_map(|link| link.split_once("`](../"))
        .filter_map(|(name, rest)| Some((name, rest.split_once(')')?.0)))
        .collect()
}

/// What is wrong with a claim, if anything.
fn fault(root: &Path, claim: &str) -> Option<String> {
    let links = links(claim);
    if links.is_empty() && !claim.contains("(No test: ") {
        return Some(format!("names no test: {claim}"));
    }
    let missing = |(name, file): &(&str, &str)| match fs::read_to_string(root.join(file)) {
        Ok(source) if is_test(&source, name) => None,
        Ok(_) => Some(format!("{file} has no test {name}")),
        Err(_) => Some(format!("there is no {file}")),
    };
    links.iter().find_map(missing)
}

/// Whether a source has a test of this name: one that is run, so its attributes say `test` and not `ignore`.
fn is_test(source: &str, name: &str) -> bool {
    let Some((before, _)) = source.split_once(&format!("fn {name}(")) else { return false };
    // Between the test before and this one there is a blank line.
    let attributes: Vec<_> =
        before.trim_end().lines().rev().map(str::trim).take_while(|line| !line.is_empty()).collect();
    let runs = attributes.iter().any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"));
    runs && !attributes.iter().any(|line| line.starts_with("#[ignore"))
}

#[test]
fn every_claim_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = fs::read_to_string(root.join("docs/THREATS.md")).unwrap();
    let claims = claims(&document);
    assert!(claims.len() > 30, "only {} claims were found", claims.len());
    let faults: Vec<_> = claims.iter().filter_map(|claim| fault(root, claim)).collect();
    assert!(faults.is_empty(), "docs/THREATS.md:\n{}", faults.join("\n"));
    let linked: usize = claims.iter().map(|claim| links(claim).len()).sum();
    assert_eq!(linked, document.matches("`](../").count(), "a test is linked to outside of a list");
}

#[test]
fn a_claim_without_a_test_or_with_one_that_does_not_exist_is_found() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = "Can:\n- this. [`every_claim_names_tests_that_exist`](../tests/threats.rs)\n- that\n  and more.\n\
        - it. [`no_such_test`](../tests/threats.rs)\n- so. [`claims`](../tests/threats.rs)\n- thus. [`x`](../tests/no.rs)\n- (No test: why.)\n";
    let faults: Vec<_> = claims(document).iter().map(|claim| fault(root, claim).is_some()).collect();
    assert_eq!(faults, [false, true, true, true, true, false]);
}
