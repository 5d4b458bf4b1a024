//! The entry point: configured once, then a handle per tenant.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Builder as ConfigBuilder, SharedHttpClient};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_types::SdkConfig;
use futures_util::future;
use tenantseal_core::crypto::OsRandom;
use tenantseal_core::envelope::{KeyRecordPlacement, KeyRing, NeededKey, Nonces, Purpose, VerifiedDataKey};
use tenantseal_core::keys::{DataKeys, LookupKeys, OpeningMode, Revoke, TenantHandle};
use tenantseal_core::telemetry;
use tenantseal_core::tenant::TenantId;
use tenantseal_core::trail::Audit;
use tenantseal_kms::http::http_client;
use tracing::{Instrument, Span};

use crate::claims::ClaimsTable;
use crate::client::{self, Binding, Tables};
use crate::error::{ConfigError, Error, ItemRef, Refusal, Standing, Unopened};
use crate::item;
use crate::item::{
    Item, Prepared, Tokens, distinct_keys, open_in_place, seal_with, sealable_identity, stored_identity,
};
use crate::leaves::PlainNames;
use crate::schema::{Lookup, TableSchema};

#[cfg(feature = "s3")]
mod buckets;
mod builder;
mod claims;
mod leaves;
mod newcomers;
mod tables;
mod verify;

pub use builder::TenantSealBuilder;
use leaves::Ledger;

/// Seals and opens the items of many tenants, each under its own keys.
///
/// Build one per process and share it; it is cheap to clone. Everything that touches items is reached through
/// [`TenantSeal::tenant`], so no operation exists without a tenant.
#[derive(Clone)]
pub struct TenantSeal(Arc<Shared>);

struct Shared {
    tables: Arc<Tables>,
    keys: DataKeys,
    audit: Arc<Audit>,
    claims: Option<ClaimsTable>,
    ledger: Ledger,
    control_plane: bool,
    dynamodb: aws_sdk_dynamodb::Config,
    /// A client that neither seals nor opens, on the connections of the tenants' clients.
    plain: OnceLock<Client>,
    /// Every sealing client uses it, so all tenants share its connections.
    http: SharedHttpClient,
    newcomers: newcomers::Newcomers,
    #[cfg(feature = "s3")]
    buckets: buckets::Buckets,
}

impl TenantSeal {
    /// Starts the configuration.
    pub fn builder() -> TenantSealBuilder {
        TenantSealBuilder::default()
    }

    fn new(
        tables: Tables,
        keys: DataKeys,
        audit: Audit,
        (claims, ledger): (Option<ClaimsTable>, Ledger),
        control_plane: bool,
        config: &SdkConfig,
        #[cfg(feature = "s3")] buckets: buckets::Buckets,
    ) -> Result<Self, ConfigError> {
        let mut dynamodb = aws_sdk_dynamodb::config::Builder::from(config);
        dynamodb.set_behavior_version(Some(config.behavior_version().unwrap_or_else(BehaviorVersion::latest)));
        let dynamodb = dynamodb.build();
        let http = http_client(config).ok_or(ConfigError::NoHttpClient)?;
        let (tables, audit) = (Arc::new(tables), Arc::new(audit));
        Ok(Self(Arc::new(Shared {
            tables,
            keys,
            audit,
            claims,
            ledger,
            control_plane,
            dynamodb,
            plain: OnceLock::new(),
            http,
            newcomers: newcomers::Newcomers::default(),
            #[cfg(feature = "s3")]
            buckets,
        })))
    }

    /// Drops the data keys and credentials of a tenant at once, for a revocation that must not wait for the next call to KMS.
    ///
    /// It works in this process only, and does not keep the tenant from coming back: disable its KMS key for that.
    pub async fn revoke(&self, tenant: &TenantId) {
        self.0.keys.revoke(tenant).await;
    }

