//! What commands share that work as a service does.

use aws_config::SdkConfig;
use tenantseal::keys::DynamoDbKeyTable;
use tenantseal::{TenantId, TenantSeal, TenantSealBuilder};

use crate::aws;
use crate::errors::{Failure, Result};
use crate::locked::Locked;
use crate::settings::Settings;

/// How many tenants a page of the registry has.
const PAGE: u32 = 1_000;

/// The library as a service configures it, for one table.
pub(crate) fn builder(
    settings: &Settings,
    service: &SdkConfig,
    locked: &Locked,
    context: Vec<(String, String)>,
) -> Result<TenantSealBuilder> {
    let mut builder = TenantSeal::builder()
        .tenancy(settings.tenancy()?)
        .table(locked.schema.clone())
        .table_name(locked.schema.name(), &locked.physical);
    if let Some(key_table) = &settings.key_table {
        builder = builder.key_table(DynamoDbKeyTable::new(service, key_table));
    }
    Ok(context.into_iter().fold(builder, |builder, (name, value)| builder.context(name, value)))
}

pub(crate) fn build(builder: TenantSealBuilder, service: &SdkConfig) -> Result<TenantSeal> {
    builder.build(service).map_err(|error| Failure::usage(error.to_string()))
}

/// The active tenants of the registry.
pub(crate) async fn active_tenants(settings: &Settings) -> Result<Vec<TenantId>> {
    let registry = settings.tenants(&aws::operator(settings).await, None)?;
    let (mut tenants, mut after) = (Vec::new(), None);
    loop {
        let page = registry.list(after.as_ref(), PAGE).await?;
        let active = page.entries.into_iter().filter(|entry| entry.state == tenantseal_tenants::State::Active);
        tenants.extend(active.map(|entry| entry.tenant));
        after = page.next;
        if after.is_none() {
            return Ok(tenants);
        }
    }
}
