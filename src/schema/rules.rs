//! The rules for a record, checked at compile time: hence the loops. Every function that may refuse has the caller's
//! location, so that a fault is reported at the record and not in this file.

use tenantseal_core::tenant_template::{self, TemplateFault};

use super::{RecordField, RecordSchema};

impl RecordSchema {
    /// Checks each field, and its name against those of all fields of `whole`.
    #[track_caller]
    pub(super) const fn check_fields(&self, whole: &Self) {
        let mut i = 0;
        while i < self.fields.len() {
            let name = match self.fields[i] {
                RecordField::Flatten(record) => {
                    record.check_fields(whole);
                    i += 1;
                    continue;
                }
                RecordField::PartitionKey { name, tenant } => {
                    check_key_name(name);
                    check_template(name, tenant);
                    name
                }
                RecordField::SortKey { name } => {
                    check_key_name(name);
                    name
                }
                RecordField::Plain { name } | RecordField::Encrypted { name } | RecordField::Version { name } => name,
            };
            if name.is_empty() {
                panic!("a stored name is empty");
            }
            if starts_with(name.as_bytes(), b"_seal") {
                refuse("the stored name `", name, "` begins with `_seal`, which is reserved for tenantseal");
            }
            if whole.count_of(name) > 1 {
                refuse("two fields are stored as `", name, "`, and one of the two would be lost");
            }
            i += 1;
        }
    }

    /// The number of fields with this stored name.
    const fn count_of(&self, wanted: &str) -> usize {
        let (mut i, mut count) = (0, 0);
        while i < self.fields.len() {
            count += match self.fields[i] {
                RecordField::Flatten(record) => record.count_of(wanted),
                // Written out: the compiler counts each step of a constant.
                RecordField::PartitionKey { name, .. }
                | RecordField::SortKey { name }
                | RecordField::Plain { name }
                | RecordField::Encrypted { name }
                | RecordField::Version { name } => is_same(name.as_bytes(), wanted.as_bytes()) as usize,
            };
            i += 1;
        }
        count
    }

    #[track_caller]
    pub(super) const fn check_keys(&self) {
        let mut keys = Keys { partition: (0, ""), sort: (0, ""), version: (0, "") };
        self.count_keys(&mut keys);
        if keys.partition.0 > 1 {
            refuse("a record has one partition key, but `", keys.partition.1, "` is a second one");
        }
        if keys.sort.0 > 1 {
            refuse("a record has at most one sort key, but `", keys.sort.1, "` is a second one");
        }
        if keys.version.0 > 1 {
            refuse("a record has at most one version, but `", keys.version.1, "` is a second one");
        }
        if keys.partition.0 == 0 && keys.sort.0 == 1 {
            refuse("the sort key `", keys.sort.1, "` needs a partition key beside it");
        }
        if keys.partition.0 == 0
            && let Some(table) = self.table
        {
            refuse("a record with a table needs a partition key, but that of `", table, "` has none");
        }
    }

    const fn count_keys(&self, keys: &mut Keys) {
        let mut i = 0;
        while i < self.fields.len() {
            match self.fields[i] {
                RecordField::PartitionKey { name, .. } => keys.partition = (keys.partition.0 + 1, name),
                RecordField::SortKey { name } => keys.sort = (keys.sort.0 + 1, name),
                RecordField::Version { name } => keys.version = (keys.version.0 + 1, name),
                RecordField::Plain { .. } | RecordField::Encrypted { .. } => {}
                RecordField::Flatten(record) => record.count_keys(keys),
            }
            i += 1;
        }
    }
}

