//! A world with a re-wrap role, tenants whose keys have aliases of their own, and a ledger in memory.

use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_kms::config::Credentials;
use tenantseal::keys::{InMemoryKeyTable, KmsRewrapService, Policy, Rewrapper, RoleArn};
use tenantseal::sweep::SweepReport;
use tenantseal::{Item, Tenant, TenantSeal};

use crate::common::{World, contact, id, item, key, s};

pub(super) const REWRAP_ROLE: &str = "arn:aws:iam::111111111111:role/TenantRewrap";

pub(super) struct Scene {
    pub(super) world: World,
    pub(super) ledger: Arc<InMemoryKeyTable>,
}

/// The stored items of a tenant, by contact id.
pub(super) type Stored = Vec<(String, Item)>;

impl Scene {
    pub(super) async fn start() -> Self {
        Self::of(World::start(&[]).await).await
    }

    /// With the tenant `acme`.
    pub(super) async fn of(mut world: World) -> Self {
        world.tenancy = world.tenancy.clone().rewrapped_by(RoleArn::parse(REWRAP_ROLE).unwrap());
        let app = "arn:aws:iam::222222222222:user/crm-service";
        let keys = world.stack.account("111111111111").unwrap();
        keys.role("TenantRewrap")
            .trust(world.tenancy.rewrap_trust_policy(&[app]).unwrap())
            .permission(world.tenancy.rewrap_role_policy(world.stack.region()).unwrap())
            .create()
            .unwrap();
        let scene = Self { world, ledger: Arc::default() };
        scene.onboard("acme").await;
        scene
    }

    pub(super) fn seal(&self) -> TenantSeal {
        self.world.seal()
    }

    /// What a process of its own wraps with.
    pub(super) fn rewrapper(&self) -> Arc<Rewrapper> {
        let service = KmsRewrapService::assume_role(&self.world.app, self.world.tenancy.clone()).unwrap();
        Arc::new(Rewrapper::new(Arc::new(service), self.ledger.clone()))
    }

    pub(super) async fn rewrap(&self, rewrapper: &Arc<Rewrapper>) -> SweepReport {
        self.seal().sweep("crm").rewrap(rewrapper).run().await.unwrap()
    }

    /// Creates a key with an alias of its own; gives its id.
    async fn key(&self, tenant: &str) -> String {
        let policy = self.world.tenancy.key_policy(&id(tenant)).unwrap().to_string();
        let key = self.world.admin.create_key().policy(policy).send().await.unwrap().key_metadata.unwrap().key_id;
        let alias = format!("alias/customer-{tenant}/{key}");
        self.world.admin.create_alias().alias_name(alias).target_key_id(&key).send().await.unwrap();
        key
    }

    pub(super) async fn onboard(&self, tenant: &str) -> String {
        let key = self.key(tenant).await;
        let alias = format!("alias/customer-{tenant}");
        self.world.admin.create_alias().alias_name(alias).target_key_id(&key).send().await.unwrap();
        key
    }

    /// Points the tenant's alias to a new key; gives the id of the former one.
    pub(super) async fn rekey(&self, tenant: &str) -> String {
        let (alias, new) = (format!("alias/customer-{tenant}"), self.key(tenant).await);
        let former = self.world.admin.describe_key().key_id(&alias).send().await.unwrap().key_metadata.unwrap().key_id;
        self.world.admin.update_alias().alias_name(alias).target_key_id(new).send().await.unwrap();
        former
    }

    pub(super) async fn keys_of(&self, tenant: &str) -> Vec<String> {
        let aliases = self.world.admin.list_aliases().send().await.unwrap();
        let own = format!("alias/customer-{tenant}/");
        let keys = aliases.aliases().iter().filter(|alias| alias.alias_name().unwrap_or_default().starts_with(&own));
        keys.filter_map(|alias| alias.target_key_id.clone()).collect()
    }

    /// Items of `acme` under this many data keys: of each one by a put, and one with an updated attribute.
    pub(super) async fn fill(&self, data_keys: usize) -> Stored {
        let mut stored = Vec::new();
        for at in 0..data_keys {
            let acme = self.seal().tenant(&id("acme"));
            for name in [format!("put-{at}"), format!("updated-{at}")] {
                let sealed = acme.seal("crm", item(&contact("acme", &name))).await.unwrap();
                self.world.plant(sealed).await;
                if name.starts_with("updated") {
                    let update = acme.dynamodb().update_item().table_name("crm").set_key(Some(key("acme", &name)));
                    let email = s(&format!("{name}@example.org"));
                    let update = update.update_expression("SET email = :e").expression_attribute_values(":e", email);
                    update.send().await.unwrap();
                }
                stored.push((name.clone(), self.world.stored("acme", &name).await));
            }
        }
        stored
    }

    /// KMS in a session of a role for `acme`.
    pub(super) async fn session(&self, role: &str, policy: Policy) -> aws_sdk_kms::Client {
        let sts = aws_sdk_sts::Client::new(&self.world.app);
        let tag = aws_sdk_sts::types::Tag::builder().key("TenantId").value("acme").build().unwrap();
        let request = sts.assume_role().role_arn(role).role_session_name(id("acme").session_name()).tags(tag);
        let granted = request.policy(policy.to_string()).send().await.unwrap().credentials.unwrap();
        let token = Some(granted.session_token);
        let credentials = Credentials::new(granted.access_key_id, granted.secret_access_key, token, None, "test");
        let config = aws_sdk_kms::config::Builder::from(&self.world.app).credentials_provider(credentials);
        aws_sdk_kms::Client::from_conf(config.build())
    }
}

/// A process that has opened nothing yet.
pub(super) struct Reader<'w>(&'w World, Tenant);

pub(super) fn reader(world: &World) -> Reader<'_> {
    Reader(world, world.tenant("acme"))
}

impl Reader<'_> {
    pub(super) async fn all_open(&self, stored: &Stored) {
        for (contact_id, _) in stored {
            let stored = self.0.stored("acme", contact_id).await;
            assert_eq!(self.1.open("crm", stored).await.unwrap(), item(&contact("acme", contact_id)), "{contact_id}");
        }
    }
}

/// What a sealed attribute has behind its key record.
pub(super) fn after_tag(value: &AttributeValue) -> &[u8] {
    let bytes = value.as_b().unwrap().as_ref();
    match bytes[0] {
        0x12 => &bytes[3 + usize::from(u16::from_be_bytes([bytes[1], bytes[2]]))..],
        _ => bytes,
    }
}