    /// The handle of one tenant. Cheap: it makes no call and no data key.
    ///
    /// ```
    /// # fn example(seal: tenantseal::TenantSeal) -> Result<(), tenantseal::error::InvalidTenantId> {
    /// let acme = seal.tenant(&tenantseal::TenantId::parse("acme")?);
    /// # Ok(()) }
    /// ```
    pub fn tenant(&self, tenant: &TenantId) -> Tenant {
        let Shared { tables, keys, audit, claims, ledger, control_plane, .. } = &*self.0;
        let binding = Binding {
            tenant: tenant.clone(),
            tables: Arc::clone(tables),
            keys: keys.for_tenant(tenant),
            audit: Arc::clone(audit),
            claims: claims.as_ref().map(|claims| Arc::clone(claims.name())),
            leaves: ledger.leaves(),
            control_plane: *control_plane,
        };
        Tenant { seal: self.clone(), binding: Arc::new(binding), client: Arc::default() }
    }
}

/// One tenant's access to its items. Cheap to clone; keep it for a request or for the life of the process.
#[derive(Clone)]
pub struct Tenant {
    seal: TenantSeal,
    binding: Arc<Binding>,
    client: Arc<OnceLock<Client>>,
}

impl Tenant {
    /// The tenant.
    pub fn id(&self) -> &TenantId {
        &self.binding.tenant
    }

    /// A genuine DynamoDB client that seals and opens this tenant's items, and refuses operations that it cannot seal.
    ///
    /// It uses the configuration passed to [`TenantSealBuilder::build`]. Clones share one client.
    pub fn dynamodb(&self) -> Client {
        self.client.get_or_init(|| self.dynamodb_with(self.seal.0.dynamodb.to_builder())).clone()
    }

    /// The same with your own configuration: an endpoint, retries, timeouts, interceptors.
    ///
    /// The library keeps its HTTP client and wraps it. Parts that an operation replaces afterwards fail closed.
    pub fn dynamodb_with(&self, config: ConfigBuilder) -> Client {
        let http = config.clone().build().http_client().unwrap_or_else(|| self.seal.0.http.clone());
        client::sealing(config, http, &self.binding)
    }

    /// Seals one item as PutItem would store it: for exports, streams and other mappers. A leave makes no difference.
    ///
    /// `table` is the table's logical name. Its physical name and its ARN work too, unless another table has that logical name.
    ///
    /// # Errors
    ///
    /// When the table is not configured, when the item is not this tenant's or has an attribute that no record declares, and when no
    /// data key is available. An item with a value of a unique lookup is refused: whoever stores it would store no claim.
    pub async fn seal(&self, table: &str, item: Item) -> Result<Item, Error> {
        self.seal_in(self.binding.table_by_any_name(table)?, item).await
    }

    /// Seals one item for this table.
    pub(crate) async fn seal_in(&self, table: &TableSchema, item: Item) -> Result<Item, Error> {
        let identity = sealable_identity(table, self.id(), &item)?;
        let prepared = Prepared::new(table, &item)?;
        if let Some((at, _)) = prepared.unique(table).first() {
            return Err(Refusal::UniqueLookup { lookup: table.lookups()[*at].name().to_owned() }.into());
        }
        let needed = prepared.keys(table);
        let sealing = self.sealing_key("seal", table, table.record_place());
        let (key, lookup_keys) = future::try_join(sealing, self.lookup_keys("seal", table, &needed, 1)).await?;
        let tokens = Tokens::new(lookup_keys.as_ref(), self.id()).of_prepared(table, &identity, &prepared)?;
        Ok(seal_with(table, &key, &identity, Nonces::Random(&OsRandom), item, tokens, &PlainNames::new())?)
    }

    /// The token of these values of a lookup's parts.
    pub(crate) async fn token_of(
        &self,
        table: &TableSchema,
        lookup: &Lookup,
        values: &[&AttributeValue],
    ) -> Result<String, Error> {
        let nothing = || Refusal::LookupValue { lookup: lookup.name().to_owned() };
        let asked = lookup.asked(values)?.ok_or_else(nothing)?;
        let keys = self.lookup_keys("token", table, &[lookup.key()], 1).await?;
        Ok(Tokens::new(keys.as_ref(), self.id()).asked(table, lookup, &asked)?)
    }

    /// The table that a caller names by its logical name, or as a request names it.
    pub(crate) fn table_by_any_name(&self, name: &str) -> Result<&TableSchema, Refusal> {
        self.binding.table_by_any_name(name).map(|schema| &**schema)
    }

