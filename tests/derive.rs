//! `#[derive(Record)]`: what it declares is what serde writes, and what it cannot vouch for does not compile.

// Most structs here exist only for their schema.
#![allow(dead_code)]

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use tenantseal::{
    Record,
    schema::{RecordField, RecordSchema},
};

#[test]
fn what_cannot_be_vouched_for_does_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}

/// The stored names that a schema declares, flattened records included.
fn declared(schema: &RecordSchema) -> Vec<&'static str> {
    let mut names = Vec::new();
    for field in schema.fields() {
        match field {
            RecordField::PartitionKey { name, .. }
            | RecordField::SortKey { name }
            | RecordField::Plain { name }
            | RecordField::Encrypted { name } => names.push(*name),
            RecordField::Flatten(record) => names.extend(declared(record)),
            other => panic!("a field of a new kind: {other:?}"),
        }
    }
    names
}

/// Whatever serde writes is declared, and nothing else.
#[track_caller]
fn writes_what_it_declares<R: Record + Serialize>(record: &R) {
    let written: HashMap<String, aws_sdk_dynamodb::types::AttributeValue> =
        serde_dynamo::to_item(record).expect("the record is a map of attributes");
    let written: BTreeSet<&str> = written.keys().map(String::as_str).collect();
    let declared = declared(&R::SCHEMA);
    assert_eq!(declared.iter().copied().collect::<BTreeSet<_>>(), written);
    assert_eq!(declared.len(), written.len(), "a name is declared twice: {declared:?}");
}

mod names {
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
}

mod schemas {
    use super::*;

    #[test]
    fn a_schema_says_what_each_field_is_in_the_order_of_declaration() {
        #[derive(Serialize, Deserialize, Record)]
        #[seal(table = "crm")]
        struct Contact {
            #[seal(partition_key, tenant)]
            tenant_id: String,
            #[seal(sort_key)]
            contact_id: String,
            company: String,
            #[seal(plain)]
            said_aloud: String,
            #[seal(encrypt)]
            email: String,
            #[seal(encrypt)]
            api_keys: HashMap<String, String>,
        }
        assert_eq!(
            Contact::SCHEMA,
            RecordSchema::new(
                Some("crm"),
                &[
                    RecordField::PartitionKey { name: "tenant_id", tenant: "{tenant}" },
                    RecordField::SortKey { name: "contact_id" },
                    RecordField::Plain { name: "company" },
                    RecordField::Plain { name: "said_aloud" },
                    RecordField::Encrypted { name: "email" },
                    RecordField::Encrypted { name: "api_keys" },
                ]
            )
        );
    }

    #[test]
    fn a_template_names_the_tenants_part_of_the_key() {
        #[derive(Record)]
        #[seal(table = "pooled")]
        struct Pooled {
            #[seal(partition_key)]
            #[seal(tenant = "TENANT#{tenant}#")]
            pk: String,
        }
        assert_eq!(Pooled::SCHEMA.fields(), [RecordField::PartitionKey { name: "pk", tenant: "TENANT#{tenant}#" }]);
    }

    #[test]
    fn keys_may_come_with_a_flattened_record() {
        #[derive(Record, Serialize)]
        struct Keys {
            #[seal(partition_key, tenant = "T#{tenant}")]
            pk: String,
            #[seal(sort_key)]
            sk: String,
        }
        #[derive(Record, Serialize)]
        #[seal(table = "orders")]
        struct Order {
            #[serde(flatten)]
            keys: Keys,
            #[seal(encrypt)]
            card: String,
        }
        writes_what_it_declares(&Order { keys: Keys { pk: "T#a".into(), sk: "1".into() }, card: "4".into() });
        assert_eq!(Order::SCHEMA.fields()[0], RecordField::Flatten(&Keys::SCHEMA));
    }

