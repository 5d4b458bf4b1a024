//! What `Debug` of each public type shows. A public type that is not in one of the lists fails the test.

#[path = "debug/types.rs"]
mod types;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tenantseal::changes::{Change, ChangeError, Changes, Image, JsonLine, OpenChanges, StoredChange};
use tenantseal::error::{ServiceError, Unopened, UnopenedItem};
use tenantseal::keys::{
    DataKey, EncryptionContext, GeneratedDataKey, InMemoryKeyService, KekId, KeyService, KmsKeyService, StaticPairs,
    UnwrappedDataKey, WrappedDataKey,
};
use tenantseal::records::{
    Check, Condition, Delete, FindBy, Get, GetEach, GetMany, Put, Query, RecordStream, Records, Scan, TransactGet,
    TransactWrite, Update, WriteMany, any_of, attribute, begins,
};
use tenantseal::schema::StoredForm;
use tenantseal::{Error, Tenant, TenantSeal, TenantSealBuilder};
use tenantseal_core::Vault;
use tenantseal_core::crypto::{LookupKey, OsRandom, PseudorandomKey, RandomError, RandomSource};
use tenantseal_core::envelope::{KeyRing, Nonces, Opener, Sealer, VerifiedDataKey};
use tenantseal_core::format::reader::Reader;
use tenantseal_core::format::{
    Identity, KnownLookups, LookupContents, LookupDefinition, LookupKind, PrimaryKeyPart, StoredKey,
};
use tenantseal_core::keys::{DeclaredLookup, InMemoryKeyTable, Retries, Settings};
use tenantseal_core::time::SystemTimeSource;
use zeroize::ZeroizeOnDrop;

use self::types::{HOLD_NONE, HOLD_SECRETS};
use crate::common::{Contact, World, contact, id};

/// The compile-time list: each type that holds secrets has a `Debug`, and the key zeroizes itself.
const _: () = {
    const fn prints<T: Debug>() {}
    const fn is_zeroized<T: ZeroizeOnDrop>() {}
    prints::<GeneratedDataKey>();
    prints::<InMemoryKeyService>();
    prints::<KmsKeyService>();
    prints::<Change>();
    prints::<ChangeError>();
    prints::<Changes>();
    prints::<Image>();
    prints::<JsonLine<'_>>();
    prints::<OpenChanges<'_>>();
    prints::<StoredChange>();
    prints::<Put<'_, Contact>>();
    prints::<Query<'_, Contact>>();
    prints::<Check<Contact>>();
    prints::<Condition>();
    prints::<Delete<'_, Contact>>();
    prints::<FindBy<'_, Contact>>();
    prints::<Get<'_, Contact>>();
    prints::<GetMany<Contact>>();
    prints::<GetEach<Contact>>();
    prints::<RecordStream<Contact>>();
    prints::<Scan<'_, Contact>>();
    prints::<TransactGet<Get<'_, Contact>>>();
    prints::<TransactWrite>();
    prints::<Update<'_, Contact>>();
    prints::<WriteMany<Contact>>();
    prints::<Records<Contact>>();
    prints::<ServiceError>();
    prints::<Tenant>();
    prints::<TenantSeal>();
    prints::<TenantSealBuilder>();
    prints::<Unopened>();
    prints::<UnopenedItem>();
    prints::<UnwrappedDataKey>();
    prints::<DataKey>();
    is_zeroized::<DataKey>();
};

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let nested = paths.map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] });
    nested.flatten().filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

#[test]
fn every_public_type_is_in_one_of_the_lists() {
    let mut found = BTreeSet::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let crates = ["src", "blobs/src", "core/src", "kms/src", "tenants/src", "tower/src"];
    for path in crates.iter().flat_map(|folder| rust_files(&root.join(folder))) {
        // The feature `fuzzing` is no interface.
        if path.components().any(|part| part.as_os_str() == "fuzzing") {
            continue;
        }
        for line in fs::read_to_string(path).unwrap().lines() {
            let line = line.trim_start();
            let Some(rest) =
                ["pub struct ", "pub enum ", "pub union "].iter().find_map(|start| line.strip_prefix(start))
            else {
                continue;
            };
            found.insert(rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap().to_owned());
        }
    }
    let listed: BTreeSet<_> = HOLD_SECRETS.iter().chain(HOLD_NONE).map(|&name| name.to_owned()).collect();
    assert_eq!(found, listed, "a new public type belongs in one of the lists of this file");
}

