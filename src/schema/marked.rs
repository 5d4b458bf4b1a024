//! Every record type with marks that is linked into the program. It lets the serializer recognize a record where its
//! type is not known.
//!
//! The derive registers them. A type's path tells it apart from others. Where another type serializes it under its own
//! path, its serde name and its encrypted fields do.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::RecordField;

pub use inventory;

/// A record type with encrypted fields of its own, or with a flattened record. Written by the derive.
#[doc(hidden)]
#[derive(Debug)]
pub struct MarkedRecord {
    /// The path of a function beside the type. A type with parameters has no other name before they are known.
    pub beside: fn() -> &'static str,
    /// The type's identifier.
    pub ident: &'static str,
    /// The name that serde gives it.
    pub name: &'static str,
    /// Its own fields, without those of flattened records.
    pub fields: &'static [RecordField],
    /// The fields that are not always written.
    pub optional: &'static [&'static str],
    /// Whether a field is encrypted, also in a flattened record.
    pub encrypts: fn() -> bool,
}

inventory::collect!(MarkedRecord);

/// The path of a function. See [`MarkedRecord::beside`].
#[doc(hidden)]
pub fn path_of<F>(_: &F) -> &'static str {
    std::any::type_name::<F>()
}

impl MarkedRecord {
    fn path(&self) -> String {
        let module = (self.beside)().trim_end_matches("::__beside").trim_end_matches("::_");
        format!("{module}::{}", self.ident)
    }

    fn encrypts(&self, name: &str) -> bool {
        self.fields.iter().any(|field| matches!(field, RecordField::Encrypted { name: own } if *own == name))
    }

    /// Whether these names include those of such a record. They may include others around it.
    fn is_among(&self, names: &[String]) -> bool {
        let has = |name: &str| names.iter().any(|known| known == name);
        let own = || self.fields.iter().map(RecordField::name);
        own().any(|name| self.encrypts(name) && has(name))
            && own().all(|name| has(name) || self.optional.contains(&name))
    }
}

/// The registered types, by what the serializer sees of them.
pub(super) struct Registry {
    by_path: HashMap<String, &'static MarkedRecord>,
    by_name: HashMap<&'static str, Vec<&'static MarkedRecord>>,
    all: Vec<&'static MarkedRecord>,
}

impl Registry {
    pub(super) fn get() -> &'static Self {
        static REGISTRY: OnceLock<Registry> = OnceLock::new();
        REGISTRY.get_or_init(|| {
            let all: Vec<_> =
                inventory::iter::<MarkedRecord>.into_iter().filter(|record| (record.encrypts)()).collect();
            let by_path = all.iter().map(|record| (record.path(), *record)).collect();
            let mut by_name: HashMap<_, Vec<_>> = HashMap::new();
            for record in &all {
                by_name.entry(record.name).or_default().push(*record);
            }
            Self { by_path, by_name, all }
        })
    }

    /// The path of the marked type with this compiler-given name. What serde serializes is usually a reference to it.
    pub(super) fn find_by_type(&self, type_name: &'static str) -> Option<&'static str> {
        let path = path(type_name)?;
        self.by_path.contains_key(path).then_some(path)
    }

    /// The marked type that serde calls `name` and that encrypts a field called `field`.
    pub(super) fn find_by_field(&self, name: &str, field: &str) -> Option<&'static str> {
        self.by_name.get(name)?.iter().find(|record| record.encrypts(field)).map(|record| record.ident)
    }

    /// The marked type whose fields are among these.
    pub(super) fn find_by_fields(&self, names: &[String]) -> Option<&'static str> {
        self.all.iter().find(|record| record.is_among(names)).map(|record| record.ident)
    }
}

/// The path in a type's name, without parameters and without what only points to it. `None` for types of the standard
/// library, which serialize their contents themselves.
fn path(mut name: &str) -> Option<&str> {
    const POINTERS: [&str; 9] = [
        "alloc::boxed::Box<",
        "alloc::rc::Rc<",
        "alloc::sync::Arc<",
        "alloc::borrow::Cow<",
        "core::cell::RefCell<",
        "core::cell::Cell<",
        "core::cmp::Reverse<",
        "std::sync::poison::mutex::Mutex<",
        "std::sync::poison::rwlock::RwLock<",
    ];
    loop {
        name = name.trim_start_matches('&').trim_start_matches("mut ");
        name = name.strip_prefix("'_, ").unwrap_or(name);
        match POINTERS.iter().find_map(|pointer| name.strip_prefix(pointer)) {
            Some(inner) => name = inner.strip_suffix('>').unwrap_or(inner),
            None => break,
        }
    }
    if !name.contains("::") || ["alloc::", "core::", "std::"].iter().any(|std| name.starts_with(std)) {
        return None;
    }
    let Some(open) = name.strip_suffix('>') else { return Some(name) };
    // Skips the parameters at the end. A path may contain brackets, too.
    let mut depth = 1;
    for (at, letter) in open.char_indices().rev() {
        depth += match letter {
            '>' if !open[..at].ends_with('-') => 1,
            '<' => -1,
            _ => 0,
        };
        if depth == 0 {
            return Some(&open[..at]);
        }
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_what_serializes_without_pointers_and_parameters() {
        for (name, expected) in [
            ("a::Card", Some("a::Card")),
            ("a::Card<u8>", Some("a::Card")),
            ("&&mut alloc::boxed::Box<a::Card<alloc::vec::Vec<u8>, '_>>", Some("a::Card")),
            ("alloc::borrow::Cow<'_, a::Card>", Some("a::Card")),
            ("a::m::<impl a::S>::h::Card", Some("a::m::<impl a::S>::h::Card")),
            ("a::Card<fn(u8) -> u8>", Some("a::Card")),
            ("alloc::vec::Vec<a::Card>", None),
            ("core::marker::PhantomData<a::Card>", None),
            ("u8", None),
        ] {
            assert_eq!(path(name), expected, "{name}");
        }
    }
}
