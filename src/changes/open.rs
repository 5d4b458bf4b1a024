//! Opens a batch of changes: tenant by tenant, each data key at most once.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;

use futures_util::{StreamExt, stream};
use tenantseal_core::keys::OpeningMode;
use tenantseal_core::tenant::TenantId;

use super::change::Changes;
use super::sorted::{Sorted, StoredImage};
use super::stored::StoredChange;
use crate::error::{Error, Refusal};
use crate::item::Item;
use crate::schema::TableSchema;
use crate::tenant_seal::TenantSeal;

/// How many tenants of a batch are opened at once.
const TENANTS: usize = 16;

/// Opens a batch of changes when it is awaited: see [`TenantSeal::open_changes`].
#[must_use = "nothing is opened before it is awaited"]
pub struct OpenChanges<'a> {
    seal: &'a TenantSeal,
    table: String,
    changes: Vec<StoredChange>,
    wanted: Option<Wanted<'a>>,
}

type Wanted<'a> = Box<dyn Fn(&TenantId) -> bool + Send + 'a>;

/// An image that was opened, or why not, with its place.
type Outcome = (usize, bool, Result<Item, Error>);

impl<'a> OpenChanges<'a> {
    pub(super) fn new(seal: &'a TenantSeal, table: &str, changes: Vec<StoredChange>) -> Self {
        Self { seal, table: table.to_owned(), changes, wanted: None }
    }

    /// Opens the changes of these tenants alone. The others are [left out](super::ChangeError::is_left_out), and nothing
    /// is asked for them.
    ///
    /// ```
    /// # async fn example(seal: tenantseal::TenantSeal, records: Vec<tenantseal::changes::StoredChange>) -> Result<(), tenantseal::Error> {
    /// let changes = seal.open_changes("crm", records).only(|tenant| tenant.as_str() == "acme").await?;
    /// # Ok(()) }
    /// ```
    pub fn only(mut self, wanted: impl Fn(&TenantId) -> bool + Send + 'a) -> Self {
        self.wanted = Some(Box::new(wanted));
        self
    }

    async fn open(self) -> Result<Changes, Error> {
        let Self { seal, table, changes, wanted } = self;
        let (_, schema) = seal.logical_table(&table).ok_or(Refusal::UnknownTable(table))?;
        let mut sorted = {
            let wanted = wanted;
            Sorted::of(schema, changes, wanted.as_deref().map(|wanted| wanted as &dyn Fn(&TenantId) -> bool))
        };
        let mut opened = stream::iter(std::mem::take(&mut sorted.images))
            .map(|(tenant, images)| open_tenant(seal, schema, tenant, images))
            .buffer_unordered(TENANTS);
        while let Some(of_tenant) = opened.next().await {
            for (at, is_new, image) in of_tenant {
                sorted.settle(at, is_new, image);
            }
        }
        drop(opened);
        Ok(Changes(sorted.finish()))
    }
}

/// Opens the images of one tenant.
async fn open_tenant(
    seal: &TenantSeal,
    schema: &TableSchema,
    tenant: TenantId,
    images: Vec<StoredImage>,
) -> Vec<Outcome> {
    let (places, items): (Vec<_>, Vec<_>) =
        images.into_iter().map(|image| ((image.change, image.is_new), image.item)).unzip();
    let opened = match seal.admit(&tenant) {
        Ok(admitted) => {
            let handle = seal.tenant(&tenant);
            let opened = handle.open_items("open", schema, items, OpeningMode::BestEffort).await;
            if let Ok(opened) = &opened {
                admitted.learn(schema, opened);
            }
            opened
        }
        Err(refused) => Err(refused),
    };
    match opened {
        Ok(opened) => places.into_iter().zip(opened).map(|((at, is_new), opened)| (at, is_new, opened)).collect(),
        Err(error) => places.into_iter().map(|(at, is_new)| (at, is_new, Err(error.clone()))).collect(),
    }
}

impl<'a> IntoFuture for OpenChanges<'a> {
    type Output = Result<Changes, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
    }
}

impl fmt::Debug for OpenChanges<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenChanges({}, {} changes)", self.table, self.changes.len())
    }
}
