//! Seals and opens bytes for tenants, for any store or stream.

use std::fmt;
use std::sync::Arc;

use crate::crypto::{Identity, OsRandom};
use crate::envelope::{KeyRecordPlacement, NeededKey, Nonces, OpenFault, Opener, Sealer};
use crate::format::{PrimaryKeyPart, Sealed, StoredKey};
use crate::keys::{DataKeys, KeyService, OpeningMode, Revoke, TenantHandle};
use crate::tenant::TenantId;
use crate::trail::Audit;

mod blob;
mod builder;
mod error;

pub use blob::BlobVault;
pub use builder::VaultBuilder;
pub use error::Error;

/// The type byte of a binary value (docs/FORMAT.md, "Values"): values sealed here open as binary everywhere else.
const BINARY: u8 = 0x03;

/// Seals and opens bytes for many tenants, each under its own data keys.
///
/// Build one per process and share it; it is cheap to clone. Sealed bytes name their data key, so you may store them
/// anywhere.
///
/// ```
/// use tenantseal_core::keys::InMemoryKeyService;
/// use tenantseal_core::{TenantId, Vault};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let vault = Vault::builder(InMemoryKeyService::new()).build()?;
/// let acme = vault.tenant(&TenantId::parse("acme")?);
///
/// // An item is a row, a document or a message. A value sealed for one item opens for no other.
/// let invoice = acme.item("invoices", ("number", "2026-17"), None)?;
/// let sealed = invoice.seal("iban", b"DE02 1203 0000 0000 2020 51").await?;
/// assert_eq!(invoice.open("iban", sealed).await?, b"DE02 1203 0000 0000 2020 51");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Vault(Arc<Shared>);

struct Shared {
    keys: DataKeys,
    audit: Arc<Audit>,
}

impl Vault {
    /// Starts the configuration: `service` makes the data keys.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tenantseal_core::Vault;
    /// use tenantseal_core::keys::InMemoryKeyService;
    ///
    /// let vault = Vault::builder(InMemoryKeyService::new())
    ///     .context("env", "prod")
    ///     .data_key_revalidation(Duration::from_secs(5 * 60))
    ///     .build()?;
    /// # Ok::<(), tenantseal_core::keys::InvalidSettings>(())
    /// ```
    pub fn builder(service: impl KeyService + 'static) -> VaultBuilder {
        VaultBuilder::new(Arc::new(service))
    }

    /// The handle to one tenant's values. Cheap: it calls nothing and makes no data key.
    pub fn tenant(&self, tenant: &TenantId) -> TenantVault {
        TenantVault::new(self.0.keys.for_tenant(tenant), &self.0.audit)
    }

    /// Drops a tenant's data keys and credentials at once, for a revocation that must not wait for the next
    /// revalidation.
    ///
    /// This concerns only this process, and does not keep the tenant out: disable its key-encryption key for that.
    ///
    /// ```
    /// # use tenantseal_core::{TenantId, Vault};
    /// # async fn example(vault: Vault) -> Result<(), Box<dyn std::error::Error>> {
    /// vault.revoke(&TenantId::parse("acme")?).await;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn revoke(&self, tenant: &TenantId) {
        self.0.keys.revoke(tenant).await;
    }
}

#[async_trait::async_trait]
impl Revoke for Vault {
    async fn revoke(&self, tenant: &TenantId) {
        Self::revoke(self, tenant).await;
    }
}

/// The handle to one tenant's values. Cheap to clone; keep it for a request or for a process.
#[derive(Clone)]
pub struct TenantVault {
    audit: Arc<Audit>,
    keys: Arc<TenantHandle>,
}

impl TenantVault {
    /// The handle to what these data keys seal.
    #[doc(hidden)]
    pub fn new(keys: TenantHandle, audit: &Arc<Audit>) -> Self {
        Self { audit: Arc::clone(audit), keys: Arc::new(keys) }
    }

    /// The tenant.
    pub fn id(&self) -> &TenantId {
        self.keys.tenant()
    }