/// Any form in which a derived `Debug` would print these bytes.
fn is_shown(shown: &str, secret: &[u8]) -> bool {
    let list = format!("{secret:?}");
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let texts = [list.trim_matches(['[', ']']).to_owned(), hex, String::from_utf8_lossy(secret).into_owned()];
    let base64 = aws_smithy_types::base64::encode(secret);
    texts.iter().chain([&base64]).any(|text| shown.contains(&**text))
}

#[tokio::test]
async fn no_type_shows_what_it_holds() {
    const KEY: [u8; 32] = *b"this-is-the-data-key-of-the-test";
    let data_key = || DataKey::take(KEY.to_vec()).unwrap();
    let kek = || KekId::parse("arn:aws:kms:us-east-1:111111111111:key/1").unwrap();
    let wrapped = WrappedDataKey::new(KEY.to_vec()).unwrap();
    // The test can fail: what a derived `Debug` prints is found.
    assert!(is_shown(&format!("{:?}", aws_sdk_kms::primitives::Blob::new(KEY)), &KEY));

    let world = World::start(&["acme"]).await;
    let seal = world.seal();
    let acme = seal.tenant(&id("acme"));
    let records = acme.records::<Contact>();
    let secret = contact("acme", "c-1");
    records.put(&secret).await.unwrap();
    records.get("c-1").await.unwrap();
    let taken = records.put(&secret).if_not_exists().await.unwrap_err();
    let Error::DynamoDb(service_error) = &taken else { panic!("{taken}") };

    // What came back with a write in plaintext is in its error, and not shown.
    let mut plain = world.stored("acme", "c-1").await;
    plain.insert("email".to_owned(), crate::common::s("c-1@example.org"));
    world.plant(plain.clone()).await;
    let delete = acme.dynamodb().delete_item().table_name("crm").set_key(Some(crate::common::key("acme", "c-1")));
    let delete = delete.return_values(aws_sdk_dynamodb::types::ReturnValue::AllOld).send().await.unwrap_err();
    let unopened = Error::find_in(&delete).unwrap();
    assert_eq!(unopened.sealed_item(), Some(&plain));
    records.put(&secret).await.unwrap();

    let memory = InMemoryKeyService::new();
    let context = EncryptionContext::new(&id("acme"), &StaticPairs::default());
    let made = memory.generate_data_key(&id("acme"), &context).await.unwrap();
    let mut shown = vec![
        format!("{:?}", data_key()),
        format!("{wrapped:?}"),
        format!("{:?}", GeneratedDataKey::new(data_key(), wrapped, kek())),
        format!("{:?}", UnwrappedDataKey::new(data_key(), kek())),
        format!("{memory:?} {made:?}"),
        format!("{:?}", TenantSeal::builder().key_service(memory).record::<Contact>()),
        format!("{seal:?} {acme:?} {records:?} {:?} {:?}", records.query(), records.query().page(None).await.unwrap()),
        format!("{:?} {:?}", records.put(&secret), records.put_many([&secret])),
        format!(
            "{:?}",
            records.update("c-1").set("email", "c-1@example.org").condition(attribute("notes").equals("notes on c-1"))
        ),
        format!("{:?}", StoredForm::As(serde_dynamo::AttributeValue::S("c-1@example.org".to_owned()))),
        format!("{:?}", records.delete("c-1").condition(attribute("email").equals("c-1@example.org"))),
        format!("{:?}", records.check("c-1", attribute("email").equals("c-1@example.org"))),
        format!("{:?}", attribute("email").equals("c-1@example.org").and(attribute("notes").equals("notes on c-1"))),
        format!("{:?}", acme.transact_write().with(records.put(&secret))),
        format!("{:?} {:?}", records.scan(), records.scan().stream()),
        format!("{:?} {:?}", begins("c-1@example.org"), any_of(["c-1@example.org"])),
        format!("{:?}", records.find_by("email", "c-1@example.org")),
        format!("{taken:?} {service_error:?}"),
        format!("{unopened} {unopened:?} {:#?} {:?}", unopened.items(), records.get_many(["c-1"]).each()),
        format!("{:?}", acme.open("crm", world.stored("acme", "c-1").await).await.map(|_| ())),
    ];
    shown.extend(of_core(&KEY).await);
    // Pretty-printed too: a derived `Debug` behind a hand-written one would show there.
    shown.push(format!("{:#?}", (&seal, &acme, &records, &service_error)));
    for shown in shown {
        assert!(!is_shown(&shown, &KEY), "{shown}");
        for text in ["c-1@example.org", "notes on c-1", "key-of-c-1"] {
            assert!(!is_shown(&shown, text.as_bytes()), "{shown}");
        }
    }
}

