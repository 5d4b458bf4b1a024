//! The application's part: tenants onboarded, contacts written and read through the tenants' clients.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Instant;

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::{StreamExt, TryStreamExt, stream};
use tenantseal::schema::{Protection, TableSchema};
use tenantseal::{Item, Tenant, TenantId, TenantSeal};

use crate::Outcome;
use crate::cloud::{Cloud, TABLE};
use crate::contact::{Contact, DataSet};
use crate::terminal::Terminal;
use crate::text::grouped;

/// The number of concurrent operations, over all tenants.
const IN_FLIGHT: usize = 32;

/// This tenant's part of the application is older than tenantseal and still builds items and SDK requests.
const DROP_IN: &str = "kiefer_und_sohn";

/// Gives each tenant its key, key policy and alias.
pub(crate) async fn onboard(terminal: Terminal, cloud: &Cloud, data: &DataSet) -> Outcome<()> {
    let started = Instant::now();
    let tenants = data.by_tenant();
    for tenant in tenants.keys() {
        cloud.onboard(&TenantId::parse(tenant)?).await?;
    }
    terminal.done(&format!("{} tenants onboarded: a key, its policy and its alias for each", tenants.len()), started);
    Ok(())
}

/// Writes every contact, most through the repository and one tenant's through the drop-in client.
pub(crate) async fn write(terminal: Terminal, cloud: &Cloud, data: &DataSet) -> Outcome<TenantSeal> {
    let started = Instant::now();
    let seal = cloud.seal()?;
    let tenants = handles(&seal, data)?;
    let mut progress = terminal.progress(data.contacts().len());
    let mut writes = stream::iter(data.contacts())
        .map(|contact| write_one(&tenants[contact.tenant_id.as_str()], contact))
        .buffer_unordered(IN_FLIGHT);
    let (mut typed, mut dropped_in) = (0_u32, 0_u32);
    while let Some(way) = writes.try_next().await? {
        progress.step();
        match way {
            Way::Repository => typed += 1,
            Way::DropIn => dropped_in += 1,
        }
    }
    drop(progress);
    terminal.done(&format!("{} contacts written, {IN_FLIGHT} at a time", grouped(typed + dropped_in)), started);
    terminal.detail(&format!("{:>5} by tenant.records::<Contact>().put(&contact)", grouped(typed)));
    terminal.detail(&format!("{:>5} by tenant.dynamodb(), a genuine aws_sdk_dynamodb::Client", grouped(dropped_in)));
    Ok(seal)
}

enum Way {
    Repository,
    DropIn,
}

async fn write_one(tenant: &Tenant, contact: &Contact) -> Outcome<Way> {
    if contact.tenant_id == DROP_IN {
        let item: Item = serde_dynamo::to_item(contact)?;
        tenant.dynamodb().put_item().table_name(TABLE).set_item(Some(item)).send().await?;
        return Ok(Way::DropIn);
    }
    tenant.records::<Contact>().put(contact).await?;
    Ok(Way::Repository)
}

/// Reads every tenant's contacts with empty caches, as another process would, and compares them with the file.
pub(crate) async fn read(terminal: Terminal, cloud: &Cloud, data: &DataSet) -> Outcome<()> {
    let started = Instant::now();
    let seal = cloud.seal()?;
    let tenants = handles(&seal, data)?;
    let mut progress = terminal.progress(data.contacts().len());
    let mut total = 0;
    for (tenant, expected) in data.by_tenant() {
        let mut found = tenants[tenant].records::<Contact>().query().stream();
        let mut expected = expected.into_iter();
        while let Some(contact) = found.try_next().await? {
            if expected.next() != Some(&contact) {
                return Err(format!("{} of {tenant} is not what was written", contact.contact_id).into());
            }
            progress.step();
            total += 1;
        }
        if let Some(missing) = expected.next() {
            return Err(format!("{} of {tenant} did not come back", missing.contact_id).into());
        }
    }
    drop(progress);
    terminal.done(&format!("{} contacts read back, caches empty, each equal to the file's", grouped(total)), started);
    Ok(())
}

/// Reads the whole table with a plain client. Every sealed attribute is binary, and no secret is visible.
pub(crate) async fn search_for_plaintext(terminal: Terminal, cloud: &Cloud, data: &DataSet) -> Outcome<()> {
    let started = Instant::now();
    let schema = TableSchema::for_record::<Contact>()?;
    let (mut items, mut sealed) = (0, 0);
    let mut stored = cloud.plain.scan().table_name(TABLE).into_paginator().items().send();
    while let Some(item) = stored.try_next().await? {
        let key = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).map_or("", String::as_str);
        let contact = data.get(key("tenant_id"), key("contact_id"))?;
        for (name, value) in &item {
            let text = readable(value);
            if contact.secrets().any(|secret| text.contains(secret)) {
                return Err(format!("attribute `{name}` of a stored item shows plaintext").into());
            }
            if schema.protection(name).is_some_and(Protection::is_encrypted) {
                value.as_b().map_err(|_| format!("attribute `{name}` is stored unsealed"))?;
                sealed += 1;
            }
        }
        items += 1;
    }
    if items != data.contacts().len() {
        return Err(format!("{items} items are stored, not {}", data.contacts().len()).into());
    }
    terminal.done(&format!("{} sealed values in the table, and no secret in plaintext", grouped(sealed)), started);
    Ok(())
}

/// The text that a stored value reveals.
fn readable(value: &AttributeValue) -> Cow<'_, str> {
    match value {
        AttributeValue::S(text) => text.into(),
        AttributeValue::B(bytes) => String::from_utf8_lossy(bytes.as_ref()),
        other => format!("{other:?}").into(),
    }
}

/// A handle for each tenant.
fn handles<'d>(seal: &TenantSeal, data: &'d DataSet) -> Outcome<BTreeMap<&'d str, Tenant>> {
    let handle = |id: &'d str| Ok((id, seal.tenant(&TenantId::parse(id)?)));
    data.by_tenant().into_keys().map(handle).collect()
}
