//! A tenant's lookup keys, as the key table holds them. Nothing is opened: an entry says by which KMS key it opens.

use std::collections::{BTreeMap, BTreeSet};

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use tenantseal::TenantId;
use tenantseal::inspect::StoredLookupRecord;
use tenantseal::keys::KeyArn;
use tenantseal_kms::errors::AwsErrorClass;

use super::check::{Outcome, Report};
use super::setup::Setup;
use crate::errors::{Failure, Result};

/// The most entries that are examined. A tenant has one for each of its lookup keys.
const MOST: usize = 1_000;

/// Checks the tenant's entries of lookup keys with a service's credentials. A tenant without any has no line.
pub(super) async fn check_tenant(
    report: &mut Report,
    setup: &Setup,
    service: &SdkConfig,
    tenant: &TenantId,
    table: &str,
) -> Result<()> {
    let area = format!("tenant {tenant}");
    let entries = match read(&Client::new(service), tenant, table).await {
        Ok(entries) => entries,
        Err(Unread::Denied) => {
            let because = format!("{} may not call dynamodb:Query on {table}", setup.service_arn);
            report.add(&area, "its lookup keys are in order", Outcome::skipped(because));
            return Ok(());
        }
        // Another check has said so.
        Err(Unread::NoTable) => return Ok(()),
        Err(Unread::TooMany) => {
            let outcome = Outcome::failed(
                format!("it has more than {MOST} entries of lookup keys"),
                format!("find out who writes to {table}"),
            );
            report.add(&area, "its lookup keys decode, and belong where they are", outcome);
            return Ok(());
        }
        Err(Unread::Failed(failure)) => return Err(failure),
    };
    if entries.is_empty() {
        return Ok(());
    }
    let found = Entries::of(tenant, entries);
    report.add(&area, "its lookup keys decode, and belong where they are", found.sound(table));
    report.add(&area, "each of its lookup keys is there once, and none is missing", found.numbered(table));
    let present = setup.findings(tenant).key_id;
    if !present.is_empty() {
        report.add(&area, "its lookup keys are wrapped by its present key", found.wrapped(&present));
    }
    Ok(())
}

enum Unread {
    Denied,
    NoTable,
    TooMany,
    Failed(Failure),
}

/// The names and records of the tenant's entries.
async fn read(client: &Client, tenant: &TenantId, table: &str) -> Result<BTreeMap<String, Vec<u8>>, Unread> {
    let query = client.query().table_name(table).consistent_read(true);
    let query = query.key_condition_expression("tenant = :tenant AND begins_with(entry, :entries)");
    let query = query.expression_attribute_values(":tenant", AttributeValue::S(tenant.to_string()));
    let query = query.expression_attribute_values(":entries", AttributeValue::S(StoredLookupRecord::ENTRIES.into()));
    let mut pages = query.into_paginator().send();
    let mut entries = BTreeMap::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| match AwsErrorClass::from_error(&error) {
            Some(AwsErrorClass::AccessDenied) => Unread::Denied,
            Some(AwsErrorClass::TableNotFound | AwsErrorClass::InvalidRequest) => Unread::NoTable,
            _ => Unread::Failed(Failure::aws("Query", &error)),
        })?;
        for item in page.items() {
            let name = item.get("entry").and_then(|name| name.as_s().ok()).cloned().unwrap_or_default();
            let record =
                item.get("record").and_then(|record| record.as_b().ok()).map(|record| record.as_ref().to_vec());
            entries.insert(name, record.unwrap_or_default());
        }
        if entries.len() > MOST {
            return Err(Unread::TooMany);
        }
    }
    Ok(entries)
}

/// What a tenant's entries say of themselves.
#[derive(Debug, Default)]
struct Entries {
    /// The ids of the KMS keys that wrap lookup keys, by entry.
    keks: BTreeMap<String, String>,
    /// The entries of each number.
    numbers: BTreeMap<u16, BTreeSet<String>>,
    /// What is wrong with others, by entry.
    faults: BTreeMap<String, String>,
}

impl Entries {
    fn of(tenant: &TenantId, stored: BTreeMap<String, Vec<u8>>) -> Self {
        let mut all = Self::default();
        for (name, record) in stored {
            match Self::examine(tenant, &name, &record) {
                Ok((number, kek)) => {
                    all.numbers.entry(number).or_default().insert(name.clone());
                    all.keks.insert(name, kek);
                }
                Err(fault) => drop(all.faults.insert(name, fault)),
            }
        }
        all
    }

    /// The number of an entry, and the KMS key that wraps its lookup key.
    fn examine(tenant: &TenantId, name: &str, record: &[u8]) -> Result<(u16, String), String> {
        let number = name.rsplit('#').next().unwrap_or_default();
        let is_number = !number.starts_with('0') && number.bytes().all(|digit| digit.is_ascii_digit());
        let number = Some(number).filter(|_| is_number).and_then(|number| number.parse::<u16>().ok());
        let number = number.ok_or("its name has no number of 1 to 65535")?;
        let record = StoredLookupRecord::parse(record).map_err(|fault| fault.to_string())?;
        let mut of_tenant = record.key_record().context().iter().filter(|(name, _)| name == "tenant");
        if !of_tenant.any(|(_, value)| value == tenant.as_str()) {
            return Err("its data key was made for another tenant".to_owned());
        }
        if record.entry(number) != name {
            return Err("its data key was made for other static pairs than its name says".to_owned());
        }
        let kek = record.key_record().kek().to_string();
        Ok((number, KeyArn::parse(&kek).map_or(kek, |key| key.key_id().to_owned())))
    }

    fn sound(&self, table: &str) -> Outcome {
        match self.faults.iter().next() {
            None => Outcome::passed(match self.keks.len() {
                1 => "1 entry".to_owned(),
                entries => format!("{entries} entries"),
            }),
            Some((name, fault)) => Outcome::failed(
                format!("{} of its entries do not do, the first is `{name}`: {fault}", self.faults.len()),
                format!("find out who writes to {table}, then restore the entry from a backup"),
            ),
        }
    }

    fn numbered(&self, table: &str) -> Outcome {
        if let Some((number, names)) = self.numbers.iter().find(|(_, names)| names.len() > 1) {
            let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
            return Outcome::failed(
                format!("lookup key {number} is there under several static pairs: {}", names.join(" and ")),
                format!(
                    "find out which one made the items' tokens, keep a copy of the others, and delete those from {table}"
                ),
            );
        }
        let numbers: Vec<_> = self.numbers.keys().copied().collect();
        // The first ones may have been retired and deleted.
        let gap = numbers.windows(2).find(|pair| pair[1] != pair[0] + 1);
        match gap {
            Some(pair) => Outcome::failed(
                format!("there is lookup key {} and none before it but {}", pair[1], pair[0]),
                format!("restore the entry of lookup key {} from a backup of {table}", pair[1] - 1),
            ),
            None => {
                let shown: Vec<_> = numbers.iter().map(ToString::to_string).collect();
                Outcome::passed(format!("number {}", shown.join(", ")))
            }
        }
    }

    fn wrapped(&self, present: &str) -> Outcome {
        let mut former = self.keks.iter().filter(|(_, kek)| *kek != present);
        match former.next() {
            None if self.keks.is_empty() => Outcome::skipped("there is none that decodes"),
            None => Outcome::passed(present),
            Some((name, kek)) => Outcome::failed(
                format!("{} of its entries still name a former key, `{name}` names {kek}", 1 + former.count()),
                format!(
                    "have a process use one of the tenant's lookups, which wraps the lookup key again; until then do not \
                     delete {kek}"
                ),
            ),
        }
    }
}
