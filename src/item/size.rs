//! Computes an item's size as DynamoDB does. An item that DynamoDB would refuse for its size is refused by name, before
//! it is sent.

use aws_sdk_dynamodb::types::AttributeValue;
use tenantseal_core::format::{HEADER, Number};

use super::{Item, SealError};

/// The maximum size of an item: 400 KB, names included (developer guide, "Quotas").
const MOST: usize = 400 * 1024;
/// The number of attributes that an error names.
const NAMED: usize = 3;

/// Refuses an item that DynamoDB would not store.
pub(super) fn check_size(item: &Item) -> Result<(), SealError> {
    let size: usize = item.iter().map(|(name, value)| name.len() + value_size(value)).sum();
    if size <= MOST {
        return Ok(());
    }
    // The header is left out, because a caller cannot make it smaller.
    let stored = item.iter().filter(|(name, _)| *name != HEADER);
    let mut largest: Vec<_> = stored.map(|(name, value)| (name.len() + value_size(value), name)).collect();
    largest.sort_unstable_by(|(one, name), (other, named)| other.cmp(one).then(name.cmp(named)));
    let largest = largest.into_iter().take(NAMED).map(|(_, name)| name.clone()).collect();
    Err(SealError::TooLarge { by: size - MOST, largest })
}

/// Refuses an attribute that no item can hold.
pub(super) fn check_attribute_size(name: &str, value: &AttributeValue) -> Result<(), SealError> {
    match (name.len() + value_size(value)).checked_sub(MOST) {
        None | Some(0) => Ok(()),
        Some(by) => Err(SealError::TooLarge { by, largest: vec![name.to_owned()] }),
    }
}

/// The size by the developer guide ("DynamoDB item sizes and formats"): exact for sealed values, which are binary. For
/// numbers AWS says "approximately", so they count as the smallest size that this can mean. So nothing is refused that
/// DynamoDB would accept.
fn value_size(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(text) => number_size(text),
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        AttributeValue::M(map) => 3 + map.iter().map(|(name, value)| 1 + name.len() + value_size(value)).sum::<usize>(),
        AttributeValue::L(list) => 3 + list.iter().map(|value| 1 + value_size(value)).sum::<usize>(),
        AttributeValue::Ss(set) => set.iter().map(String::len).sum(),
        AttributeValue::Ns(set) => set.iter().map(|text| number_size(text)).sum(),
        AttributeValue::Bs(set) => set.iter().map(|bytes| bytes.as_ref().len()).sum(),
        _ => 1,
    }
}

fn number_size(text: &str) -> usize {
    let digits = Number::parse(text).ok().and_then(|number| Some(number.parts()?.2.len()));
    digits.map_or(1, |digits| 1 + digits.div_ceil(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(attributes: &[(&str, usize)]) -> Item {
        let s = |length: &usize| AttributeValue::S("x".repeat(*length));
        attributes.iter().map(|(name, length)| ((*name).to_owned(), s(length))).collect()
    }

    #[test]
    fn the_limit_is_the_last_byte_that_fits_and_the_largest_are_named() {
        let fits = item(&[("a", MOST - 20), ("b", 8), ("c", 4), ("dd", 3)]);
        assert_eq!(check_size(&fits), Ok(()));
        let over = item(&[("a", MOST - 40), ("b", 8), ("c", 5), ("dd", 5), (HEADER, 15)]);
        let largest = ["a", "b", "dd"].map(str::to_owned).into();
        assert_eq!(check_size(&over), Err(SealError::TooLarge { by: 3, largest }));
    }

    #[test]
    fn sizes_are_those_of_the_developer_guide() {
        let n = |text: &str| AttributeValue::N(text.to_owned());
        let list = AttributeValue::L(vec![n("0"), n("-1.5"), AttributeValue::Bool(true), AttributeValue::Null(true)]);
        for (value, size) in [
            (n(&"9".repeat(38)), 20),
            (n("12000"), 2),
            (list.clone(), 3 + 4 + 1 + 2 + 1 + 1),
            (AttributeValue::M([("ab".to_owned(), list)].into()), 3 + 1 + 2 + 12),
            (AttributeValue::Ss(vec!["a".to_owned(), "bc".to_owned()]), 3),
        ] {
            assert_eq!(value_size(&value), size, "{value:?}");
        }
    }
}