    #[test]
    fn a_skipped_field_is_not_an_attribute() {
        #[derive(Serialize, Deserialize, Record)]
        struct Skips {
            #[serde(skip)]
            never: u8,
            #[serde(skip_serializing, default)]
            only_read: u8,
            #[serde(skip_deserializing)]
            only_written: u8,
            #[serde(skip_serializing, skip_deserializing)]
            never_either: u8,
            #[serde(skip_serializing_if = "Option::is_none")]
            #[seal(encrypt)]
            sometimes: Option<u8>,
        }
        assert_eq!(declared(&Skips::SCHEMA), ["only_read", "only_written", "sometimes"]);
    }

    #[test]
    fn an_alias_is_a_name_that_may_be_stored() {
        #[derive(Serialize, Deserialize, Record)]
        struct Aliased {
            #[serde(alias = "old", alias = "older", alias = "old", alias = "now")]
            now: u8,
        }
        assert_eq!(declared(&Aliased::SCHEMA), ["now", "old", "older"]);
    }

    #[test]
    fn a_schema_is_a_constant() {
        #[derive(Record)]
        struct One {
            a: u8,
        }
        const FIELDS: &[RecordField] = One::SCHEMA.fields();
        assert_eq!(FIELDS.len(), 1);
    }
}

mod shapes {
    use super::*;

    #[test]
    fn generic_structs_are_records() {
        #[derive(Serialize, Deserialize, Record)]
        #[serde(bound = "T: Serialize + serde::de::DeserializeOwned")]
        struct Generic<'a, T: Clone = u8, const N: usize = 2>
        where
            T: PartialEq,
        {
            #[serde(borrow)]
            borrowed: std::borrow::Cow<'a, str>,
            #[seal(encrypt)]
            value: Option<T>,
            #[serde(skip)]
            array: Option<[u8; N]>,
        }
        writes_what_it_declares(&Generic::<u8, 3> { borrowed: "b".into(), value: Some(1), array: None });
    }

    #[test]
    fn records_lie_in_fields_of_others_where_their_marks_are_heeded_or_said_not_to_be() {
        #[derive(Default, Serialize, Deserialize, Record)]
        struct Point {
            x: u8,
        }
        #[derive(Default, Serialize, Deserialize, Record)]
        struct City {
            centre: Point,
            #[seal(plain)]
            public: Vec<Street>,
            #[seal(encrypt)]
            streets: Vec<Street>,
            #[serde(flatten)]
            main: Option<Street>,
        }
        #[derive(Default, Serialize, Deserialize, Record)]
        struct Street {
            #[seal(encrypt)]
            name: String,
            #[seal(encrypt)]
            of: Option<Box<City>>,
        }
        writes_what_it_declares(&City { main: Some(Street::default()), ..City::default() });
    }

