//! The README's code is what the examples run, and the documents' links lead somewhere.

use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn the_first_record_of_the_readme_is_the_example() {
    let readme = include_str!("../README.md");
    let example = include_str!("../examples/first_record.rs");
    let (_, code) = example.split_once("\n\n").expect("a heading and the code");
    assert!(readme.contains(&format!("```rust,no_run\n{code}```")), "README.md and examples/first_record.rs differ");
}

/// What the README has a new project depend on is what its code was tested with.
#[test]
fn the_dependencies_of_the_readme_are_those_of_this_workspace() {
    let readme = include_str!("../README.md");
    let (_, rest) = readme.split_once("[dependencies]\n").expect("the dependencies of a new project");
    let (block, _) = rest.split_once("```").expect("their end");
    let lock = include_str!("../Cargo.lock");
    let mut named = 0;
    for line in block.lines().filter(|line| line.contains(" = ") && !line.starts_with('#')) {
        let (name, rest) = line.split_once(" = ").expect("a name");
        let (_, package) =
            lock.split_once(&format!("name = \"{name}\"\n")).unwrap_or_else(|| panic!("{name} is not used"));
        if !rest.contains("path = ") {
            let version =
                rest.trim_start_matches("{ version = ").trim_start_matches('"').split('"').next().expect("one");
            assert!(package.starts_with(&format!("version = \"{version}.")), "{line}");
        }
        named += 1;
    }
    assert!(named > 6, "{block}");
}

/// Each block of Rust in a guide is a part of the file that the guide links to last.
fn quoted(guide: &str, example: &str) -> usize {
    let (link, folder) = (format!("](../{example}/"), Path::new(env!("CARGO_MANIFEST_DIR")).join(example));
    let (mut file, mut quoted) = (None, 0);
    for (at, part) in guide.split("\n```").enumerate() {
        if at % 2 == 0 {
            let links = part.split(&link).skip(1).filter_map(|rest| rest.split(')').next());
            file = links.last().map(|link| folder.join(link)).or(file);
        } else if let Some(code) = part.strip_prefix("rust\n") {
            let file = file.as_ref().expect("a link before the code");
            let source = fs::read_to_string(file).expect("a file of the example");
            assert!(source.contains(&format!("{code}\n")), "{} has no such part:\n{code}", file.display());
            quoted += 1;
        }
    }
    quoted
}

#[test]
fn the_code_of_the_guides_is_that_of_their_examples() {
    let service = quoted(include_str!("../docs/SERVICE.md"), "examples/service");
    let streams = quoted(include_str!("../docs/STREAMS.md"), "examples/stream_handler");
    assert!(service > 10 && streams > 1, "{service} {streams}");
}

#[test]
fn every_link_of_the_documents_leads_to_a_file_and_its_heading() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut documents: Vec<PathBuf> =
        ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "local/README.md"]
            .map(|name| root.join(name))
            .into();
    for folder in ["docs", "docs/peers", "docs/simulation"] {
        let files = fs::read_dir(root.join(folder)).expect("a folder").map(|entry| entry.expect("a file").path());
        documents.extend(files.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    }
    let (mut broken, mut found) = (Vec::new(), 0);
    for document in documents {
        let text = fs::read_to_string(&document).expect("a document");
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
        for target in targets.filter(|target| !target.starts_with("http")) {
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() { document.clone() } else { document.with_file_name(file) };
            let there = match heading {
                "" => file.exists(),
                _ => fs::read_to_string(file)
                    .is_ok_and(|text| text.lines().any(|line| anchor(line).as_deref() == Some(heading))),
            };
            found += 1;
            if !there {
                broken.push(format!("{}: {target}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
    assert!(found > 100, "{found}");
}

/// What a link to this heading ends with.
fn anchor(line: &str) -> Option<String> {
    let heading = line.strip_prefix('#')?.trim_start_matches('#').strip_prefix(' ')?.to_lowercase();
    let kept = heading.chars().filter(|&c| c.is_alphanumeric() || " -_".contains(c));
    Some(kept.map(|c| if c == ' ' { '-' } else { c }).collect())
}
