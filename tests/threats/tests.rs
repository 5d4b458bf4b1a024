//! The tests that `cargo test --workspace` runs, as the sources of its crates declare them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, ExprLit, Ident, Item, Lit, Meta, Token, token};

/// The packages of the workspace.
const PACKAGES: [&str; 10] =
    ["", "blobs", "cli", "core", "derive", "examples/service", "kms", "local", "tenants", "tower"];

/// Reads a source by its path from the root; none where there is no such file.
type Read<'a> = &'a dyn Fn(&Path) -> Option<String>;

/// Tests that run: what is reached from a crate's root, with default features, and is not ignored.
#[derive(Default)]
pub(crate) struct Tests {
    /// Their files from the root of the workspace, and their names.
    pub(crate) found: BTreeSet<(PathBuf, String)>,
}

impl Tests {
    pub(crate) fn of(root: &Path) -> Self {
        let mut tests = Self::default();
        let read = |path: &Path| fs::read_to_string(root.join(path)).ok();
        for package in PACKAGES.map(Path::new) {
            let binaries = binaries(&root.join(package));
            for crate_root in ["src/lib.rs", "src/main.rs"].map(PathBuf::from).into_iter().chain(binaries) {
                tests.read_crate(&read, &package.join(crate_root));
            }
        }
        tests
    }

    pub(crate) fn read_crate(&mut self, read: Read<'_>, root: &Path) {
        self.read_file(read, root, root.parent().unwrap());
    }

    /// Whether there is such a file. `folder` is where its modules lie that do not say where.
    fn read_file(&mut self, read: Read<'_>, path: &Path, folder: &Path) -> bool {
        let Some(source) = read(path) else { return false };
        let file = syn::parse_file(&source).unwrap();
        if is_compiled(&file.attrs) {
            self.read_items(read, file.items, path, folder);
        }
        true
    }

    fn read_items(&mut self, read: Read<'_>, items: Vec<Item>, path: &Path, folder: &Path) {
        let mut add = |attributes: &[Attribute], name: &Ident| {
            if is_run(attributes) {
                self.found.insert((path.to_owned(), name.to_string()));
            }
        };
        let mut modules = Vec::new();
        for item in items {
            match item {
                Item::Fn(function) => add(&function.attrs, &function.sig.ident),
                Item::Macro(call) if call.mac.path.is_ident("proptest") => {
                    let functions = properties.parse2(call.mac.tokens).unwrap();
                    functions.iter().for_each(|(attributes, name)| add(attributes, name));
                }
                Item::Mod(module) if is_compiled(&module.attrs) => modules.push(module),
                _ => {}
            }
        }
        for module in modules {
            let below = folder.join(module.ident.to_string());
            match (module.content, said_path(&module.attrs)) {
                (Some((_, items)), _) => self.read_items(read, items, path, &below),
                (None, Some(said)) => {
                    let file = path.with_file_name(said);
                    assert!(self.read_file(read, &file, file.parent().unwrap()), "{}", file.display());
                }
                (None, None) => {
                    let found = self.read_file(read, &below.with_extension("rs"), &below)
                        || self.read_file(read, &below.join("mod.rs"), &below);
                    assert!(found, "{}", below.display());
                }
            }
        }
    }
}

/// The roots of a package's test binaries: those that its manifest lists, or else every file of its folder `tests`.
fn binaries(package: &Path) -> Vec<PathBuf> {
    let manifest = fs::read_to_string(package.join("Cargo.toml")).unwrap();
    if manifest.contains("autotests = false") {
        let listed = manifest.split("[[test]]\nname = \"").skip(1).filter_map(|rest| rest.split_once('"'));
        return listed.map(|(name, _)| Path::new("tests").join(name).with_extension("rs")).collect();
    }
    let files = fs::read_dir(package.join("tests")).into_iter().flatten();
    let files = files.map(|entry| Path::new("tests").join(entry.unwrap().file_name()));
    files.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// The functions in `proptest! { … }`, whose parameters are no Rust.
fn properties(input: ParseStream<'_>) -> syn::Result<Vec<(Vec<Attribute>, Ident)>> {
    let mut functions = Vec::new();
    input.call(Attribute::parse_inner)?;
    while !input.is_empty() {
        let attributes = input.call(Attribute::parse_outer)?;
        input.parse::<Token![fn]>()?;
        functions.push((attributes, input.parse()?));
        while !input.peek(token::Brace) {
            skip(input)?;
        }
        skip(input)?;
    }
    Ok(functions)
}

fn skip(input: ParseStream<'_>) -> syn::Result<()> {
    input.step(|cursor| match cursor.token_tree() {
        Some((_, rest)) => Ok(((), rest)),
        None => Err(cursor.error("a function goes on")),
    })
}

/// The value of `#[path = "…"]`.
fn said_path(attributes: &[Attribute]) -> Option<String> {
    let said = attributes.iter().find(|attribute| attribute.path().is_ident("path"))?;
    match &said.meta.require_name_value().unwrap().value {
        Expr::Lit(ExprLit { lit: Lit::Str(path), .. }) => Some(path.value()),
        _ => None,
    }
}

fn is_run(attributes: &[Attribute]) -> bool {
    let has = |is: &dyn Fn(&Attribute) -> bool| attributes.iter().any(is);
    let is_tokio_test = |attribute: &Attribute| {
        let path: Vec<_> = attribute.path().segments.iter().map(|segment| segment.ident.to_string()).collect();
        path == ["tokio", "test"]
    };
    let is_test = has(&|attribute| attribute.path().is_ident("test")) || has(&is_tokio_test);
    is_test && !has(&|attribute| attribute.path().is_ident("ignore")) && is_compiled(attributes)
}

fn is_compiled(attributes: &[Attribute]) -> bool {
    let mut conditions = attributes.iter().filter(|attribute| attribute.path().is_ident("cfg"));
    conditions.all(|attribute| holds(&attribute.parse_args().unwrap()))
}

/// Whether a condition holds in a test; what is not known, as a feature, does not.
fn holds(condition: &Meta) -> bool {
    let Meta::List(list) = condition else { return condition.path().is_ident("test") };
    let parts = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).unwrap();
    match list.path.require_ident().unwrap().to_string().as_str() {
        "all" => parts.iter().all(holds),
        "any" => parts.iter().any(holds),
        "not" => !parts.iter().any(holds),
        unknown => panic!("cfg({unknown}(…))"),
    }
}