    #[test]
    fn a_struct_with_a_lifetime_is_a_record() {
        #[derive(Serialize, Record)]
        struct Borrowed<'a, 'b: 'a> {
            #[seal(encrypt)]
            one: &'a str,
            two: &'b str,
        }
        writes_what_it_declares(&Borrowed { one: "1", two: "2" });
    }

    #[test]
    fn a_flattened_type_parameter_is_bounded_by_the_derive() {
        #[derive(Serialize, Deserialize, Record)]
        struct Versioned<T, U> {
            version: u8,
            #[serde(flatten)]
            record: T,
            #[serde(flatten)]
            more: Option<U>,
        }
        #[derive(Serialize, Deserialize, Record)]
        struct Note {
            #[seal(encrypt)]
            text: String,
        }
        #[derive(Serialize, Deserialize, Record)]
        struct Pin {
            colour: u8,
        }
        let note = Note { text: "n".into() };
        writes_what_it_declares(&Versioned { version: 1, record: note, more: Some(Pin { colour: 2 }) });
        assert_eq!(declared(&Versioned::<Note, Pin>::SCHEMA), ["version", "text", "colour"]);
    }

    #[test]
    fn unknown_fields_may_be_denied() {
        #[derive(Debug, PartialEq, Serialize, Deserialize, Record)]
        #[serde(deny_unknown_fields, default)]
        #[derive(Default)]
        struct Strict {
            a: u8,
            #[seal(encrypt)]
            b: Option<u8>,
        }
        let strict = Strict { a: 1, b: Some(2) };
        writes_what_it_declares(&strict);
        let item: HashMap<String, aws_sdk_dynamodb::types::AttributeValue> =
            serde_dynamo::to_item(&strict).expect("it is a map of attributes");
        assert_eq!(serde_dynamo::from_item::<_, Strict>(item).expect("all its fields are known"), strict);
    }

    #[test]
    fn attributes_of_the_language_and_helpers_of_other_derives_pass() {
        use zeroize::Zeroize;

        /// Documented.
        #[derive(Debug, Clone, Serialize, Zeroize, Record)]
        #[rustfmt::skip]
        #[zeroize(drop)]
        #[must_use]
        #[non_exhaustive]
        struct Decorated {
            /// Documented.
            #[zeroize(skip)]
            #[cfg_attr(all(), seal(encrypt))]
            a: u8,
            #[cfg(any())]
            #[seal(nonsense)]
            not_there: u8,
        }
        assert_eq!(Decorated::SCHEMA.fields(), [RecordField::Encrypted { name: "a" }]);
    }

    #[test]
    #[deny(deprecated)]
    fn what_is_deprecated_warns_where_it_is_used_and_not_in_the_derive() {
        #[derive(Record)]
        #[deprecated]
        struct Old {
            #[deprecated]
            a: u8,
        }
        #[expect(deprecated, reason = "used here")]
        let names = declared(&Old::SCHEMA);
        assert_eq!(names, ["a"]);
    }

    #[test]
    fn a_crate_may_reexport_tenantseal() {
        mod outer {
            pub(super) mod vault {
                pub(crate) use tenantseal::schema;
            }
        }
        #[derive(tenantseal::Record)]
        #[seal(crate = "outer::vault")]
        struct Elsewhere {
            a: u8,
        }
        assert_eq!(declared(&Elsewhere::SCHEMA), ["a"]);
    }

    #[test]
    fn a_struct_that_a_macro_writes_is_a_record() {
        macro_rules! record {
            ($name:ident, $table:literal, $field:ident: $ty:ty, $inner:ty) => {
                #[derive(Serialize, Record)]
                #[seal(table = $table)]
                struct $name {
                    #[seal(partition_key, tenant)]
                    $field: $ty,
                    #[serde(flatten)]
                    inner: $inner,
                    #[seal(encrypt)]
                    own: u8,
                }
            };
        }
        #[derive(Serialize, Record)]
        struct Inner {
            a: u8,
        }
        record!(Made, "made", pk: String, Option<Inner>);
        writes_what_it_declares(&Made { pk: "p".into(), inner: Some(Inner { a: 1 }), own: 2 });
    }
}

mod hygiene {
    //! Names of the prelude may be taken by the user's own types.

    struct Some;
    struct None;
    struct Option<T>(T);
    struct String;
    struct PhantomData;
    struct RecordSchema;
    struct RecordField;
    trait Record {}
    mod core {}
    mod std {}
    mod tenantseal {}

    mod records {
        use super::{None, Option, PhantomData, RecordField, RecordSchema, Some, String};

        #[derive(::tenantseal::Record)]
        pub(crate) struct Inner {
            pub(crate) a: u8,
        }

        #[derive(::tenantseal::Record)]
        #[seal(table = "t")]
        pub(crate) struct Outer<Plain> {
            #[seal(partition_key, tenant)]
            pub(crate) pk: String,
            pub(crate) some: Option<Some>,
            pub(crate) none: None,
            pub(crate) phantom: PhantomData,
            pub(crate) fields: RecordField,
            pub(crate) record: RecordSchema,
            #[seal(encrypt)]
            pub(crate) plain: Plain,
            #[seal(encrypt)]
            pub(crate) other: Inner,
        }
    }

    #[test]
    fn a_user_may_take_the_names_of_the_prelude() {
        let schema = <records::Outer<u8> as ::tenantseal::Record>::SCHEMA;
        ::core::assert_eq!(schema.table(), ::core::option::Option::Some("t"));
        ::core::assert_eq!(schema.fields().len(), 8);
    }
}
