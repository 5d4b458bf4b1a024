//! Types that serde does not write as a string: the partition key, which shows the tenant, cannot be one.

use std::marker::PhantomData;

use super::rules::refuse;

/// A type that is never stored as a string.
#[doc(hidden)]
pub trait NotAString {}

macro_rules! not_a_string {
    ($($ty:ty)*) => { $(impl NotAString for $ty {})* };
}

not_a_string!(() bool u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize f32 f64);

impl<T> NotAString for Vec<T> {}
impl<T, const N: usize> NotAString for [T; N] {}
impl<T: NotAString> NotAString for Option<T> {}
impl<T: NotAString + ?Sized> NotAString for &T {}
impl<T: NotAString + ?Sized> NotAString for Box<T> {}

/// Whether a type is never stored as a string: `Str::<T>::NEVER`. For other types, it is the constant of
/// [`MaybeAString`].
#[doc(hidden)]
#[derive(Debug)]
pub struct Str<T: ?Sized>(PhantomData<T>);

impl<T: NotAString + ?Sized> Str<T> {
    /// It never is.
    pub const NEVER: bool = true;
}

/// The constant of types of which it is not known.
#[doc(hidden)]
pub trait MaybeAString {
    /// It may be.
    const NEVER: bool = false;
}

impl<T: ?Sized> MaybeAString for Str<T> {}

/// Refuses a partition key whose type is never stored as a string. The derive calls it.
///
/// # Panics
///
/// When the type is never stored as a string.
#[doc(hidden)]
#[track_caller]
pub const fn refuse_not_a_string(never: bool, field: &str) {
    if never {
        refuse(
            "the partition key `",
            field,
            "` shows the tenant's id, so it is a string: make the field a `String`, or give it a `with` that writes one",
        );
    }
}
