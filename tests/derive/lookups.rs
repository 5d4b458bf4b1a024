//! Lookups: what the derive declares is what the schema's builder declares by hand.

use std::collections::BTreeSet;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region};
use tenantseal::aws_types::SdkConfig;
use tenantseal::error::ConfigError;
use tenantseal::keys::{InMemoryKeyService, InMemoryKeyTable, InvalidSettings};
use tenantseal::schema::{
    FewValued, Form, InvalidSchema, Lookup, LookupBuilder, LookupIndex, LookupKind, LookupState, TableSchema,
};
use tenantseal::{TenantSeal, TenantSealBuilder};

use super::*;

const MONTH: Form = Form::new("month", |date| date.get(..7).map(str::to_owned));

#[derive(Serialize, Deserialize, Record)]
#[seal(table = "crm", lookup(name = "person", part(last_name, text), part(born), index = "by-person"))]
struct Contact {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(sort_key)]
    contact_id: String,
    #[seal(encrypt, lookup(email, unique, index = "by-email"))]
    email: String,
    #[seal(encrypt, lookup(digits, tenant_index = "by-phone", building))]
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
    #[seal(encrypt, lookup(text, bits = 10), lookup(text, prefix = 3, bits = 8, index = "by-name-start"))]
    #[serde(rename = "surname")]
    last_name: String,
    #[seal(encrypt, lookup(with = "MONTH", name = "birth_month", key = 2, retired))]
    born: String,
    #[seal(encrypt, lookup(each, bits = 16))]
    tags: BTreeSet<String>,
    #[seal(encrypt, lookup)]
    account: u64,
}

/// The same table without a struct.
fn by_hand() -> TableSchema {
    TableSchema::builder("crm")
        .partition_key("tenant_id", "{tenant}")
        .sort_key("contact_id")
        .encrypt("email")
        .encrypt("phone")
        .encrypt("surname")
        .encrypt("born")
        .encrypt("tags")
        .encrypt("account")
        .lookup(Lookup::on("email", Form::EMAIL).unique().index("by-email"))
        .lookup(Lookup::on("phone", Form::DIGITS).tenant_index("by-phone").building())
        .lookup(Lookup::on("surname", Form::TEXT).bits(10))
        .lookup(Lookup::on("surname", Form::TEXT).prefix(3).bits(8).index("by-name-start"))
        .lookup(Lookup::on("born", MONTH).named("birth_month").key(2).retired())
        .lookup(Lookup::on("tags", Form::EXACT).each().bits(16))
        .lookup(Lookup::on("account", Form::EXACT))
        .lookup(Lookup::all_of([("surname", Form::TEXT), ("born", Form::EXACT)]).named("person").index("by-person"))
        .build()
        .unwrap()
}

#[test]
fn a_schema_by_hand_has_the_lookups_of_the_derived_one() {
    let derived = TableSchema::for_record::<Contact>().unwrap();
    assert_eq!(derived, by_hand());
    let stored: Vec<_> = derived.lookups().iter().map(Lookup::stored).collect();
    assert_eq!(
        stored,
        [
            "_seal_by_account",
            "_seal_by_birth_month",
            "_seal_by_email",
            "_seal_by_person",
            "_seal_by_phone",
            "_seal_by_surname",
            "_seal_by_surname_3",
            "_seal_by_tags"
        ]
    );
}

#[test]
fn a_lookup_says_what_its_tokens_are_made_of_and_who_asks_them() {
    let schema = by_hand();
    let lookup = |name: &str| schema.lookup(name).unwrap();
    let parts = |name| lookup(name).parts().iter().map(|part| (part.attribute(), part.form())).collect::<Vec<_>>();
    assert_eq!(parts("person"), [("surname", Form::TEXT), ("born", Form::EXACT)]);
    assert_eq!(parts("birth_month"), [("born", MONTH)]);
    assert_eq!(MONTH.name(), "=month");
    assert_eq!((lookup("surname").bits(), lookup("surname").is_exact()), (10, false));
    assert_eq!((lookup("email").bits(), lookup("email").is_exact(), lookup("email").is_unique()), (128, true, true));
    let kinds = ["surname", "surname_3", "tags"].map(|name| lookup(name).kind());
    assert_eq!(kinds, [LookupKind::Equality, LookupKind::Prefix(3), LookupKind::Each]);
    assert_eq!(lookup("email").index(), Some(&LookupIndex::Token("by-email".to_owned())));
    assert_eq!(lookup("phone").index(), Some(&LookupIndex::Tenant("by-phone".to_owned())));
    assert_eq!(lookup("account").index(), None);
    let states = ["phone", "email", "birth_month"].map(|name| lookup(name).state());
    assert_eq!(states, [LookupState::Building, LookupState::Ready, LookupState::Retired]);
    assert_eq!((lookup("birth_month").key(), lookup("email").key()), (2, 1));
}

