//! What every key service does, and what the library does above whichever it is given.

use std::sync::Arc;

use tenantseal::TenantSeal;
use tenantseal::keys::{
    EncryptionContext, InMemoryKeyService, KeyService, KeyServiceErrorKind as Kind, KmsKeyService, WrappedDataKey,
};
use tenantseal::schema::TableSchema;

use super::regions::{EU, Fleet, HOME, tenancy};
use crate::common::{Contact, World, contact, id, item};

/// A data key comes back as it was made, from the key-encryption key that made it.
async fn gives_back_what_it_made(service: &dyn KeyService, context: &EncryptionContext) {
    let made = service.generate_data_key(&id("acme"), context).await.unwrap();
    let again = service.unwrap_data_key(&id("acme"), context, &made.kek, &made.wrapped).await.unwrap();
    assert!(again.kek.is_same_key(&made.kek));
}

/// Each data key is a new one.
async fn makes_new_keys(service: &dyn KeyService, context: &EncryptionContext) {
    let first = service.generate_data_key(&id("acme"), context).await.unwrap();
    let second = service.generate_data_key(&id("acme"), context).await.unwrap();
    assert_ne!(first.wrapped.as_bytes(), second.wrapped.as_bytes());
}

/// A data key comes back for the tenant it was made for alone, whatever key the stored record names.
async fn binds_the_tenant(service: &dyn KeyService, context: &EncryptionContext) {
    let made = service.generate_data_key(&id("acme"), context).await.unwrap();
    let theirs = service.unwrap_data_key(&id("globex"), context, &made.kek, &made.wrapped).await;
    let kind = theirs.expect_err("another tenant's key").kind();
    assert!(matches!(kind, Kind::InvalidCiphertext | Kind::IncorrectKey | Kind::Denied), "{kind}");
}

/// A wrapped key that was not made by the service is refused, whatever its length.
async fn refuses_what_it_did_not_make(service: &dyn KeyService, context: &EncryptionContext) {
    let made = service.generate_data_key(&id("acme"), context).await.unwrap();
    let mut damaged = made.wrapped.as_bytes().to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    for wrapped in [damaged, vec![0], vec![7; 32], vec![1; WrappedDataKey::MAX_LEN]] {
        let wrapped = WrappedDataKey::new(wrapped).unwrap();
        let refused = service.unwrap_data_key(&id("acme"), context, &made.kek, &wrapped).await;
        let kind = refused.expect_err("a key that nobody made").kind();
        assert!(matches!(kind, Kind::InvalidCiphertext | Kind::IncorrectKey), "{kind}");
    }
}

#[tokio::test]
async fn the_service_in_memory_conforms() {
    let service = InMemoryKeyService::new();
    let context = EncryptionContext::new(&id("acme"), &Default::default());
    gives_back_what_it_made(&service, &context).await;
    makes_new_keys(&service, &context).await;
    binds_the_tenant(&service, &context).await;
    refuses_what_it_did_not_make(&service, &context).await;
}

#[tokio::test]
async fn the_service_on_kms_conforms_in_two_regions_and_in_either_alone() {
    let context = EncryptionContext::new(&id("acme"), &Default::default());
    for out in [None, Some(HOME), Some(EU)] {
        let fleet = Fleet::of_tenant_with(true).await;
        fleet.onboard_at_home("globex").await;
        let service = KmsKeyService::assume_role_in(&fleet.0.app, tenancy(), [HOME, EU]).unwrap();
        if let Some(out) = out {
            fleet.0.stack.faults().on("*").in_region(out).disconnect();
        }
        gives_back_what_it_made(&service, &context).await;
        makes_new_keys(&service, &context).await;
        refuses_what_it_did_not_make(&service, &context).await;
        if out != Some(HOME) {
            binds_the_tenant(&service, &context).await;
        }
    }
}

