//! tenantseal with its data key in the cache.

use aws_sdk_dynamodb::config::BehaviorVersion;
use aws_types::SdkConfig;
use tenantseal::keys::InMemoryKeyService;
use tenantseal::schema::{LookupBuilder, TableSchema};
use tenantseal::{Tenant, TenantId, TenantSeal, TenantSealBuilder};

use super::{Sealer, now};
use crate::item::{Item, PARTITION_KEY, SORT_KEY, Shape, TENANT};

const TABLE: &str = "items";

/// A handle whose data key is in the cache already.
pub struct Ours(Tenant);

impl Ours {
    /// For items of this shape, with data keys from memory.
    pub fn new(shape: Shape) -> Self {
        let config = SdkConfig::builder().behavior_version(BehaviorVersion::latest()).build();
        let builder = TenantSeal::builder().key_service(InMemoryKeyService::new());
        let ours = Self(tenant(builder, shape, TABLE, &config));
        ours.seal(shape.item(0));
        ours
    }
}

/// The handle of [`TENANT`], for a table of items of this shape.
pub fn tenant(builder: TenantSealBuilder, shape: Shape, table: &str, config: &SdkConfig) -> Tenant {
    tenant_with(builder, shape, table, config, None)
}

/// The same, for a table with this lookup.
pub fn tenant_with(
    builder: TenantSealBuilder,
    shape: Shape,
    table: &str,
    config: &SdkConfig,
    lookup: Option<LookupBuilder<'_>>,
) -> Tenant {
    let schema = TableSchema::builder(table).partition_key(PARTITION_KEY, "{tenant}").sort_key(SORT_KEY);
    let schema = shape.plain().fold(schema, |schema, name| schema.plain(name));
    let schema = shape.encrypted().fold(schema, |schema, name| schema.encrypt(name));
    let schema = lookup.into_iter().fold(schema, |schema, lookup| schema.lookup(lookup));
    let seal = builder.table(schema.build().expect("a valid schema")).build(config).expect("a valid configuration");
    seal.tenant(&TenantId::parse(TENANT).expect("a valid id"))
}

impl Sealer for Ours {
    fn seal(&self, item: Item) -> Item {
        now(self.0.seal(TABLE, item))
    }

    fn open(&self, item: Item) -> Item {
        now(self.0.open(TABLE, item))
    }
}