#[test]
fn lookups_come_with_a_flattened_record() {
    #[derive(Record)]
    struct Address {
        #[seal(encrypt, lookup(alphanumeric))]
        postcode: String,
        #[seal(encrypt)]
        street: String,
    }
    #[derive(Record)]
    #[seal(table = "crm", lookup(name = "home", part(name), part(street, text)))]
    struct Person {
        #[seal(partition_key, tenant)]
        tenant_id: String,
        #[seal(encrypt)]
        name: String,
        #[serde(flatten)]
        address: Address,
    }
    let schema = TableSchema::for_record::<Person>().unwrap();
    let names: Vec<_> = schema.lookups().iter().map(Lookup::name).collect();
    assert_eq!(names, ["home", "postcode"]);
    assert_eq!(schema.lookup("home").unwrap().parts()[1].attribute(), "street");
}

#[test]
fn a_type_with_few_values_may_be_a_part() {
    #[derive(Serialize, Deserialize)]
    enum Gender {
        Female,
        Male,
    }
    impl FewValued for Gender {}
    #[derive(Record)]
    #[seal(table = "crm", lookup(name = "cohort", part(gender), part(active), part(born)))]
    struct Person {
        #[seal(partition_key, tenant)]
        tenant_id: String,
        #[seal(encrypt)]
        gender: Option<Gender>,
        #[seal(encrypt)]
        active: bool,
        #[seal(encrypt)]
        born: String,
        #[seal(encrypt, lookup)]
        badge: Vec<u8>,
    }
    assert_eq!(TableSchema::for_record::<Person>().unwrap().lookups().len(), 2);
}

/// A record of table `crm`, by hand.
fn record(lookups: impl IntoIterator<Item = LookupBuilder<'static>>) -> Result<TableSchema, InvalidSchema> {
    let builder =
        TableSchema::builder("crm").partition_key("pk", "{tenant}").plain("company").encrypt("a").encrypt("b");
    lookups.into_iter().fold(builder, |builder, lookup| builder.lookup(lookup)).build()
}