/// The number of partition keys, sort keys and versions of a record, and the stored name of the last of each.
struct Keys {
    partition: (usize, &'static str),
    sort: (usize, &'static str),
    version: (usize, &'static str),
}

/// DynamoDB's limit for the name of a key attribute.
#[track_caller]
const fn check_key_name(name: &str) {
    if name.len() > 255 {
        refuse("the name of the key `", name, "` is longer than 255 bytes");
    }
}

#[track_caller]
const fn check_template(name: &str, template: &str) {
    let fault = match tenant_template::check(template) {
        Ok(_) => return,
        Err(TemplateFault::NotOnce) => "` must contain `{tenant}` exactly once",
        Err(TemplateFault::OtherPlaceholder) => "` has a placeholder other than `{tenant}`",
        Err(TemplateFault::Ambiguous) => "` continues after `{tenant}` with a character that an id may contain",
    };
    refuse("the tenant template of `", name, fault);
}

/// Whether 2 names are equal, compared from both ends. Names with a common beginning or end are frequent, and the
/// compiler refuses constants that take too long.
pub(super) const fn is_same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let (mut start, mut end) = (0, a.len());
    while start < end {
        end -= 1;
        if a[start] != b[start] || a[end] != b[end] {
            return false;
        }
        start += 1;
    }
    true
}

/// `slice::starts_with`, which is not `const`.
pub(super) const fn starts_with(text: &[u8], start: &[u8]) -> bool {
    let mut i = 0;
    while i < start.len() {
        if i == text.len() || text[i] != start[i] {
            return false;
        }
        i += 1;
    }
    true
}

/// Panics with a message around a name.
#[track_caller]
pub(super) const fn refuse(before: &str, name: &str, after: &str) -> ! {
    refuse_with(&[before, name, after])
}

/// Panics with a message of these parts. Formatting is not `const`, so the message is assembled byte by byte.
#[track_caller]
pub(super) const fn refuse_with(parts: &[&str]) -> ! {
    let mut text = [0; 512];
    let mut len = 0;
    let mut part = 0;
    while part < parts.len() {
        let bytes = parts[part].as_bytes();
        let mut i = 0;
        while i < bytes.len() && len < text.len() {
            text[len] = bytes[i];
            len += 1;
            i += 1;
        }
        part += 1;
    }
    match core::str::from_utf8(text.split_at(len).0) {
        Ok(message) => panic!("{}", message),
        // The name was too long and was cut within a letter.
        Err(_) => panic!("{}", parts[0]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: RecordField = RecordField::PartitionKey { name: "pk", tenant: "{tenant}" };

    #[track_caller]
    fn refused(table: Option<&'static str>, fields: &'static [RecordField], with: &str) {
        let panic = std::panic::catch_unwind(|| RecordSchema::new(table, fields)).expect_err("the schema is refused");
        let message = match panic.downcast::<String>() {
            Ok(message) => *message,
            Err(panic) => (*panic.downcast::<&str>().expect("a panic with a message")).to_owned(),
        };
        assert!(message.contains(with), "{message}");
    }

    #[track_caller]
    fn template(template: &'static str) -> bool {
        let key = RecordField::PartitionKey { name: "pk", tenant: template };
        std::panic::catch_unwind(|| RecordSchema::new(None, Box::leak(Box::new([key])))).is_ok()
    }

    #[test]
    fn an_empty_schema_without_a_table_is_allowed() {
        assert_eq!(RecordSchema::new(None, &[]).fields(), &[]);
    }

    #[test]
    fn a_name_is_stored_once_through_all_flattened_records() {
        const INNER: RecordSchema = RecordSchema::new(None, &[RecordField::Encrypted { name: "email" }]);
        const MIDDLE: RecordSchema = RecordSchema::new(None, &[RecordField::Flatten(&INNER)]);
        refused(Some("t"), &[KEY, RecordField::Plain { name: "pk" }], "two fields are stored as `pk`");
        refused(
            Some("t"),
            &[KEY, RecordField::Plain { name: "email" }, RecordField::Flatten(&MIDDLE)],
            "two fields are stored as `email`",
        );
        refused(
            None,
            &[RecordField::Flatten(&INNER), RecordField::Flatten(&MIDDLE)],
            "two fields are stored as `email`",
        );
    }

    #[test]
    fn a_name_that_begins_like_another_is_another() {
        RecordSchema::new(None, &[RecordField::Plain { name: "mail" }, RecordField::Plain { name: "mails" }]);
    }

    #[test]
    fn names_are_told_apart_wherever_they_differ() {
        for (a, b) in
            [("", "a"), ("a", "b"), ("ab", "aa"), ("ab", "bb"), ("abc", "aac"), ("abcd", "aacd"), ("abcd", "abbd")]
        {
            assert!(!is_same(a.as_bytes(), b.as_bytes()), "{a} {b}");
        }
        for name in ["", "a", "ab", "abc", "abcd"] {
            assert!(is_same(name.as_bytes(), name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn a_large_schema_is_checked_before_the_compiler_loses_patience() {
        const COUNT: usize = 400;
        const DIGITS: &[u8; 10] = b"0123456789";
        const NAMES: [[u8; 32]; COUNT] = {
            let mut names = [*b"some_rather_long_common_name_000"; COUNT];
            let mut i = 0;
            while i < COUNT {
                names[i][29] = DIGITS[i / 100];
                names[i][30] = DIGITS[i / 10 % 10];
                names[i][31] = DIGITS[i % 10];
                i += 1;
            }
            names
        };
        const FIELDS: [RecordField; COUNT] = {
            let mut fields = [RecordField::Plain { name: "" }; COUNT];
            let mut i = 0;
            while i < COUNT {
                fields[i] = match core::str::from_utf8(&NAMES[i]) {
                    Ok(name) => RecordField::Plain { name },
                    Err(_) => panic!("the names are ASCII"),
                };
                i += 1;
            }
            fields
        };
        const SCHEMA: RecordSchema = RecordSchema::new(None, &FIELDS);
        assert_eq!(SCHEMA.fields().len(), COUNT);
    }

    #[test]
    fn keys_are_counted_through_flattened_records() {
        const KEYS: RecordSchema = RecordSchema::new(None, &[KEY, RecordField::SortKey { name: "sk" }]);
        RecordSchema::new(Some("t"), &[RecordField::Flatten(&KEYS)]);
        refused(
            None,
            &[RecordField::PartitionKey { name: "a", tenant: "{tenant}" }, RecordField::Flatten(&KEYS)],
            "one partition key",
        );
        refused(None, &[RecordField::SortKey { name: "a" }, RecordField::Flatten(&KEYS)], "one sort key");
        refused(None, &[RecordField::SortKey { name: "a" }], "needs a partition key");
        refused(Some("t"), &[RecordField::Plain { name: "a" }], "a table needs a partition key");
    }

    #[test]
    fn a_discriminator_is_a_plain_attribute_or_the_sort_key() {
        const FIELDS: &[RecordField] =
            &[KEY, RecordField::SortKey { name: "sk" }, RecordField::Encrypted { name: "email" }];
        const SCHEMA: RecordSchema = RecordSchema::new(Some("t"), FIELDS);
        for good in ["kind", "sk"] {
            assert_eq!(SCHEMA.with_discriminator(good, "contact").discriminator(), Some((good, "contact")));
        }
        for (name, value) in [("pk", "x"), ("email", "x"), ("_seal", "x"), ("", "x"), ("kind", "")] {
            assert!(std::panic::catch_unwind(|| SCHEMA.with_discriminator(name, value)).is_err(), "{name}");
        }
        assert!(std::panic::catch_unwind(|| RecordSchema::new(None, FIELDS).with_discriminator("kind", "x")).is_err());
    }

    #[test]
    fn a_record_has_one_version() {
        refused(
            Some("t"),
            &[KEY, RecordField::Version { name: "a" }, RecordField::Version { name: "b" }],
            "at most one version",
        );
        assert_eq!(RecordSchema::new(Some("t"), &[KEY, RecordField::Version { name: "a" }]).version(), Some("a"));
    }

    #[test]
    fn names_are_not_empty_reserved_or_too_long_for_a_key() {
        const LONG: &str = match core::str::from_utf8(&[b'a'; 256]) {
            Ok(long) => long,
            Err(_) => "",
        };
        refused(None, &[RecordField::Plain { name: "" }], "empty");
        refused(None, &[RecordField::Plain { name: "_seal" }], "reserved");
        refused(None, &[RecordField::Encrypted { name: "_sealed" }], "reserved");
        refused(None, &[KEY, RecordField::SortKey { name: LONG }], "255");
        RecordSchema::new(None, &[RecordField::Plain { name: "_sea" }, RecordField::Plain { name: LONG }]);
    }

    #[test]
    fn a_template_has_one_placeholder_and_ends_the_id() {
        for good in ["{tenant}", "{tenant}#", "TENANT#{tenant}#x", "t-{tenant}", "{tenant}é"] {
            assert!(template(good), "{good}");
        }
        for bad in
            ["", "x", "{tenant}{tenant}", "{tenant}#{id}", "{tenant}0", "{tenant}_", "{tenant}-", "{tenant}A", "{t}"]
        {
            assert!(!template(bad), "{bad}");
        }
    }
}