    /// The handle to one item's values. `table` names a table, collection or topic; `partition` and `sort` are the
    /// item's primary key in it, by name and value.
    ///
    /// To open a value, name the same item again: a value that was moved to another item does not open.
    ///
    /// ```
    /// use tenantseal_core::PrimaryKeyPart;
    /// # use tenantseal_core::{Error, TenantVault};
    /// # fn example(acme: TenantVault) -> Result<(), Error> {
    /// let invoice = acme.item("invoices", ("number", "2026-17"), None)?;
    /// let line = acme.item("lines", ("invoice", "2026-17"), Some(("line", PrimaryKeyPart::N("2"))))?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::PrimaryKey`] when a part of the primary key is empty or not a number that DynamoDB stores.
    pub fn item<'k>(
        &self,
        table: &str,
        partition: (&str, impl Into<PrimaryKeyPart<'k>>),
        sort: Option<(&str, PrimaryKeyPart<'k>)>,
    ) -> Result<ItemVault, Error> {
        let identity =
            Identity::new(self.id(), table, (partition.0, partition.1.into()), sort).map_err(Error::PrimaryKey)?;
        Ok(ItemVault { vault: self.clone(), table: table.into(), identity: Arc::new(identity) })
    }
}

/// Seals and opens the values of one item. Cheap to clone.
#[derive(Clone)]
pub struct ItemVault {
    vault: TenantVault,
    table: Arc<str>,
    identity: Arc<Identity>,
}

impl ItemVault {
    /// Seals the value `name`.
    ///
    /// The result has form `12` of docs/FORMAT.md: about 280 bytes longer than `plaintext` with a key of AWS KMS.
    ///
    /// ```
    /// # use tenantseal_core::{Error, ItemVault};
    /// # async fn example(invoice: ItemVault) -> Result<(), Error> {
    /// let sealed = invoice.seal("iban", b"DE02 1203 0000 0000 2020 51").await?;
    /// let iban = invoice.open("iban", sealed).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When `plaintext` is sealed already, or no data key is available.
    pub async fn seal(&self, name: &str, plaintext: &[u8]) -> Result<Vec<u8>, Error> {
        let mut sealed = self.seal_all(&[(name, plaintext)]).await?;
        sealed.pop().ok_or(Error::Random)
    }

    /// Seals values under one data key. The results are in the order of `values`.
    ///
    /// ```
    /// # use tenantseal_core::{Error, ItemVault};
    /// # async fn example(invoice: ItemVault) -> Result<(), Error> {
    /// let sealed = invoice.seal_all(&[("iban", b"DE02 1203"), ("bic", b"BYLADEM1001")]).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`ItemVault::seal`]; then no value is sealed.
    pub async fn seal_all(&self, values: &[(&str, &[u8])]) -> Result<Vec<Vec<u8>>, Error> {
        for (name, plaintext) in values {
            // Only a form with its own key record can be told from random bytes.
            if Sealed::is_likely(plaintext, true) {
                return Err(Error::AlreadySealed { name: (*name).to_owned() });
            }
        }
        let TenantVault { audit, keys } = &self.vault;
        let key = keys.sealing_key(None, KeyRecordPlacement::Item).await?;
        audit.record_seals(keys.tenant(), "seal", &key, &[(&*self.table, 1)])?;
        let own = key.stored_record();
        let nonces = Nonces::Random(&OsRandom);
        let mut sealer = Sealer::new(Some(StoredKey::Record(own)), &key, &self.identity, nonces, values.len())?;
        let seal = |(name, plaintext): &(&str, &[u8])| {
            sealer.seal(name, 1 + plaintext.len(), |out| {
                out.push(BINARY);
                out.extend_from_slice(plaintext);
                Ok(())
            })
        };
        values.iter().map(seal).collect()
    }

    /// Opens the value `name`.
    ///
    /// # Errors
    ///
    /// When `sealed` was not sealed for this tenant, item and name, or was altered, or its data key is not available.
    pub async fn open(&self, name: &str, sealed: Vec<u8>) -> Result<Vec<u8>, Error> {
        let mut opened = self.open_all(vec![(name, sealed)]).await?;
        opened.pop().ok_or(Error::Random)
    }

    /// Opens values, and fetches each of their data keys once. The results are in the order of `values`.
    ///
    /// # Errors
    ///
    /// As [`ItemVault::open`]; then no value is opened.
    pub async fn open_all(&self, values: Vec<(&str, Vec<u8>)>) -> Result<Vec<Vec<u8>>, Error> {
        let mut needed: Vec<NeededKey> = Vec::new();
        for (name, sealed) in &values {
            let fault = |fault| Error::Open { name: (*name).to_owned(), fault };
            let parsed = Sealed::parse(sealed).map_err(|error| fault(error.into()))?;
            let stored = parsed.key.ok_or_else(|| fault(OpenFault::NoHeader))?;
            if !needed.iter().any(|needed| needed.stored.as_ref() == stored) {
                needed.push(NeededKey { attribute: (*name).to_owned(), stored: stored.to_owned() });
            }
        }
        let TenantVault { audit, keys } = &self.vault;
        let (ring, failures) = keys.opening_keys(needed, OpeningMode::AllOrNothing).await;
        if let Some((_, error)) = failures.into_iter().next() {
            return Err(error.into());
        }
        audit.record_opens_of_item(keys.tenant(), "open", &ring, &self.table)?;
        let mut opener = Opener::new(&self.identity, None, &ring);
        let open = |(name, sealed): (&str, Vec<u8>)| {
            let fault = |fault| Error::Open { name: name.to_owned(), fault };
            let (mut plaintext, start) = opener.open(name, sealed).map_err(fault)?;
            match plaintext.get(start) {
                Some(&BINARY) => Ok(plaintext.split_off(start + 1)),
                _ => Err(fault(OpenFault::NotBinary)),
            }
        };
        values.into_iter().map(open).collect()
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault(..)")
    }
}

impl fmt::Debug for TenantVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TenantVault({})", self.id())
    }
}

impl fmt::Debug for ItemVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ItemVault({}, {})", self.vault.id(), self.table)
    }
}
