//! The README's code is what the examples run.

#[test]
fn the_first_record_of_the_readme_is_the_example() {
    let readme = include_str!("../README.md");
    let example = include_str!("../examples/first_record.rs");
    let (_, code) = example.split_once("\n\n").expect("a heading and the code");
    assert!(readme.contains(&format!("```rust,no_run\n{code}```")), "README.md and examples/first_record.rs differ");
}