#[test]
fn a_lookup_that_cannot_be_is_refused_by_name() {
    const LONG: &str = match core::str::from_utf8(&[b'a'; 247]) {
        Ok(long) => long,
        Err(_) => "",
    };
    let on = |attribute| Lookup::on(attribute, Form::EXACT);
    let of = |attributes: [&'static str; 2]| Lookup::all_of(attributes.map(|attribute| (attribute, Form::EXACT)));
    for (lookup, fault) in [
        (on("company"), "has the part `company`, which is not encrypted"),
        (on("pk"), "has the part `pk`, which is not encrypted"),
        (on("c"), "has the part `c`, which is not encrypted"),
        (of(["a", "company"]).named("x"), "has the part `company`, which is not encrypted"),
        (of(["a", "b"]), "needs a name"),
        (of(["a", "a"]).named("x"), "twice"),
        (Lookup::all_of([("a", Form::EXACT)]).named("x"), "2 to 8 parts"),
        (Lookup::all_of([("a", Form::EXACT); 9]).named("x"), "2 to 8 parts"),
        (of(["a", "b"]).named("x").prefix(3).bits(8), "lookups of one attribute"),
        (of(["a", "b"]).named("x").each().bits(8), "lookups of one attribute"),
        (on("a").named(""), "1 to 246 bytes"),
        (on("a").named(LONG), "1 to 246 bytes"),
        (on("a").bits(2), "3 to 40"),
        (on("a").bits(41), "3 to 40"),
        (on("a").prefix(0).bits(8), "1 to 16"),
        (on("a").prefix(17).bits(8), "1 to 16"),
        (on("a").prefix(3), "need `bits`"),
        (on("a").each(), "need `bits`"),
        (on("a").each().prefix(3).bits(8), "do not go together"),
        (on("a").unique().bits(8), "for exact lookups"),
        (on("a").each().bits(8).index("by-a"), "`each` has no index"),
        (on("a").each().bits(8).tenant_index("by-a"), "`each` has no index"),
        (on("a").index("by-a").tenant_index("by-b"), "`index` or `tenant_index`"),
        (on("a").index("by"), "3 to 255"),
        (on("a").index("by a"), "3 to 255"),
        (on("a").key(0), "1 to 65535"),
        (Lookup::on("a", Form::new("", |_| None)), "needs a name"),
    ] {
        let error = record([lookup]).expect_err(fault).to_string();
        assert!(error.contains(fault), "{error}");
    }
}

#[test]
fn a_lookup_at_the_edge_of_each_range_is_allowed() {
    const LONG: &str = match core::str::from_utf8(&[b'a'; 246]) {
        Ok(long) => long,
        Err(_) => "",
    };
    let on = |attribute| Lookup::on(attribute, Form::EXACT);
    for lookup in [
        on("a").named(LONG),
        on("a").bits(3),
        on("a").bits(40),
        on("a").prefix(1).bits(3),
        on("a").prefix(16).bits(3),
        on("a").index("a.b"),
        on("a").key(65_535),
        on("a").unique(),
    ] {
        assert_eq!(record([lookup]).map(|schema| schema.lookups().len()), Ok(1), "{lookup:?}");
    }
}

#[test]
fn two_lookups_share_neither_name_nor_index() {
    let on = |attribute| Lookup::on(attribute, Form::EXACT);
    for (lookups, fault) in [
        ([on("a"), on("a")], "lookup `a` is declared twice"),
        ([on("a"), on("b").named("a")], "lookup `a` is declared twice"),
        ([on("a").prefix(3).bits(8), on("b").named("a_3")], "lookup `a_3` is declared twice"),
        ([on("a").index("by-a"), on("b").index("by-a")], "two lookups have the index `by-a`"),
        ([on("a").index("by-a"), on("b").tenant_index("by-a")], "two lookups have the index `by-a`"),
    ] {
        let error = record(lookups).expect_err(fault).to_string();
        assert!(error.contains(fault), "{error}");
    }
    // The index of a retired lookup may be gone, and another may have its name.
    let after = [on("a").index("by-a").retired(), on("a").named("a_2").bits(8).index("by-a")];
    assert_eq!(record(after).map(|schema| schema.lookups().len()), Ok(2));
}

/// The error of a configuration with these schemas of table `crm`.
fn built(builder: TenantSealBuilder) -> Result<(), ConfigError> {
    let config = SdkConfig::builder().region(Region::new("eu-central-1")).behavior_version(BehaviorVersion::latest());
    let credentials = Credentials::new("key", "secret", None, None, "test");
    let config = config.credentials_provider(SharedCredentialsProvider::new(credentials)).build();
    builder.key_service(InMemoryKeyService::new()).build(&config).map(drop)
}

fn with_key_table() -> TenantSealBuilder {
    TenantSeal::builder().key_table(InMemoryKeyTable::new())
}

#[test]
fn record_types_of_a_table_share_a_lookup_in_the_same_words() {
    let on = |lookup: fn(LookupBuilder<'static>) -> LookupBuilder<'static>| {
        record([lookup(Lookup::on("a", Form::EMAIL).index("by-a"))]).unwrap()
    };
    let both = |other| built(with_key_table().table(on(|lookup| lookup)).table(other));
    assert!(both(on(|lookup| lookup)).is_ok());
    assert!(both(on(|lookup| lookup.named("a_2").index("by-a-2"))).is_ok());
    for other in [
        record([Lookup::on("a", Form::EXACT).index("by-a")]).unwrap(),
        record([Lookup::on("b", Form::EMAIL).named("a").index("by-a")]).unwrap(),
        on(|lookup| lookup.bits(10)),
        on(|lookup| lookup.key(2)),
        on(|lookup| lookup.building()),
        on(|lookup| lookup.index("by-b")),
        record([Lookup::on("a", Form::EMAIL)]).unwrap(),
    ] {
        let error = both(other).unwrap_err();
        let disagrees =
            matches!(&error, ConfigError::Schema(InvalidSchema::LookupsDisagree { lookup, .. }) if lookup == "a");
        assert!(disagrees, "{error}");
    }
    let error = both(on(|lookup| lookup.named("a_2"))).unwrap_err();
    assert!(
        matches!(&error, ConfigError::Schema(InvalidSchema::LookupIndex { index, .. }) if index == "by-a"),
        "{error}"
    );
}

#[test]
fn lookups_need_a_key_table_and_room_in_the_encryption_context() {
    let with_lookup = || record([Lookup::on("a", Form::EMAIL)]).unwrap();
    let without = TenantSeal::builder().table(with_lookup());
    let error = built(without).unwrap_err();
    assert!(matches!(error, ConfigError::Settings(InvalidSettings::LookupsNeedKeyTable)), "{error}");
    assert!(built(TenantSeal::builder().table(record([]).unwrap())).is_ok());
    let pairs = |count: usize| {
        let pairs = (0..count).map(|at| (format!("pair-{at}"), "value"));
        pairs.fold(with_key_table().table(with_lookup()), |builder, (name, value)| builder.context(name, value))
    };
    assert!(built(pairs(6)).is_ok());
    let error = built(pairs(7)).unwrap_err();
    assert!(error.to_string().contains("room for 6 static pairs"), "{error}");
}

#[test]
fn a_unique_lookup_needs_a_table_for_its_claims() {
    let error = built(with_key_table().table(record([Lookup::on("a", Form::EMAIL).unique()]).unwrap())).unwrap_err();
    assert!(
        matches!(&error, ConfigError::UniqueWithoutClaims { table, lookup } if table == "crm" && lookup == "a"),
        "{error}"
    );
    assert!(error.to_string().contains("call `claims` with a table"), "{error}");
}
