//! Counts what is stored, by its bytes alone: it needs no key.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_sdk_dynamodb::types::AttributeValue;
use tenantseal_core::format::HEADER;
use tenantseal_core::inspect::{StoredForm, StoredHeader, StoredKeyRecord};

use super::super::action::{Action, Plan, Planned};
use super::super::report::Counts;
use super::super::rewrite::Rewrite;
use super::super::stop::Stop;
use super::verify::is_sealed;
use crate::item::{Item, stored_form};
use crate::schema::{Secrecy, TableSchema, Variant};
use crate::tenant_seal::Tenant;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The header's counts: by the KMS key, and by the age of the data key.
const KEKS: &str = "_seal: key-encryption key";
const AGES: &str = "_seal: age of the data key";

pub(in super::super) struct Count<'a>(pub(in super::super) &'a TableSchema);

#[async_trait]
impl Action for Count<'_> {
    fn reads(&self) -> Option<BTreeSet<&str>> {
        let encrypted = self.0.attributes().filter(|(_, protection)| protection.may_encrypt()).map(|(name, _)| name);
        Some(self.0.key_names().chain(self.0.discriminator()).chain([HEADER]).chain(encrypted).collect())
    }

    fn lists_strangers(&self, item: &Item) -> bool {
        is_sealed(self.0, item)
    }

    async fn plan<'s>(&'s self, _: &Tenant, items: &[Item]) -> Result<Vec<Plan<'s>>, Stop> {
        let counted = |item| Ok(Planned { counts: self.counts(item), ..Planned::of(Rewrite::new(self.0, item)) });
        Ok(items.iter().map(counted).collect())
    }
}

impl Count<'_> {
    fn counts(&self, item: &Item) -> Counts {
        let (mut counts, variant) = (Counts::default(), Variant::from_item(self.0, item));
        for (name, protection) in self.0.attributes().filter(|(_, protection)| protection.may_encrypt()) {
            let secrecy = variant.protection(name).map_or(protection.secrecy, |protection| protection.secrecy);
            counts.add(
                name,
                match (stored_form(item, name), secrecy) {
                    (None, _) => "absent",
                    // Its record type stores it in plaintext.
                    (_, Secrecy::Plain) => continue,
                    (Some(form), Secrecy::Encrypted) => form_name(form),
                    (Some(_), _) => "of an unknown record type",
                },
            );
        }
        match item.get(HEADER).map(AttributeValue::as_b) {
            None => counts.add(HEADER, "absent"),
            Some(Ok(header)) => header_counts(header.as_ref(), &mut counts),
            Some(Err(_)) => counts.add(HEADER, "not a header"),
        }
        counts
    }
}

fn form_name(form: StoredForm) -> &'static str {
    match form {
        StoredForm::Plain => "plain",
        StoredForm::HeaderKey => "sealed, form 11",
        StoredForm::OwnRecord => "sealed, form 12",
        StoredForm::Reference => "sealed, form 13",
        _ => "of a reserved form",
    }
}

fn header_counts(header: &[u8], counts: &mut Counts) {
    if let Ok(record) = StoredKeyRecord::parse(header) {
        counts.add(HEADER, "key record");
        counts.add(KEKS, &record.kek().to_string());
        let age = SystemTime::now().duration_since(record.created()).unwrap_or_default();
        counts.add(
            AGES,
            match age {
                age if age < DAY * 30 => "under 30 days",
                age if age < DAY * 90 => "under 90 days",
                age if age < DAY * 365 => "under a year",
                _ => "a year and more",
            },
        );
    } else {
        counts.add(HEADER, if StoredHeader::parse(header).is_ok() { "reference" } else { "not a header" });
    }
}