/// What holds above every key service: the suite for those that are reached through the builder only.
async fn holds_above(build: impl Fn() -> TenantSeal) {
    let (seal, other) = (build(), build());
    let (acme, globex) = (seal.tenant(&id("acme")), seal.tenant(&id("globex")));
    let stored = acme.seal("crm", item(&contact("acme", "c-1"))).await.unwrap();
    for reader in [&acme, &other.tenant(&id("acme"))] {
        assert_eq!(reader.open("crm", stored.clone()).await.unwrap(), item(&contact("acme", "c-1")));
    }
    assert!(globex.open("crm", stored.clone()).await.unwrap_err().is_integrity());
    let mut moved = stored.clone();
    moved.insert("tenant_id".to_owned(), crate::common::s("globex"));
    assert!(globex.open("crm", moved).await.unwrap_err().is_integrity());
    let mut damaged = stored["_seal"].as_b().unwrap().clone().into_inner();
    *damaged.last_mut().unwrap() ^= 1;
    let mut forged = stored;
    forged.insert("_seal".to_owned(), aws_sdk_dynamodb::types::AttributeValue::B(damaged.into()));
    assert!(build().tenant(&id("acme")).open("crm", forged).await.unwrap_err().is_integrity());
}

#[tokio::test]
async fn the_library_holds_its_promises_above_the_service_in_memory() {
    let service = Arc::new(InMemoryKeyService::new());
    let config = aws_types::SdkConfig::builder().build();
    holds_above(|| {
        let builder = TenantSeal::builder().key_service(Arc::clone(&service)).record::<Contact>();
        builder.build(&config).unwrap()
    })
    .await;
}

#[tokio::test]
async fn the_library_holds_its_promises_above_kms_with_sessions() {
    let world = World::start(&["acme", "globex"]).await;
    holds_above(|| world.seal()).await;
}

#[tokio::test]
async fn the_library_holds_its_promises_above_kms_without_sessions() {
    let world = World::start(&[]).await;
    for tenant in ["acme", "globex"] {
        let key = world.admin.create_key().send().await.unwrap().key_metadata.unwrap();
        let alias = format!("alias/customer-{tenant}");
        world.admin.create_alias().alias_name(alias).target_key_id(key.key_id).send().await.unwrap();
    }
    let keys = world.stack.account("111111111111").unwrap();
    let allow = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
    let config = world.stack.sdk_config(&keys.user("service").permission(allow).create().unwrap());
    holds_above(|| {
        let builder = TenantSeal::builder().ambient_credentials("111111111111").record::<Contact>();
        builder.build(&config).unwrap()
    })
    .await;
}

/// An answer that cannot be right: KMS names another key than the record, or gives another key than was wrapped.
#[tokio::test]
async fn a_service_that_lies_is_found_out() {
    #[derive(Debug, Default)]
    struct Liar(InMemoryKeyService);

    #[async_trait::async_trait]
    impl KeyService for Liar {
        async fn generate_data_key(
            &self,
            tenant: &tenantseal::TenantId,
            context: &EncryptionContext,
        ) -> Result<tenantseal::keys::GeneratedDataKey, tenantseal::keys::KeyServiceError> {
            self.0.generate_data_key(tenant, context).await
        }

        async fn unwrap_data_key(
            &self,
            tenant: &tenantseal::TenantId,
            context: &EncryptionContext,
            kek: &tenantseal::keys::KekId,
            _: &WrappedDataKey,
        ) -> Result<tenantseal::keys::UnwrappedDataKey, tenantseal::keys::KeyServiceError> {
            let other = self.0.generate_data_key(tenant, context).await?;
            Ok(tenantseal::keys::UnwrappedDataKey::new(other.data_key, kek.clone()))
        }
    }

    let table = TableSchema::for_record::<Contact>().unwrap();
    let config = aws_types::SdkConfig::builder().build();
    let service = Arc::new(Liar::default());
    let build = || {
        let builder = TenantSeal::builder().key_service(Arc::clone(&service)).table(table.clone());
        builder.build(&config).unwrap().tenant(&id("acme"))
    };
    let stored = build().seal("crm", item(&contact("acme", "c-1"))).await.unwrap();
    let error = build().open("crm", stored).await.unwrap_err();
    assert!(matches!(error.cause(), tenantseal::Error::Open(_)), "{error}");
}
