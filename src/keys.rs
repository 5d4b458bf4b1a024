//! Where tenants' data keys come from, and the policies that keep them apart.

pub use tenantseal_core::context::{EncryptionContext, StaticPairs};
pub use tenantseal_core::crypto::{DataKey, DataKeyId, WrappedDataKey};
pub use tenantseal_core::format::{KekId, KeyArn};
pub use tenantseal_core::keys::{
    CurrentKek, GeneratedDataKey, InMemoryKeyService, InMemoryKeyTable, InvalidSettings, KeyService, KeyServiceError,
    KeyServiceErrorKind, KeyTable, KeyTableError, KeyTableErrorKind, MissingAlias, Revoke, RewrapService,
    RewrappedDataKey, Rewrapper, Swap, UnwrappedDataKey,
};
pub use tenantseal_core::tenant::{Alias, AliasTemplate};
pub use tenantseal_kms::{
    DynamoDbKeyTable, InvalidKmsConfig, InvalidRegions, InvalidRoleArn, InvalidTagKey, KmsKeyService, KmsRewrapService,
    Policy, PolicyTooLarge, RoleArn, Scope, Tenancy,
};