    /// The lookup keys of these numbers, for so many items; `None` when there is no number.
    pub(crate) async fn lookup_keys(
        &self,
        operation: &'static str,
        table: &TableSchema,
        numbers: &[u16],
        items: usize,
    ) -> Result<Option<LookupKeys>, Error> {
        if numbers.is_empty() {
            return Ok(None);
        }
        let Binding { tenant, keys, audit, .. } = &*self.binding;
        let keys = keys.lookup_keys(numbers).instrument(self.span(operation, table)).await?;
        audit.record_lookups(tenant, operation, keys.data_keys(), &[(table.name(), items)])?;
        Ok(Some(keys))
    }

    /// The data key that seals something of this table now. Its use is recorded.
    pub(crate) async fn sealing_key(
        &self,
        operation: &'static str,
        table: &TableSchema,
        placement: KeyRecordPlacement,
    ) -> Result<Arc<VerifiedDataKey>, Error> {
        let Binding { tenant, keys, audit, .. } = &*self.binding;
        let key = keys.sealing_key(None, placement).instrument(self.span(operation, table)).await?;
        audit.record_seals(tenant, operation, &key, &[(table.name(), 1)])?;
        Ok(key)
    }

    /// The data key that opens something of this table. Its use is recorded.
    pub(crate) async fn opening_key_for_caller(
        &self,
        operation: &'static str,
        table: &TableSchema,
        needed: NeededKey,
    ) -> Result<KeyRing, Error> {
        let needed = self.binding.keys.opening_key_for_caller(needed);
        let (ring, lacking) = needed.instrument(self.span(operation, table)).await;
        if let Some((_, error)) = lacking.into_iter().next() {
            return Err(error.into());
        }
        self.binding.audit.record_opens_of_item(self.id(), operation, &ring, table.name())?;
        Ok(ring)
    }

    /// Opens one stored item, however it arrived: from a stream, an export, a plain client.
    ///
    /// # Errors
    ///
    /// When the item is not this tenant's, or an attribute that the schema encrypts does not open. Then nothing of the item is
    /// opened, and [`Error::sealed_item`] returns it as it is.
    pub async fn open(&self, table: &str, item: Item) -> Result<Item, Error> {
        self.open_in(self.binding.table_by_any_name(table)?, item).await
    }

    /// The tenant's data keys.
    pub(crate) fn keys(&self) -> &TenantHandle {
        &self.binding.keys
    }

    /// Opens one item of this table.
    pub(crate) async fn open_in(&self, table: &TableSchema, item: Item) -> Result<Item, Error> {
        let opened = self.open_items("open", table, vec![item], OpeningMode::AllOrNothing).await?;
        opened.into_iter().next().unwrap_or_else(|| Ok(Item::new()))
    }

    /// Opens many stored items. It fetches the data keys concurrently, each at most once.
    ///
    /// # Errors
    ///
    /// As [`Tenant::open`]. When some items do not open, [`Error::items`] names all that are known not to. [`Tenant::open_each`] returns the
    /// others.
    pub async fn open_all(&self, table: &str, items: Vec<Item>) -> Result<Vec<Item>, Error> {
        let table = self.binding.table_by_any_name(table)?;
        let opened = self.open_items("open", table, items, OpeningMode::AllOrNothing).await?;
        let (mut all, mut unopened) = (Vec::with_capacity(opened.len()), Vec::new());
        for opened in opened {
            match opened {
                Ok(item) => all.push(item),
                Err(error) => unopened.extend_from_slice(error.items()),
            }
        }
        match Unopened::from_items(unopened, Standing::READ) {
            Some(unopened) => Err(Error::Unopened(unopened)),
            None => Ok(all),
        }
    }

    /// The same for each item by itself. The opened items and the errors are in the order of the items.
    ///
    /// # Errors
    ///
    /// When the table is not configured.
    pub async fn open_each(&self, table: &str, items: Vec<Item>) -> Result<Vec<Result<Item, Error>>, Error> {
        self.open_items("open", self.binding.table_by_any_name(table)?, items, OpeningMode::BestEffort).await
    }

