//! Opening the items of an answer: which keys they need, and then the items themselves.

use super::Binding;
use super::operation::{Answer, Carrier, Operation, Returned};
use crate::audit::Used;
use crate::error::Error;
use crate::item::{self, KeyRing, NeededKey, OpenError, OpenFault, distinct_keys, stored_identity};
use crate::tenant::TenantId;

/// The distinct key records that the items of an answer rely on.
pub(super) fn needed_records(
    operation: &dyn Operation,
    tenant: &TenantId,
    answer: Answer,
) -> (Answer, Result<Vec<NeededKey>, Error>) {
    each_returned(operation, answer, |returned| {
        let items = returned.into_iter().map(|Returned { item, table, expected, cut }| {
            expected.check(table, item, &stored_identity(table, tenant, item)?)?;
            cut.restrict(table, item);
            Ok((table, &*item))
        });
        Ok(distinct_keys(items).map_err(|error| in_index(operation.index(), error))?)
    })
}

/// How many items of each table the keys open.
pub(super) fn used<'k>(
    operation: &dyn Operation,
    keys: &'k KeyRing,
    answer: Answer,
) -> (Answer, Result<Vec<Used<'k>>, Error>) {
    each_returned(operation, answer, |returned| {
        Ok(item::used(keys, returned.iter().map(|returned| (returned.table, &*returned.item)))?)
    })
}

/// Opens the items of an answer and leaves of each what the caller asked for.
pub(super) fn open(
    operation: &mut dyn Operation,
    binding: &Binding,
    keys: &KeyRing,
    answer: Answer,
) -> (Answer, Result<(), Error>) {
    let (mut answer, mut result) = each_returned(operation, answer, |returned| {
        for Returned { item, table, expected, cut } in returned {
            let identity = stored_identity(table, &binding.tenant, item)?;
            expected.check(table, item, &identity)?;
            *item = item::open(table, &identity, keys, std::mem::take(item))?;
            cut.apply(item);
        }
        Ok(())
    });
    if let Ok(output) = &mut answer {
        result = result.and_then(|()| Ok(operation.finish(output)?));
    }
    (answer, result)
}

/// Says of a missing header or discriminator which index lacks it.
fn in_index(index: Option<&str>, error: OpenError) -> OpenError {
    match (index, error) {
        (Some(index), OpenError::Attribute { attribute, fault: OpenFault::NoHeader }) => {
            OpenError::IndexLacksHeader { index: index.to_owned(), attribute }
        }
        (Some(index), OpenError::Discriminator { discriminator, attribute }) => {
            OpenError::IndexLacksDiscriminator { index: index.to_owned(), discriminator, attribute }
        }
        (_, error) => error,
    }
}

/// Runs `visit` on the items of an answer, whether it is an output or an error.
fn each_returned<T: Default>(
    operation: &dyn Operation,
    answer: Answer,
    visit: impl FnOnce(Vec<Returned<'_>>) -> Result<T, Error>,
) -> (Answer, Result<T, Error>) {
    match answer {
        Ok(mut output) => {
            let visited = operation.returned(Carrier::Output(&mut output)).map_err(Error::from).and_then(visit);
            (Ok(output), visited)
        }
        Err(error) if error.is_operation_error() => {
            let mut visited = Ok(T::default());
            let error = error.map_operation_error(|mut error| {
                visited = operation.returned(Carrier::Error(&mut error)).map_err(Error::from).and_then(visit);
                error
            });
            (Err(error), visited)
        }
        other => (other, Ok(T::default())),
    }
}
