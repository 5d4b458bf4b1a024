//! Where tenants' data keys come from, and the policies that keep them apart.

pub use tenantseal_core::keys::{
    GeneratedDataKey, InMemoryKeyService, InMemoryKeyTable, InvalidSettings, KeyService, KeyServiceError,
    KeyServiceErrorKind, KeyTable, KeyTableError, KeyTableErrorKind, MissingAlias, Revoke, Swap, UnwrappedDataKey,
};
pub use tenantseal_kms::{
    DynamoDbKeyTable, InvalidRoleArn, InvalidTagKey, KmsKeyService, Policy, PolicyTooLarge, RoleArn, Scope, Tenancy,
};
