//! The README's code is what the examples run.

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
