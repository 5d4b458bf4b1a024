//! The settings of data keys that builders collect, and their checks: one implementation for all builders.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::context::{InvalidContext, StaticPairs};
use crate::envelope::Seals;
use crate::keys::cache::lease::Terms;
use crate::keys::config::{Limits, Retries};
use crate::keys::declared_lookups::{DeclaredLookup, DeclaredLookups, InvalidLookups};
use crate::keys::fetch::data_keys::{DataKeys, DataKeysConfig};
use crate::keys::fetch::shared_keys::SharedKeys;
use crate::keys::service::KeyService;
use crate::keys::table::KeyTable;
use crate::time::SharedTimeSource;

/// How data keys are bound, cached and fetched. Nothing is checked before [`Settings::build`].
#[derive(Default)]
pub struct Settings {
    /// The static pairs of new key records.
    pub pairs: Vec<(String, String)>,
    /// The static pairs of former key records that still open.
    pub former: Vec<Vec<(String, String)>>,
    /// How long one data key seals new items.
    pub rotation: Option<Duration>,
    /// How long a data key is used before KMS is asked again.
    pub revalidation: Option<Duration>,
    /// How much longer in an outage of the key service.
    pub grace: Option<Duration>,
    /// How long an alias that never worked in this process may be new.
    pub onboarding: Option<Duration>,
    /// The most data keys in memory.
    pub capacity: Option<u64>,
    /// The most data keys of one tenant.
    pub share: Option<usize>,
    /// The most calls of the key service in flight.
    pub calls: Option<usize>,
    /// The most calls of one tenant.
    pub calls_per_tenant: Option<usize>,
    /// The key table of a fleet.
    pub key_table: Option<Arc<dyn KeyTable>>,
    /// The lookups of all tables.
    pub lookups: Vec<DeclaredLookup>,
    /// This process never makes a lookup key: one that is not there is an error.
    pub makes_no_lookup_keys: bool,
}

impl Settings {
    /// Default rotation: 24 h.
    const ROTATION: Duration = Duration::from_secs(24 * 60 * 60);
    /// Default revalidation: 15 min.
    const REVALIDATION: Duration = Duration::from_secs(15 * 60);
    /// Default outage grace: 15 min.
    const GRACE: Duration = Duration::from_secs(15 * 60);
    /// Revalidation and grace together are at most this.
    const REVOCATION: Duration = Duration::from_secs(24 * 60 * 60);
    /// How long refusals of a new alias are not final: AWS takes up to 5 minutes to apply changes (KMS developer guide,
    /// "Aliases").
    const ONBOARDING: Duration = Duration::from_secs(5 * 60);
    /// Default capacity.
    const CAPACITY: u64 = 100_000;
    /// Default capacity per tenant.
    const SHARE: usize = 1_000;
    /// Default number of calls in flight.
    const CALLS: usize = 256;
    /// Default number of calls of one tenant.
    const CALLS_PER_TENANT: usize = 8;

    /// Checks the settings and builds [`DataKeys`].
    ///
    /// `region` keeps a fleet's keys of several Regions apart; only a key table needs it.
    ///
    /// # Errors
    ///
    /// [`InvalidSettings`] names what is out of range.
    pub fn build(
        self,
        service: Arc<dyn KeyService>,
        region: &str,
        time: SharedTimeSource,
        retries: Retries,
    ) -> Result<DataKeys, InvalidSettings> {
        let Self { pairs, former, rotation, revalidation, grace, onboarding, key_table, lookups, .. } = self;
        let contexts =
            std::iter::once(pairs).chain(former).map(StaticPairs::new).collect::<Result<Vec<_>, InvalidContext>>()?;
        let rotation = rotation.unwrap_or(Self::ROTATION);
        if rotation.is_zero() || rotation > Terms::MAX_ROTATION {
            return Err(InvalidSettings::Rotation);
        }
        let (revalidation, grace) = (revalidation.unwrap_or(Self::REVALIDATION), grace.unwrap_or(Self::GRACE));
        if revalidation.is_zero() || revalidation.saturating_add(grace) > Self::REVOCATION {
            return Err(InvalidSettings::Revalidation);
        }
        let data_keys = self.capacity.unwrap_or(Self::CAPACITY);
        let share = self.share.unwrap_or(Self::SHARE);
        let limits = Limits {
            data_keys,
            data_keys_per_tenant: share.min(usize::try_from(data_keys).unwrap_or(usize::MAX)),
            calls: self.calls.unwrap_or(Self::CALLS),
            calls_per_tenant: self.calls_per_tenant.unwrap_or(Self::CALLS_PER_TENANT),
        };
        let in_range = |calls: usize| (1..=Semaphore::MAX_PERMITS).contains(&calls);
        if limits.data_keys_per_tenant == 0 || !in_range(limits.calls) || !in_range(limits.calls_per_tenant) {
            return Err(InvalidSettings::Limits);
        }
        let lookups = DeclaredLookups::new(lookups)?;
        let shared = match key_table {
            None if lookups.len() > 0 => return Err(InvalidSettings::LookupsNeedKeyTable),
            Some(_) if !contexts[0].has_room_for_period() => return Err(InvalidSettings::NoRoomForPeriod),
            Some(_) if rotation.subsec_nanos() != 0 => return Err(InvalidSettings::KeyTableRotation),
            Some(table) => Some(SharedKeys::new(table, region)),
            None => None,
        };
        Ok(DataKeys::new(DataKeysConfig {
            shared,
            service,
            time,
            contexts,
            lookups,
            makes_lookup_keys: !self.makes_no_lookup_keys,
            terms: Terms { rotation, revalidation, grace, seals: Seals::MOST },
            onboarding: onboarding.unwrap_or(Self::ONBOARDING),
            limits,
            retries,
        }))
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Settings(..)")
    }
}

/// Which setting is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSettings {
    /// The static pairs are invalid.
    #[error(transparent)]
    Context(#[from] InvalidContext),
    /// The encryption context has no room for the pair `period` of shared data keys.
    #[error("with a key table the encryption context has room for 6 static pairs; 7 were configured")]
    NoRoomForPeriod,
    /// Processes agree on periods in whole seconds.
    #[error("with a key table `data_key_rotation` must be in whole seconds")]
    KeyTableRotation,
    /// The lookups cannot be declared together.
    #[error(transparent)]
    Lookups(#[from] InvalidLookups),
    /// Lookup keys are stored in a key table, and none is configured.
    #[error("lookups need a key table, where the tenants' lookup keys are stored: configure one with `key_table`")]
    LookupsNeedKeyTable,
    /// The rotation period is out of range.
    #[error("`data_key_rotation` must be more than zero and at most 48 hours")]
    Rotation,
    /// Revalidation and grace are out of range: they bound how long a revocation takes.
    #[error("`data_key_revalidation` must be more than zero, and at most 24 hours together with `outage_grace`")]
    Revalidation,
    /// A limit is zero.
    #[error(
        "`data_key_capacity`, `data_keys_per_tenant`, `key_calls_in_flight` and `key_calls_per_tenant` must be at least 1"
    )]
    Limits,
}
