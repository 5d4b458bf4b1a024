//! A fleet in two Regions, with one key table (a global table, at DynamoDB) and one KMS key with a replica, or without.

use aws_types::SdkConfig;
use aws_types::region::Region;
use tenantseal::error::{OpenError, OpenFault};
use tenantseal::keys::{AliasTemplate, RoleArn, Tenancy};
use tenantseal::{Error, Item, TenantSeal};

use crate::common::key_table::{key_id, key_table};
use crate::common::{Contact, World, contact, id, item};

pub(super) const HOME: &str = "us-east-1";
pub(super) const EU: &str = "eu-central-1";
pub(super) const ROLE: &str = "arn:aws:iam::111111111111:role/TenantKeysOfTwoRegions";
const ALL: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;

fn in_eu(config: &SdkConfig) -> SdkConfig {
    config.clone().into_builder().region(Region::new(EU)).build()
}

pub(super) fn tenancy() -> Tenancy {
    Tenancy::new(RoleArn::parse(ROLE).unwrap(), AliasTemplate::default())
}

pub(super) struct Fleet(pub(super) World);

impl Fleet {
    /// With a tenant whose KMS key is a multi-Region key, or with one that has a key in each Region.
    pub(super) async fn of_tenant_with(multi_region: bool) -> Self {
        let world = World::with_key_table(&[]).await;
        let account = world.stack.account("111111111111").unwrap();
        let tenancy = self::tenancy();
        let trust = tenancy.trust_policy(&["arn:aws:iam::222222222222:user/crm-service"]);
        let role = account.role("TenantKeysOfTwoRegions").trust(trust).permission(tenancy.role_policy("us-east-1"));
        role.permission(tenancy.role_policy(EU)).create().unwrap();
        let abroad = account.user("eu-admin").permission(ALL).create().unwrap();
        let abroad = aws_sdk_kms::Client::new(&in_eu(&world.stack.sdk_config(&abroad)));
        let (policy, alias) = (tenancy.key_policy(&id("acme")).unwrap().to_string(), tenancy.alias(&id("acme")));
        let create = world.admin.create_key().policy(&policy).multi_region(multi_region);
        let key = create.send().await.unwrap().key_metadata.unwrap().key_id;
        world.admin.create_alias().alias_name(alias.as_str()).target_key_id(&key).send().await.unwrap();
        let replica = if multi_region {
            world.admin.replicate_key().key_id(&key).replica_region(EU).policy(policy).send().await.unwrap();
            key
        } else {
            abroad.create_key().policy(policy).send().await.unwrap().key_metadata.unwrap().key_id
        };
        abroad.create_alias().alias_name(alias.as_str()).target_key_id(replica).send().await.unwrap();
        Self(world)
    }

    /// A tenant with a key in the home Region alone.
    pub(super) async fn onboard_at_home(&self, tenant: &str) {
        let (policy, alias) = (tenancy().key_policy(&id(tenant)).unwrap().to_string(), tenancy().alias(&id(tenant)));
        let key = self.0.admin.create_key().policy(policy).send().await.unwrap().key_metadata.unwrap().key_id;
        self.0.admin.create_alias().alias_name(alias.as_str()).target_key_id(key).send().await.unwrap();
    }

    fn process(&self, config: &SdkConfig, compact: bool) -> TenantSeal {
        let builder = TenantSeal::builder().assume_role(ROLE).record::<Contact>();
        let builder = builder.key_table(key_table(config));
        if compact { builder.compact("crm") } else { builder }.build(config).unwrap()
    }

    fn at_home(&self, compact: bool) -> TenantSeal {
        self.process(&self.0.app, compact)
    }

    pub(super) fn abroad(&self, compact: bool) -> TenantSeal {
        self.process(&in_eu(&self.0.app), compact)
    }
}

async fn sealed(process: &TenantSeal) -> Item {
    process.tenant(&id("acme")).seal("crm", item(&contact("acme", "c-1"))).await.unwrap()
}

#[tokio::test]
async fn each_region_has_a_pointer_and_opens_the_others_multi_region_items() {
    let fleet = Fleet::of_tenant_with(true).await;
    for compact in [false, true] {
        let (home, abroad) = (sealed(&fleet.at_home(compact)).await, sealed(&fleet.abroad(compact)).await);
        assert_ne!(key_id(&home), key_id(&abroad));
        let pointers = fleet.0.entries("current#").await;
        let of = |region: &str| pointers.iter().filter(|(_, entry, _)| entry.starts_with(region)).count();
        assert_eq!((pointers.len(), of("current#us-east-1#"), of("current#eu-central-1#")), (2, 1, 1));
        // Other processes agree with those of their own Region.
        assert_eq!(key_id(&sealed(&fleet.at_home(compact)).await), key_id(&home));
        assert_eq!(key_id(&sealed(&fleet.abroad(compact)).await), key_id(&abroad));
        for process in [fleet.at_home(compact), fleet.abroad(compact)] {
            let opened = process.tenant(&id("acme")).open_all("crm", vec![home.clone(), abroad.clone()]).await;
            assert_eq!(opened.unwrap(), [item(&contact("acme", "c-1")), item(&contact("acme", "c-1"))]);
        }
    }
}

#[tokio::test]
async fn a_single_region_keys_items_open_in_its_region_and_hinder_no_other() {
    let fleet = Fleet::of_tenant_with(false).await;
    for compact in [false, true] {
        let (home, abroad) = (sealed(&fleet.at_home(compact)).await, sealed(&fleet.abroad(compact)).await);
        let process = fleet.abroad(compact);
        match process.tenant(&id("acme")).open("crm", home).await.unwrap_err().cause() {
            Error::Open(OpenError::Attribute { fault: OpenFault::OtherKek | OpenFault::WrappedDataKey, .. }) => {}
            other => panic!("{other:?}"),
        }
        process.tenant(&id("acme")).open("crm", abroad.clone()).await.unwrap();
        assert_eq!(key_id(&sealed(&process).await), key_id(&abroad));
    }
}