    /// Opens each item, or returns the error that names it and has it as it is. When the caller wants all, one that does not open keeps the
    /// others closed.
    pub(crate) async fn open_items(
        &self,
        operation: &'static str,
        table: &TableSchema,
        items: Vec<Item>,
        mode: OpeningMode,
    ) -> Result<Vec<Result<Item, Error>>, Error> {
        let unopened = |item: Item, error: Error| {
            let named = ItemRef::new(table, &item);
            error.at(named, Some(item), Standing::READ)
        };
        let identities: Vec<_> = items.iter().map(|item| stored_identity(table, self.id(), item)).collect();
        let accepted = self.accepted(table, &items).await;
        let accepts = accepted.of(table, None);
        let looked_at = items.iter().zip(&identities);
        let looked_at = looked_at.map(|(item, identity)| match identity {
            Ok(_) => Ok((table, item, accepts)),
            Err(error) => Err(error.clone()),
        });
        let (needed, failed) = distinct_keys(looked_at);
        let failed = failed.into_iter().map(|(at, error)| (at, accepted.explain(table, &items[at], error)));
        let mut failed: BTreeMap<usize, Error> = failed.collect();
        let mut keys = KeyRing::default();
        if mode == OpeningMode::BestEffort || failed.is_empty() {
            let lacking;
            (keys, lacking) = self.binding.opening_keys(needed, mode).instrument(self.span(operation, table)).await;
            for (at, item) in items.iter().enumerate().filter(|_| !lacking.is_empty()) {
                let (needed, _) = distinct_keys(std::iter::once(Ok((table, item, accepts))));
                let lacks = |needed: &NeededKey| lacking.iter().find(|(key, _)| *key == needed.stored);
                if let Some((_, error)) = needed.iter().find_map(lacks) {
                    failed.entry(at).or_insert_with(|| error.clone());
                }
            }
        }
        if mode == OpeningMode::BestEffort || failed.is_empty() {
            let audit = &self.binding.audit;
            let placed = items.iter().enumerate().filter(|(at, _)| !failed.contains_key(at));
            let placed = placed.map(|(_, item)| (table, item, accepts));
            let used = if audit.is_on() { item::used_keys(&keys, placed)? } else { Vec::new() };
            if let Err(error) = audit.record_opens(self.id(), operation, &keys, &used).map_err(Error::from) {
                failed = (0..items.len()).map(|at| (at, error.clone())).collect();
            }
        }
        let opens = |at: &usize| mode == OpeningMode::BestEffort || failed.is_empty() || failed.contains_key(at);
        let opened = items.into_iter().zip(identities).enumerate().filter_map(|(at, (item, identity))| {
            // Nothing is known to be wrong with an item that is left out, but with another one that the caller wants as well.
            if !opens(&at) {
                return None;
            }
            if let Some(error) = failed.get(&at) {
                return Some(Err(unopened(item, error.clone())));
            }
            let mut opened = item.clone();
            let result = identity.and_then(|identity| open_in_place(table, &identity, &keys, accepts, &mut opened));
            if let Ok(plain) = result {
                telemetry::record_plain_values(Purpose::Open, plain);
            }
            Some(result.map(|_| opened).map_err(|error| unopened(item, error.into())))
        });
        Ok(opened.collect())
    }

    fn span(&self, operation: &str, table: &TableSchema) -> Span {
        let span = telemetry::operation_span(self.id(), operation);
        telemetry::record_tables(&span, || vec![table.name()]);
        span
    }

    pub(crate) fn schema(&self, table: Option<&str>) -> Result<&TableSchema, Refusal> {
        self.binding.table(table).map(|schema| &**schema)
    }

    /// Where an item lies that came from the table that a request names.
    pub(crate) fn item_ref(&self, table: Option<&str>, item: &Item) -> Result<ItemRef, Error> {
        Ok(ItemRef::new(self.binding.table(table)?, item))
    }

    /// The physical table and the schema of a logical table.
    pub(crate) fn logical_table(&self, logical: &str) -> Option<(&str, &TableSchema)> {
        self.binding.logical_table(logical).map(|(physical, schema)| (physical, &**schema))
    }
}

#[async_trait]
impl Revoke for TenantSeal {
    async fn revoke(&self, tenant: &TenantId) {
        Self::revoke(self, tenant).await;
    }
}

impl fmt::Debug for TenantSeal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantSeal").field("tables", &self.0.tables.keys()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tenant({})", self.id())
    }
}
