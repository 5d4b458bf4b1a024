//! Who imports whom, read from the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::Path;

use syn::visit::{self, Visit};
use syn::{Attribute, Item, UseTree, Visibility};

/// A module, by its path: crate first.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Module(Vec<String>);

impl Module {
    /// Parses `crate::architecture::outer::inner`.
    pub(crate) fn parse(path: &str) -> Self {
        Self(path.split("::").map(str::to_owned).collect())
    }

    /// Whether it is `other` or lies in it.
    pub(crate) fn is_in(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }

    /// How many names its path has.
    pub(crate) fn depth(&self) -> usize {
        self.0.len()
    }

    fn child(&self, name: &str) -> Self {
        let mut path = self.0.clone();
        path.push(name.to_owned());
        Self(path)
    }

    fn parent(&self) -> Self {
        Self(self.0[..self.0.len().saturating_sub(1)].to_vec())
    }
}

impl fmt::Display for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("::"))
    }
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// One file imports from another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Arrow {
    /// The file that imports.
    pub from: Module,
    /// The file that has what is imported.
    pub to: Module,
}

/// The source files of some crates, each a module, without those that are compiled for tests alone.
#[derive(Default)]
pub(crate) struct Sources(BTreeMap<Module, syn::File>);

impl Sources {
    /// These sources.
    pub(crate) fn of(sources: BTreeMap<Module, String>) -> Self {
        let parse = |(module, source): (Module, String)| {
            let file = syn::parse_file(&source).unwrap_or_else(|error| panic!("{module}: {error}"));
            (module, file)
        };
        Self(sources.into_iter().map(parse).collect()).without_tests()
    }

    /// The crates of these names, whose roots lie in these folders.
    pub(crate) fn read<'a>(crates: impl IntoIterator<Item = (&'a str, &'a Path)>) -> Self {
        let mut sources = BTreeMap::new();
        for (name, folder) in crates {
            let root = ["lib.rs", "main.rs"].map(|file| folder.join(file)).into_iter().find(|file| file.exists());
            let root = root.unwrap_or_else(|| panic!("{} has a crate", folder.display()));
            let crate_root = Module::parse(name);
            sources.insert(crate_root.clone(), fs::read_to_string(&root).unwrap());
            read_folder(&crate_root, folder, &root, &mut sources);
        }
        Self::of(sources)
    }

    /// The modules.
    pub(crate) fn modules(&self) -> impl Iterator<Item = &Module> {
        self.0.keys()
    }

    fn without_tests(mut self) -> Self {
        let mut tests = BTreeSet::new();
        for (module, file) in &self.0 {
            for item in &file.items {
                if let Item::Mod(inner) = item
                    && is_test(&inner.attrs)
                {
                    tests.insert(module.child(&inner.ident.to_string()));
                }
            }
        }
        self.0.retain(|module, _| !tests.iter().any(|test| module.is_in(test)));
        self
    }

    /// Who imports whom. What a module passes on (`pub use`) counts as imported from where it is.
    pub(crate) fn arrows(&self) -> Vec<Arrow> {
        let found: BTreeMap<&Module, Found> =
            self.0.iter().map(|(module, file)| (module, Found::in_source(module, file))).collect();
        let mut arrows = BTreeSet::new();
        for (from, imports) in &found {
            for path in &imports.paths {
                if let Some(to) = self.file_of(path, &found, 0).filter(|to| to != *from) {
                    arrows.insert(Arrow { from: (*from).clone(), to });
                }
            }
        }
        arrows.into_iter().collect()
    }

    /// The file that has what a path names.
    fn file_of(&self, path: &Module, found: &BTreeMap<&Module, Found>, passed: usize) -> Option<Module> {
        let known = (1..=path.depth()).rev().map(|depth| Module(path.0[..depth].to_vec()));
        let file = known.into_iter().find(|module| self.0.contains_key(module))?;
        let name = path.0.get(file.depth());
        let passed_on = name.and_then(|name| found.get(&file)?.passes_on.get(name));
        match passed_on {
            // A name may be passed on a few times; more is a circle of its own.
            Some(origin) if passed < 8 => self.file_of(origin, found, passed + 1).or(Some(file)),
            _ => Some(file),
        }
    }
}

fn read_folder(parent: &Module, folder: &Path, root: &Path, sources: &mut BTreeMap<Module, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        if path.is_dir() {
            read_folder(&parent.child(name), &path, root, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") && path != root {
            sources.insert(parent.child(name), fs::read_to_string(&path).unwrap());
        }
    }
}

