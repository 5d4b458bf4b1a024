//! Types with few values: a lookup of one would show its value to every reader of the table.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use crate::schema::rules::refuse;

/// A type with few values, whose frequencies name each of them. A field of such a type has no lookup of its own; it may
/// be a part of a compound one.
///
/// Implement it for your own types:
///
/// ```
/// use tenantseal::schema::FewValued;
///
/// enum Gender { Female, Male, Other }
///
/// impl FewValued for Gender {}
/// ```
pub trait FewValued {}

impl FewValued for bool {}
impl FewValued for u8 {}
impl FewValued for i8 {}
impl FewValued for char {}
impl FewValued for () {}
impl<T: FewValued> FewValued for Option<T> {}
impl<T: FewValued + ?Sized> FewValued for &T {}
impl<T: FewValued + ?Sized> FewValued for Box<T> {}
impl<T: FewValued + ?Sized> FewValued for Rc<T> {}
impl<T: FewValued + ?Sized> FewValued for Arc<T> {}
impl<T: FewValued + ToOwned + ?Sized> FewValued for Cow<'_, T> {}

/// Whether a type has few values: `Few::<T>::VALUES`. For other types, it is the constant of [`Many`].
#[doc(hidden)]
#[derive(Debug)]
pub struct Few<T: ?Sized>(PhantomData<T>);

impl<T: FewValued + ?Sized> Few<T> {
    /// It has few values.
    pub const VALUES: bool = true;
}

/// The constant of types that do not say that they have few values.
#[doc(hidden)]
pub trait Many {
    /// They may have many.
    const VALUES: bool = false;
}

impl<T: ?Sized> Many for Few<T> {}

/// Refuses a lookup of a field whose type has few values. The derive calls it.
///
/// # Panics
///
/// When the type has few values.
#[doc(hidden)]
#[track_caller]
pub const fn refuse_few(has_few: bool, field: &str) {
    if has_few {
        refuse(
            "a lookup of `",
            field,
            "` would show its value to every reader of the table: make it a part of a compound lookup, or filter after \
             reading",
        );
    }
}
