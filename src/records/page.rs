//! One page of records, and the token with which the next one begins: for lists that a client asks for page by page.

use std::fmt;

use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tenantseal_core::crypto::OsRandom;
use tenantseal_core::envelope::{KeyRecordPlacement, NeededKey, Nonces, Opener, Sealer};
use tenantseal_core::format::{Identity, Sealed, StoredKey};
use tenantseal_core::keys::{KeyServiceError, KeyServiceErrorKind};

use super::repository::Records;
use super::shape::NAME;
use super::stream::Paged;
use crate::error::{Error, Refusal};
use crate::item::{Item, SealError, decode_value, encode_value};
use crate::schema::{Record, TableSchema};
use crate::tenant_seal::Tenant;

/// No token is longer: a primary key has at most 3 KiB, a key of an index the same again.
const LONGEST: usize = 32 * 1024;

/// Some records, and where the next page begins. See [`Query::page`](super::Query::page).
#[must_use = "it has the records"]
pub struct Page<T> {
    /// The records in their order. A record that does not open, or is not of this type, is an error that names it.
    pub records: Vec<Result<T, Error>>,
    /// Begins the next page; `None` after the last one.
    pub next: Option<PageToken>,
}

impl<T> Page<T> {
    /// The records of this page.
    ///
    /// # Errors
    ///
    /// The first error of a record.
    pub fn into_records(self) -> Result<Vec<T>, Error> {
        self.records.into_iter().collect()
    }
}

impl<T> fmt::Debug for Page<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page").field("records", &self.records.len()).field("next", &self.next).finish()
    }
}

/// Where the next page of a query begins: text that you may hand to a client, in a URL too.
///
/// It is sealed under the tenant's data key, so it shows no key of an item, and it is accepted only for the tenant and the
/// query that it was made for: the same table, index, conditions and order. The size of the page may change. It has some 500
/// characters, and opens as long as the tenant's key does.
///
/// What a client sends is a token for the library to judge: [`Refusal::PageToken`] when it is not one of this query's.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PageToken(String);

impl PageToken {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for PageToken {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for PageToken {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl AsRef<str> for PageToken {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PageToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PageToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PageToken(..)")
    }
}

/// Sends one request for the page of at most `limit` records that begins at `token`.
pub(super) async fn page<T: Record + DeserializeOwned, P: Paged>(
    records: Records<T>,
    request: P,
    limit: Option<usize>,
    token: Option<&PageToken>,
) -> Result<Page<T>, Error> {
    // DynamoDB reads one item at least.
    if limit == Some(0) {
        return Ok(Page { records: Vec::new(), next: token.cloned() });
    }
    let request = request.at_most(limit);
    let (_, schema) = records.table()?;
    let place = Place { tenant: &records.tenant, schema, identity: request.identity(&records.tenant, schema)? };
    let request = match token {
        Some(token) => request.after(place.open(token).await?),
        None => request,
    };
    let (items, last) = request.page().await?;
    let next = match last {
        Some(last) => Some(place.seal(last).await?),
        None => None,
    };
    let found = items.into_iter().map(|item| item.and_then(|item| records.found(item))).collect();
    Ok(Page { records: found, next })
}

/// What a token belongs to.
struct Place<'a> {
    tenant: &'a Tenant,
    schema: &'a TableSchema,
    identity: Identity,
}

impl Place<'_> {
    async fn seal(&self, last: Item) -> Result<PageToken, Error> {
        // With its own record, so that a token outlives a cache and a process.
        let key = self.tenant.sealing_key("page", self.schema, KeyRecordPlacement::Item).await?;
        let nonces = Nonces::Random(&OsRandom);
        let own = StoredKey::Record(key.stored_record());
        let random = |_| SealError::Random;
        let mut sealer = Sealer::new(Some(own), &key, &self.identity, nonces, 1).map_err(random)?;
        let last = AttributeValue::M(last);
        let sealed = sealer.seal(NAME, 256, |out| {
            encode_value(&last, out).map_err(|source| SealError::Value { attribute: NAME.to_owned(), source })
        })?;
        Ok(PageToken(URL_SAFE_NO_PAD.encode(sealed)))
    }

    async fn open(&self, token: &PageToken) -> Result<Item, Error> {
        let refused = || Error::from(Refusal::PageToken);
        if token.0.len() > LONGEST {
            return Err(refused());
        }
        let sealed = URL_SAFE_NO_PAD.decode(&token.0).map_err(|_| refused())?;
        let named = Sealed::parse(&sealed).ok().and_then(|sealed| sealed.key);
        // Every token has a record of its own.
        let named = named.filter(|named| matches!(named, StoredKey::Record(_))).ok_or_else(refused)?;
        let needed = NeededKey { attribute: NAME.to_owned(), stored: named.to_owned() };
        let ring = self.tenant.opening_key_for_caller("page", self.schema, needed).await;
        let ring = ring.map_err(|error| match error {
            // Forged, or from before a change of keys: whoever sent it is told no more.
            Error::Open(_) => refused(),
            Error::KeyService(error) if is_of_the_token(&error) => refused(),
            error => error,
        })?;
        let opened = Opener::new(&self.identity, None, &ring).open(NAME, sealed);
        let (plaintext, start) = opened.map_err(|_| refused())?;
        match decode_value(plaintext, start) {
            Ok(AttributeValue::M(last)) => Ok(last),
            _ => Err(refused()),
        }
    }
}

/// Whether a data key is missing because of what the token says, and not for the tenant as a whole.
fn is_of_the_token(error: &KeyServiceError) -> bool {
    use KeyServiceErrorKind::{FormerKeyDisabled, IncorrectKey, InvalidCiphertext, MissingAlias};
    error.concerns_former_key()
        || matches!(error.kind(), FormerKeyDisabled | IncorrectKey | InvalidCiphertext | MissingAlias)
}
