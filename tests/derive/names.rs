//! Names of attributes are those that serde writes.

use super::*;

/// A struct of awkward field names under one `rename_all` rule.
macro_rules! awkward {
    ($test:ident $(, $rule:literal)?) => {
        #[test]
        #[expect(non_snake_case, reason = "serde's rules do not touch capitals, and the test shows it")]
        fn $test() {
            #[derive(Default, Serialize, Deserialize, Record)]
            $(#[serde(rename_all = $rule)])?
            struct Awkward {
                a: u8,
                ab_c: u8,
                field_1: u8,
                field2: u8,
                _leading: u8,
                trailing_: u8,
                two__underscores: u8,
                r#type: u8,
                #[seal(encrypt)]
                r#match: u8,
                already_Camel: u8,
                ALLCAPS: u8,
                #[serde(rename = "Renamed by_hand")]
                renamed: u8,
                #[serde(rename(serialize = "both", deserialize = "both"))]
                renamed_both_ways: u8,
                #[serde(skip)]
                skipped: u8,
            }
            writes_what_it_declares(&Awkward::default());
        }
    };
}

awkward!(without_a_rule);
awkward!(lowercase, "lowercase");
awkward!(uppercase, "UPPERCASE");
awkward!(pascal_case, "PascalCase");
awkward!(camel_case, "camelCase");
awkward!(snake_case, "snake_case");
awkward!(screaming_snake_case, "SCREAMING_SNAKE_CASE");
awkward!(kebab_case, "kebab-case");
awkward!(screaming_kebab_case, "SCREAMING-KEBAB-CASE");

#[test]
fn a_split_rule_that_says_the_same_twice_is_one_rule() {
    #[derive(Serialize, Deserialize, Record)]
    #[serde(rename_all(serialize = "camelCase", deserialize = "camelCase"))]
    struct Split {
        first_name: u8,
    }
    writes_what_it_declares(&Split { first_name: 1 });
    assert_eq!(declared(&Split::SCHEMA), ["firstName"]);
}

#[test]
fn a_tag_is_an_attribute_too() {
    #[derive(Serialize, Deserialize, Record)]
    #[serde(tag = "kind", rename = "tagged-record")]
    struct Tagged {
        a: u8,
    }
    writes_what_it_declares(&Tagged { a: 1 });
    assert_eq!(Tagged::SCHEMA.fields(), [RecordField::Plain { name: "kind" }, RecordField::Plain { name: "a" }]);
}

#[test]
fn flattened_records_write_their_own_names() {
    #[derive(Serialize, Deserialize, Record)]
    #[serde(rename_all = "camelCase")]
    struct Address {
        #[seal(encrypt)]
        street_name: String,
        city: String,
    }
    #[derive(Serialize, Deserialize, Record)]
    #[serde(rename_all = "UPPERCASE")]
    struct Person {
        name: String,
        #[serde(flatten)]
        address: Address,
    }
    #[derive(Serialize, Deserialize, Record)]
    struct Employee {
        #[serde(flatten)]
        person: Person,
        #[serde(rename = "salary", with = "as_text")]
        #[seal(encrypt)]
        pay: u32,
    }

    let address = Address { street_name: "Elm".into(), city: "Ulm".into() };
    writes_what_it_declares(&Employee { person: Person { name: "Eve".into(), address }, pay: 1 });
    assert_eq!(declared(&Employee::SCHEMA), ["NAME", "streetName", "city", "salary"]);
}

#[test]
fn an_optional_flattened_record_is_declared_whether_it_is_there_or_not() {
    #[derive(Serialize, Deserialize, Record)]
    struct Inner {
        #[seal(encrypt)]
        secret: String,
    }
    #[derive(Serialize, Deserialize, Record)]
    struct Outer {
        a: u8,
        #[serde(flatten)]
        inner: Option<Inner>,
    }
    writes_what_it_declares(&Outer { a: 1, inner: Some(Inner { secret: "s".into() }) });
}

#[test]
fn with_and_its_kin_change_no_name() {
    #[derive(Serialize, Deserialize, Record)]
    struct With {
        #[seal(partition_key, tenant)]
        #[serde(with = "as_text")]
        key: u32,
        #[serde(serialize_with = "as_text::serialize", deserialize_with = "as_text::deserialize")]
        #[seal(encrypt)]
        secret: u32,
    }
    writes_what_it_declares(&With { key: 1, secret: 2 });
}

mod as_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(number: &u32, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(number)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}
