//! Structs of every shape that can be a record.

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
fn records_lie_in_fields_where_their_marks_count_or_are_said_not_to() {
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
