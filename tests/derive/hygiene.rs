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