/// What the parts of core print that hold keys or plaintext; applications see some of them only.
async fn of_core(key: &[u8; 32]) -> Vec<String> {
    let (acme, settings) = (id("acme"), Settings::default());
    let context = EncryptionContext::new(&acme, &StaticPairs::default());
    let kek = KekId::parse("arn:aws:kms:us-east-1:111111111111:key/1").unwrap();
    let data_key = DataKey::take(key.to_vec()).unwrap();
    let prk = PseudorandomKey::extract(&data_key);
    let unwrapped = Arc::new(VerifiedDataKey::from_generated(
        &data_key,
        0,
        &context,
        kek,
        WrappedDataKey::new(vec![1; 184]).unwrap(),
    ));
    let stored = StoredKey::Record(unwrapped.stored_record());
    let identity = Identity::new(&acme, "crm", ("tenant_id", PrimaryKeyPart::S("acme")), None).unwrap();
    let nonces = Nonces::Random(&OsRandom);
    let mut sealer = Sealer::new(Some(stored), &unwrapped, &identity, nonces, 1).unwrap();
    let text = b"notes on c-1";
    let encode = |out: &mut Vec<u8>| {
        out.extend_from_slice(text);
        Ok::<_, RandomError>(())
    };
    sealer.seal("notes", text.len(), encode).unwrap();
    let ring = KeyRing::new(vec![(stored.to_owned(), Arc::clone(&unwrapped))]);
    let vault = Vault::builder(InMemoryKeyService::new());
    let mut shown = vec![format!("{settings:?} {vault:?}")];
    let vault = vault.build().unwrap();
    let item = vault.tenant(&acme).item("crm", ("id", "c-1"), None).unwrap();
    item.open("notes", item.seal("notes", text).await.unwrap()).await.unwrap();
    shown.push(format!("{vault:?} {:?} {item:?} {item:#?}", vault.tenant(&acme)));
    let blob = vault.tenant(&acme).blob("documents", "acme/c-1@example.org");
    let mut blob_sealer = blob.seal().await.unwrap();
    let mut blob_stored = blob_sealer.header().to_vec();
    blob_sealer.push(text, &mut blob_stored).unwrap();
    shown.push(format!("{blob:?} {blob_sealer:?} {blob_sealer:#?}"));
    let opened = blob.open(blob_sealer.parsed_header()).await.unwrap();
    shown.push(format!("{opened:?} {:?} {:?}", blob_sealer.parsed_header(), opened.clone().into_opener()));
    let item_key = prk.item_key(&identity);
    shown.push(format!("{prk:?} {unwrapped:#?} {ring:?} {item_key:?} {sealer:?} {nonces:?}"));
    shown.push(format!("{:?} {:?}", Opener::new(&identity, None, &ring), Reader(text)));
    shown.push(of_lookups(key).await);
    shown
}

/// Gives the same bytes each time.
#[derive(Debug)]
struct Fixed([u8; 32]);

impl RandomSource for Fixed {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError> {
        bytes.copy_from_slice(&self.0);
        Ok(())
    }
}

/// What the parts of lookups print.
async fn of_lookups(key: &[u8; 32]) -> String {
    let acme = id("acme");
    let definition = LookupDefinition::new(LookupKind::Equality, 128, [("email", "email")]).unwrap();
    let lookup_key = LookupKey::generate(&Fixed(*key)).unwrap();
    let prk = lookup_key.extract();
    let mac_key = definition.mac_key(&prk, &acme, "crm", "email");
    let lookup = DeclaredLookup { table: "crm".to_owned(), name: "email".to_owned(), number: 1, definition };
    let settings =
        Settings { key_table: Some(Arc::new(InMemoryKeyTable::new())), lookups: vec![lookup], ..Settings::default() };
    let service = Arc::new(InMemoryKeyService::new());
    let keys = settings.build(service, "", Arc::new(SystemTimeSource), Retries::default()).unwrap();
    let lookups = keys.for_tenant(&acme).lookup_keys(&[1]).await.unwrap();
    let contents = LookupContents { key: lookup_key, known: KnownLookups::default() };
    format!("{contents:?} {prk:?} {mac_key:?} {mac_key:#?} {lookups:?} {lookups:#?} {keys:#?}")
}
