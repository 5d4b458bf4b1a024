//! The buckets of tenants' objects.

use std::collections::BTreeMap;

use aws_types::SdkConfig;
use tenantseal_blobs::aws_sdk_s3::config::BehaviorVersion;
use tenantseal_blobs::aws_sdk_s3::{self, Client};
use tenantseal_blobs::{Blobs, Bucket, InvalidBucket};
use tenantseal_core::TenantVault;

use super::Tenant;
use crate::error::ConfigError;

/// The buckets by their logical names, and the client for all of them. Without a bucket there is no client.
pub(super) struct Buckets(Option<(Client, BTreeMap<String, Bucket>)>);

impl Buckets {
    pub(super) fn new(buckets: Vec<Bucket>, client: Option<Client>, config: &SdkConfig) -> Result<Self, ConfigError> {
        let mut named = BTreeMap::new();
        for bucket in buckets {
            bucket.check()?;
            if let Some(other) = named.insert(bucket.name().to_owned(), bucket) {
                return Err(InvalidBucket::Twice(other.name().to_owned()).into());
            }
        }
        let all: Vec<&Bucket> = named.values().collect();
        for (at, bucket) in all.iter().enumerate() {
            all[at + 1..].iter().try_for_each(|other| bucket.check_apart(other))?;
        }
        if named.is_empty() {
            return Ok(Self(None));
        }
        let client = client.unwrap_or_else(|| {
            let mut own = aws_sdk_s3::config::Builder::from(config);
            // A configuration made by hand may name none, and then the SDK panics.
            own.set_behavior_version(Some(config.behavior_version().unwrap_or_else(BehaviorVersion::latest)));
            Client::from_conf(own.build())
        });
        Ok(Self(Some((client, named))))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    fn blobs(&self, bucket: &str, tenant: TenantVault) -> Option<Blobs> {
        let (client, named) = self.0.as_ref()?;
        Blobs::new(client.clone(), named.get(bucket)?, tenant).ok()
    }
}

impl Tenant {
    /// The tenant's objects in a bucket, named by its logical name. Cheap: it makes no call and no data key.
    ///
    /// When no such bucket is configured, all operations fail.
    ///
    /// ```
    /// # async fn example(acme: tenantseal::Tenant, pdf: Vec<u8>) -> Result<(), tenantseal::Error> {
    /// let documents = acme.blobs("documents");
    /// let put = documents.put("reports/2026.pdf", pdf).if_none_match().await?;
    /// let pdf = documents.get("reports/2026.pdf").stamp(put.stamp()).bytes(16 << 20).await?;
    /// # Ok(()) }
    /// ```
    pub fn blobs(&self, bucket: &str) -> Blobs {
        let shared = &self.seal.0;
        let vault = TenantVault::new(shared.keys.for_tenant(self.id()), &shared.audit);
        shared.buckets.blobs(bucket, vault).unwrap_or_else(|| Blobs::unknown(bucket))
    }
}
