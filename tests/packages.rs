//! What is published: each crate's metadata, the files that it ships, and the versions of its siblings.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// The packages of the workspace that are published, as Cargo understands their manifests.
fn published() -> Vec<Value> {
    let cargo = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(cargo.status.success(), "{}", String::from_utf8_lossy(&cargo.stderr));
    let metadata: Value = serde_json::from_slice(&cargo.stdout).unwrap();
    let is_published = |package: &&Value| package["publish"].is_null();
    metadata["packages"].as_array().unwrap().iter().filter(is_published).cloned().collect()
}

fn faults(package: &Value) -> Vec<String> {
    let name = package["name"].as_str().unwrap();
    let mut faults = Vec::new();
    let text = |field: &str| package[field].as_str().unwrap_or_default();
    for field in ["description", "license", "readme", "rust_version"] {
        if text(field).is_empty() {
            faults.push(format!("{name} has no {field}"));
        }
    }
    for field in ["keywords", "categories"] {
        if package[field].as_array().is_none_or(Vec::is_empty) {
            faults.push(format!("{name} has no {field}"));
        }
    }
    let folder = Path::new(text("manifest_path")).parent().unwrap();
    for file in ["LICENSE-APACHE", "LICENSE-MIT", "README.md"] {
        // Read through links: a package ships what they point to.
        if fs::read_to_string(folder.join(file)).is_ok_and(|text| !text.is_empty()) {
            continue;
        }
        faults.push(format!("{name} ships no {file}"));
    }
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    let include = manifest.lines().find(|line| line.starts_with("include = ")).unwrap_or_default();
    for pattern in ["src/**/*", "README.md", "LICENSE-*"] {
        if !include.contains(pattern) {
            faults.push(format!("{name} does not include {pattern}"));
        }
    }
    let version = format!("={}", text("version"));
    for dependency in package["dependencies"].as_array().unwrap() {
        let (sibling, requirement) = (&dependency["name"], &dependency["req"]);
        let is_sibling = sibling.as_str().unwrap().starts_with("tenantseal") && dependency["kind"].is_null();
        if is_sibling && *requirement != *version {
            faults.push(format!("{name} pins {sibling} to {requirement}"));
        }
    }
    faults
}

/// Siblings are pinned: the macro's code uses names of the library that are no interface, and the command is released with both.
#[test]
fn every_published_crate_ships_its_licences_and_pins_its_siblings() {
    let packages = published();
    assert!(packages.len() >= 9, "{} packages", packages.len());
    let faults: Vec<_> = packages.iter().flat_map(faults).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_crate_without_a_licence_file_or_with_a_loose_sibling_is_found() {
    let mut package = published().into_iter().find(|package| package["name"] == "tenantseal").unwrap();
    package["manifest_path"] = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/service/Cargo.toml").into();
    package["dependencies"][0] = serde_json::json!({ "name": "tenantseal-core", "req": "^0.1", "kind": null });
    package["keywords"] = Value::Array(Vec::new());
    let faults = faults(&package).join("\n");
    for fault in ["has no keywords", "ships no LICENSE-MIT", "does not include README.md", "pins \"tenantseal-core\""] {
        assert!(faults.contains(fault), "{fault}: {faults}");
    }
}
