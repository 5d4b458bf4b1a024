//! Marks that nobody would heed: those of a record that lies in a plain field of another and is not flattened into it.

use std::marker::PhantomData;

use super::{Record, RecordField, RecordSchema, refuse};

impl RecordSchema {
    /// Whether a field is encrypted, also in a flattened record.
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

/// Whether a type is a record with encrypted fields: `Marks::<T>::THERE`, which is that of [`NoMarks`] for other types.
#[doc(hidden)]
#[derive(Debug)]
pub struct Marks<T: ?Sized>(PhantomData<T>);

impl<T: Record + ?Sized> Marks<T> {
    /// Whether it has any.
    pub const THERE: bool = T::SCHEMA.encrypts();
}

/// What is true of types that are no records.
#[doc(hidden)]
pub trait NoMarks {
    /// They have none.
    const THERE: bool = false;
}

impl<T: ?Sized> NoMarks for Marks<T> {}

/// Refuses a field that is stored as it is although its type has encrypted fields. Called by the derive.
///
/// # Panics
///
/// When it has.
#[doc(hidden)]
#[track_caller]
pub const fn heed(marks: bool, field: &str) {
    if marks {
        refuse(
            "the type of field `",
            field,
            "` has encrypted fields, and only `flatten` heeds their marks: mark it `encrypt`, or `plain` if all of it is public",
        );
    }
}
