//! The vectors of docs/FORMAT.md: made here with fixed keys and nonces, committed in `tests/vectors/v1`, one file per rule or defect.
//!
//! Those of `pointers` are about a writer. `tests/interop/test_vectors.py` reads the same files. `TENANTSEAL_VECTORS=overwrite cargo test --lib vectors` writes them; stored
//! formats are only added to, so no committed vector ever changes.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{env, fs};

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::Value;
use tenantseal_core::envelope::OpenFault;
use tenantseal_core::format::{FormatError, HEADER};
use tenantseal_core::keys::{InMemoryKeyTable, KeyTable, Swap};

use crate::item::{Item, OpenError, PrimaryKeyError};
use crate::{Error, TenantSeal};

mod asked;
mod blobs;
mod bytes;
mod dense;
mod discriminators;
mod hex;
mod json;
mod leaves;
mod lookups;
mod opened;
mod periods;
mod pointers;
mod refused;
mod refused_records;
mod scene;
mod server;

use scene::{Expected, Vector};
use server::{answering, get};

fn vectors() -> Vec<Vector> {
    [
        opened::vectors(),
        refused::vectors(),
        refused_records::vectors(),
        periods::vectors(),
        dense::vectors(),
        discriminators::vectors(),
        asked::vectors(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/v1")
}

/// The folder has these files, and no other.
fn compare(folder: &Path, made: impl IntoIterator<Item = (String, Value)>) {
    let overwrite = env::var("TENANTSEAL_VECTORS").is_ok_and(|value| value == "overwrite");
    let mut names = BTreeSet::new();
    for (name, vector) in made {
        let name = format!("{name}.json");
        let text = serde_json::to_string_pretty(&vector).unwrap() + "\n";
        if overwrite {
            fs::create_dir_all(folder).unwrap();
            fs::write(folder.join(&name), &text).unwrap();
        }
        let committed = fs::read_to_string(folder.join(&name)).unwrap_or_default();
        assert_eq!(committed, text, "{name} differs from what is made");
        assert!(names.insert(name.clone()), "{name} is made twice");
    }
    let committed = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let files = committed.filter(|entry| entry.file_type().unwrap().is_file());
    let committed: BTreeSet<_> = files.map(|entry| entry.file_name().into_string().unwrap()).collect();
    assert_eq!(committed, names, "a file that nothing makes, or the other way round");
}

#[test]
fn the_committed_vectors_are_those_that_are_made() {
    let items = vectors().into_iter().map(|vector| (vector.name.clone(), vector.to_json()));
    let blobs = blobs::vectors().into_iter().map(|vector| (vector.name.clone(), vector.to_json()));
    let lookups = lookups::vectors();
    compare(&folder(), items.chain(blobs).chain(lookups));
    compare(&folder().join("leaves"), leaves::vectors());
    let pointers = pointers::vectors();
    compare(&folder().join("pointers"), pointers.iter().map(|vector| (vector.name.clone(), vector.to_json())));
}

#[tokio::test]
async fn every_writer_seals_with_the_key_of_its_vector_or_with_none() {
    for vector in pointers::vectors() {
        vector.run().await;
    }
}

#[tokio::test]
async fn every_vector_opens_to_its_item_or_is_refused_with_its_fault() {
    for Vector { name, scene, stored, expected, .. } in vectors() {
        let config = aws_types::SdkConfig::builder().region(aws_types::region::Region::new("us-east-1")).build();
        let mut builder = TenantSeal::builder().key_service(scene.kms.clone()).table(scene.table_schema());
        let (current, former) = scene.contexts.split_first().unwrap();
        for (pair, value) in current {
            builder = builder.context(pair, value);
        }
        for pairs in former {
            builder = builder.former_context(pairs.clone());
        }
        if let Some(entries) = &scene.key_table {
            let table = InMemoryKeyTable::new();
            for (entry, record) in entries {
                assert_eq!(
                    table.compare_and_swap(scene.tenant.as_str(), entry, None, record).await.unwrap(),
                    Swap::Stored
                );
            }
            builder = builder.key_table(table);
        }
        let asks = scene.requested.is_some() || scene.wanted.is_some();
        let config = if asks { answering(&stored) } else { config };
        let tenant = builder.build(&config).unwrap().tenant(&scene.tenant);
        let opened = if asks { get(&tenant, &scene).await } else { tenant.open(&scene.table, stored.clone()).await };
        match (opened, expected) {
            (Ok(opened), Expected::Opened { item, .. }) => assert_eq!(opened, item, "{name}"),
            (Err(error), Expected::Refused { fault, attributes }) => {
                let (attribute, named) = fault_of(&error, &stored);
                assert_eq!(named, fault, "{name}: {error}");
                assert!(attributes.contains(&&*attribute), "{name}: {error}");
            }
            (Ok(_), _) => panic!("{name} opens"),
            (Err(error), _) => panic!("{name}: {error}"),
        }
    }
}

#[test]
fn an_attribute_that_an_error_may_name_is_in_the_item_or_is_missed_there() {
    for Vector { name, scene, stored, expected, .. } in vectors() {
        let Expected::Refused { fault, attributes } = expected else { continue };
        for attribute in attributes {
            assert!(stored.contains_key(attribute) || fault == "key missing", "{name}: {attribute}");
            assert!(attribute != HEADER || stored[attribute].is_b(), "{name}");
        }
        assert!(scene.wanted.is_none_or(|wanted| stored.len() > wanted.len()), "{name}");
    }
}

/// The attribute that an error names, and its fault by the name that the vectors have for it.
fn fault_of(error: &Error, stored: &Item) -> (String, &'static str) {
    let (attribute, fault) = match error.cause() {
        Error::Open(OpenError::Attribute { attribute, fault }) => (attribute, *fault),
        Error::Open(OpenError::PrimaryKey(PrimaryKeyError::Missing { attribute })) => {
            return (attribute.clone(), "key missing");
        }
        Error::Open(OpenError::PrimaryKey(PrimaryKeyError::ForeignTenant { attribute })) => {
            return (attribute.clone(), "key of another tenant");
        }
        Error::Open(OpenError::PrimaryKey(PrimaryKeyError::Invalid { attribute, .. })) => {
            return (attribute.clone(), "key invalid");
        }
        Error::Open(OpenError::OtherItem) => return ("n".to_owned(), "other item"),
        Error::Open(OpenError::Discriminator { attribute, .. }) => return (attribute.clone(), "discriminator"),
        other => panic!("{other}"),
    };
    let fault = match fault {
        // Committed before the two had different faults.
        OpenFault::NotSealed if stored.get(attribute).is_some_and(AttributeValue::is_b) => "unknown form",
        OpenFault::NotSealed => "not sealed",
        OpenFault::Binary => "binary",
        OpenFault::NoHeader => "no header",
        OpenFault::ForeignContext => "foreign context",
        OpenFault::OtherKek => "other KEK",
        OpenFault::WrappedDataKey => "wrapped key refused",
        OpenFault::ForgedRecord => "forged record",
        OpenFault::NotAuthentic => "not authentic",
        OpenFault::NoKeyTable => "no key table",
        OpenFault::UnknownKey => "unknown key",
        OpenFault::Format(FormatError::Truncated) => "truncated",
        OpenFault::Format(FormatError::Trailing) => "trailing bytes",
        OpenFault::Format(FormatError::UnknownVersion(_) | FormatError::NotARecord) => "unknown version",
        OpenFault::Format(FormatError::UnknownForm(_) | FormatError::NotSealed) => "unknown form",
        OpenFault::Format(FormatError::UnknownType(_)) => "unknown type",
        OpenFault::Format(FormatError::Context) => "malformed context",
        OpenFault::Format(FormatError::Kek) => "malformed KEK",
        OpenFault::Format(FormatError::WrappedDataKey(_)) => "length of wrapped key",
        OpenFault::Format(FormatError::NotCanonical) => "not canonical",
        OpenFault::Format(FormatError::TooDeep) => "too deep",
        new => panic!("the vectors have no words for it yet: {new}"),
    };
    (attribute.clone(), fault)
}
