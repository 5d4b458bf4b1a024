//! Detects marks that would be ignored: those of a record in a plain field of another record that does not flatten it.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::{Arc, Mutex, RwLock};

use super::{Record, RecordField, RecordSchema, refuse};

impl RecordSchema {
    /// Whether any field is encrypted, also in a flattened record.
    pub(super) const fn encrypts(&self) -> bool {
        let mut i = 0;
        while i < self.fields.len() {
            match self.fields[i] {
                RecordField::Encrypted { .. } => return true,
                RecordField::Flatten(record) if record.encrypts() => return true,
                _ => i += 1,
            }
        }
        false
    }
}

/// Whether a type is a record with encrypted fields: `Marks::<T>::THERE`. For other types, it is the constant of
/// [`NoMarks`].
#[doc(hidden)]
#[derive(Debug)]
pub struct Marks<T: ?Sized>(PhantomData<T>);

impl<T: Record + ?Sized> Marks<T> {
    /// Whether it has encrypted fields.
    pub const THERE: bool = T::SCHEMA.encrypts();
}

/// The constant of types that are not records.
#[doc(hidden)]
pub trait NoMarks {
    /// They have no marks.
    const THERE: bool = false;
}

impl<T: ?Sized> NoMarks for Marks<T> {}

/// A record, or a container of records. The derive implements it for records, and this module for containers of the
/// standard library. So marks are also seen behind an alias, an associated type and a macro.
#[doc(hidden)]
pub trait Holds {
    /// Whether it has encrypted fields.
    const MARKS: bool;
}

/// Whether a record has encrypted fields.
#[doc(hidden)]
pub const fn has_marks<T: Record>() -> bool {
    T::SCHEMA.encrypts()
}

macro_rules! holds {
    ($([$($generics:tt)*] $holder:ty, $held:ty;)*) => {
        $(impl<$($generics)*> Holds for $holder {
            const MARKS: bool = <$held>::MARKS;
        })*
    };
}

holds! {
    [T: Holds + ?Sized] &T, T;
    [T: Holds + ?Sized] &mut T, T;
    [T: Holds + ?Sized] Box<T>, T;
    [T: Holds + ?Sized] Rc<T>, T;
    [T: Holds + ?Sized] Arc<T>, T;
    [T: Holds + ToOwned + ?Sized] Cow<'_, T>, T;
    [T: Holds] Cell<T>, T;
    [T: Holds + ?Sized] RefCell<T>, T;
    [T: Holds + ?Sized] Mutex<T>, T;
    [T: Holds + ?Sized] RwLock<T>, T;
    [T: Holds] Option<T>, T;
    [T: Holds, E] Result<T, E>, T;
    [T: Holds] [T], T;
    [T: Holds, const N: usize] [T; N], T;
    [T: Holds] Vec<T>, T;
    [T: Holds] VecDeque<T>, T;
    [T: Holds] LinkedList<T>, T;
    [T: Holds] BinaryHeap<T>, T;
    [T: Holds] BTreeSet<T>, T;
    [T: Holds, S] HashSet<T, S>, T;
    [K, T: Holds] BTreeMap<K, T>, T;
    [K, T: Holds, S] HashMap<K, T, S>, T;
}

/// Whether a type holds marks: `Within::<T>::THERE`. For other types, it is the constant of [`NoMarks`].
#[doc(hidden)]
#[derive(Debug)]
pub struct Within<T: ?Sized>(PhantomData<T>);

impl<T: Holds + ?Sized> Within<T> {
    /// Whether it holds marks.
    pub const THERE: bool = T::MARKS;
}

impl<T: ?Sized> NoMarks for Within<T> {}

/// Refuses a field that is stored as it is although its type has encrypted fields. The derive calls it.
///
/// # Panics
///
/// When the type has encrypted fields.
#[doc(hidden)]
#[track_caller]
pub const fn heed(marks: bool, field: &str) {
    if marks {
        refuse(
            "the type of field `",
            field,
            "` has encrypted fields, whose marks count only under `flatten`: mark it `encrypt`, or `plain` if all of \
             it is public",
        );
    }
}