/// What one file imports.
#[derive(Default)]
struct Found {
    module: Option<Module>,
    /// Full paths.
    paths: BTreeSet<Module>,
    /// By name, what other modules find here that lies elsewhere.
    passes_on: BTreeMap<String, Module>,
}

impl Found {
    fn in_source(module: &Module, file: &syn::File) -> Self {
        let mut found = Self { module: Some(module.clone()), ..Self::default() };
        found.visit_file(file);
        found
    }

    /// The full path of names that begin with `crate`, `super`, `self`, one of the workspace's crates, or a module of this one.
    fn full(&self, path: &[String]) -> Option<Module> {
        let here = self.module.clone()?;
        let (mut at, mut rest) = match path.first()?.as_str() {
            "crate" => (Module(vec![here.0[0].clone()]), &path[1..]),
            "self" => (here, &path[1..]),
            "super" => (here.parent(), &path[1..]),
            name if name.starts_with("tenantseal") => (Module(vec![name.to_owned()]), &path[1..]),
            _ => (here, path),
        };
        while rest.first().is_some_and(|name| name == "super") {
            (at, rest) = (at.parent(), &rest[1..]);
        }
        at.0.extend_from_slice(rest);
        Some(at)
    }

    fn add(&mut self, tree: &UseTree, before: &[String], passes_on: bool) {
        let mut path = before.to_vec();
        match tree {
            UseTree::Path(inner) => {
                path.push(inner.ident.to_string());
                self.add(&inner.tree, &path, passes_on);
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.add(tree, before, passes_on)),
            UseTree::Name(name) => self.leaf(path, &name.ident.to_string(), None, passes_on),
            UseTree::Rename(name) => self.leaf(path, &name.ident.to_string(), Some(name.rename.to_string()), passes_on),
            UseTree::Glob(_) => self.paths.extend(self.full(&path)),
        }
    }

    fn leaf(&mut self, mut path: Vec<String>, name: &str, rename: Option<String>, passes_on: bool) {
        if name != "self" {
            path.push(name.to_owned());
        }
        let Some(full) = self.full(&path) else { return };
        if passes_on && let Some(last) = path.last() {
            self.passes_on.insert(rename.unwrap_or_else(|| last.clone()), full.clone());
        }
        self.paths.insert(full);
    }
}

impl<'ast> Visit<'ast> for Found {
    fn visit_item(&mut self, item: &'ast Item) {
        match item {
            Item::Use(item) if !is_test(&item.attrs) => {
                // A private import serves children as well.
                self.add(&item.tree, &[], true);
            }
            Item::Use(_) => {}
            Item::Mod(item) if is_test(&item.attrs) => {}
            Item::Fn(item) if is_test(&item.attrs) => {}
            _ => visit::visit_item(self, item),
        }
    }

    /// `pub(crate)` imports nothing.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let is_rooted = names
            .first()
            .is_some_and(|name| ["crate", "super"].contains(&name.as_str()) || name.starts_with("tenantseal_"));
        if is_rooted {
            self.paths.extend(self.full(&names));
        }
        visit::visit_path(self, path);
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let tokens = match &attribute.meta {
            syn::Meta::List(list) if list.path.is_ident("cfg") => list.tokens.to_string(),
            _ => return false,
        };
        // Also what is compiled for tests and for fuzzing alone.
        tokens == "test" || tokens.starts_with("any (test") || tokens.starts_with("any(test")
    })
}

/// Circles among files, each sorted. Parent and child are one room with two doors: what they import from each other is no circle.
pub(crate) fn circles(arrows: &[Arrow]) -> Vec<Vec<Module>> {
    let is_family = |arrow: &Arrow| arrow.from.is_in(&arrow.to) || arrow.to.is_in(&arrow.from);
    let mut next: BTreeMap<&Module, Vec<&Module>> = BTreeMap::new();
    for arrow in arrows.iter().filter(|arrow| !is_family(arrow)) {
        next.entry(&arrow.from).or_default().push(&arrow.to);
    }
    let reached = |from: &Module| {
        let (mut seen, mut open) = (BTreeSet::new(), next.get(from).cloned().unwrap_or_default());
        while let Some(module) = open.pop() {
            if seen.insert(module.clone()) {
                open.extend(next.get(module).into_iter().flatten());
            }
        }
        seen
    };
    let reached: BTreeMap<&Module, BTreeSet<Module>> = next.keys().map(|module| (*module, reached(module))).collect();
    let mut circles = BTreeSet::new();
    for (module, others) in reached.iter().filter(|(module, others)| others.contains(module)) {
        let back = |other: &&Module| reached.get(*other).is_some_and(|back| back.contains(module));
        circles.insert(others.iter().filter(back).cloned().collect::<Vec<_>>());
    }
    circles.into_iter().collect()
}
