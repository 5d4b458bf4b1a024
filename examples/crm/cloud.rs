//! Two AWS accounts on the local stack: one owns the tenants' keys, the other runs the CRM and its table.

use aws_sdk_dynamodb::types::{AttributeDefinition, AttributeValue, BillingMode};
use aws_sdk_dynamodb::types::{KeySchemaElement, KeyType, ScalarAttributeType};
use aws_sdk_kms::config::Credentials;
use aws_sdk_sts::types::Tag;
use aws_types::SdkConfig;
use serde_json::{Value, json};
use tenantseal::keys::{AliasTemplate, DynamoDbKeyTable, RoleArn, Tenancy};
use tenantseal::{Item, Record, TenantId, TenantSeal};
use tenantseal_local::Stack;

use crate::Outcome;
use crate::contact::Contact;

const KEY_ACCOUNT: &str = "111111111111";
const APPLICATION_ACCOUNT: &str = "222222222222";
const ROLE: &str = "arn:aws:iam::111111111111:role/TenantKeys";

/// The name of the pooled table.
pub(crate) const TABLE: &str = "crm";

/// Everything outside the application.
pub(crate) struct Cloud {
    pub(crate) stack: Stack,
    pub(crate) tenancy: Tenancy,
    /// The key account's administrator.
    pub(crate) administrator: aws_sdk_kms::Client,
    /// A DynamoDB client that seals and opens nothing.
    pub(crate) plain: aws_sdk_dynamodb::Client,
    /// The configuration of the CRM's own user, who may do everything in its account and assume the role in the other.
    application: SdkConfig,
}

impl Cloud {
    /// Starts the stack; creates the users, the role that all tenants share, and the table.
    pub(crate) async fn start() -> Outcome<Self> {
        let stack = Stack::start().await?;
        let tenancy = Tenancy::new(RoleArn::parse(ROLE)?, AliasTemplate::default());
        let keys = stack.account(KEY_ACCOUNT)?;
        let administrator = keys.user("administrator").permission(allow_everything()).create()?;
        let service = stack.account(APPLICATION_ACCOUNT)?;
        let service = service.user("crm").permission(allow_everything()).create()?;
        keys.role("TenantKeys")
            .trust(tenancy.trust_policy(&[service.user_arn()]))
            .permission(tenancy.role_policy(stack.region()))
            .create()?;
        let administrator = aws_sdk_kms::Client::new(&stack.sdk_config(&administrator));
        let application = stack.sdk_config(&service);
        let plain = aws_sdk_dynamodb::Client::new(&application);
        let cloud = Self { stack, tenancy, administrator, plain, application };
        cloud.create_table().await?;
        Ok(cloud)
    }

    async fn create_table(&self) -> Outcome<()> {
        let mut request = self.plain.create_table().table_name(TABLE).billing_mode(BillingMode::PayPerRequest);
        for (name, kind) in [("tenant_id", KeyType::Hash), ("contact_id", KeyType::Range)] {
            let text = ScalarAttributeType::S;
            request = request
                .attribute_definitions(
                    AttributeDefinition::builder().attribute_name(name).attribute_type(text).build()?,
                )
                .key_schema(KeySchemaElement::builder().attribute_name(name).key_type(kind).build()?);
        }
        request.send().await?;
        Ok(())
    }

    /// Onboards a tenant: a key with the generated key policy, and the alias that every call must name.
    pub(crate) async fn onboard(&self, tenant: &TenantId) -> Outcome<()> {
        let policy = self.tenancy.key_policy(tenant)?;
        let key = self.administrator.create_key().policy(policy.to_string()).send().await?;
        let key = key.key_metadata.ok_or("CreateKey answers without metadata")?;
        let alias = self.tenancy.alias(tenant);
        self.administrator.create_alias().alias_name(alias.as_str()).target_key_id(key.key_id).send().await?;
        Ok(())
    }

    /// Sets the library up as an application does. Each instance has its own caches, so a second one acts as a second
    /// process.
    pub(crate) fn seal(&self) -> Outcome<TenantSeal> {
        Ok(TenantSeal::builder().assume_role(ROLE).record::<Contact>().build(&self.application)?)
    }

    /// The same for a record with lookups: the tenants' lookup keys are in a key table.
    pub(crate) async fn seal_with_lookups<T: Record>(&self) -> Outcome<TenantSeal> {
        // The local server has no backups, so nobody could restore the key table.
        let keys = DynamoDbKeyTable::new(&self.application, "tenantseal-keys").danger_without_recovery();
        keys.create_table().await?;
        let builder = TenantSeal::builder().assume_role(ROLE).record::<T>();
        Ok(builder.key_table(keys).build(&self.application)?)
    }

    /// A KMS client in a tenant's session, built as the library builds its own: session policy, session tag, session
    /// name.
    pub(crate) async fn session(&self, tenant: &TenantId) -> Outcome<aws_sdk_kms::Client> {
        let answer = aws_sdk_sts::Client::new(&self.application)
            .assume_role()
            .role_arn(ROLE)
            .role_session_name(tenant.session_name())
            .policy(self.tenancy.session_policy(tenant, self.stack.region())?.to_string())
            .tags(Tag::builder().key("TenantId").value(tenant.as_str()).build()?)
            .send()
            .await?;
        let granted = answer.credentials.ok_or("AssumeRole answers without credentials")?;
        let token = Some(granted.session_token);
        let session = Credentials::new(granted.access_key_id, granted.secret_access_key, token, None, "crm");
        Ok(aws_sdk_kms::Client::new(&self.stack.sdk_config(session)))
    }

    /// The stored items.
    pub(crate) async fn stored(&self, tenant: &str, contact: &str) -> Outcome<Item> {
        let request = self.plain.get_item().table_name(TABLE).set_key(Some(key(tenant, contact)));
        request.send().await?.item.ok_or_else(|| format!("{contact} of {tenant} is not stored").into())
    }

    /// Stores an item unchanged.
    pub(crate) async fn store(&self, item: Item) -> Outcome<()> {
        self.plain.put_item().table_name(TABLE).set_item(Some(item)).send().await?;
        Ok(())
    }
}

/// The primary key of a contact.
pub(crate) fn key(tenant: &str, contact: &str) -> Item {
    [("tenant_id", tenant), ("contact_id", contact)]
        .map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned())))
        .into()
}

fn allow_everything() -> Value {
    json!({ "Version": "2012-10-17", "Statement": { "Effect": "Allow", "Action": "*", "Resource": "*" } })
}
