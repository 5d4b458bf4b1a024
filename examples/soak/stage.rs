//! The two accounts, the table, the tenants' keys, and the writers.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType,
};
use aws_types::SdkConfig;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::json;
use tenantseal::TenantSeal;
use tenantseal::keys::{AliasTemplate, DynamoDbKeyTable, RoleArn, Tenancy};
use tenantseal_local::Stack;

use crate::Outcome;
use crate::entry::{Entry, INDEX, TABLE, TOKEN, tenant_id};
use crate::relay::Relay;

pub(crate) const ROLE: &str = "arn:aws:iam::111111111111:role/TenantKeys";

/// The writers' revalidation period and outage grace. Short, so that a minute sees many leases.
pub(crate) const REVALIDATION: Duration = Duration::from_secs(3);
pub(crate) const GRACE: Duration = Duration::from_secs(3);

/// Everything outside the writers.
pub(crate) struct Stage {
    pub(crate) stack: Stack,
    pub(crate) relay: Relay,
    /// The key account's administrator.
    pub(crate) administrator: aws_sdk_kms::Client,
    /// Seals and opens nothing.
    pub(crate) plain: aws_sdk_dynamodb::Client,
    /// The ids of the tenants' KMS keys.
    pub(crate) keys: Vec<String>,
    application: SdkConfig,
    environment: Vec<(&'static str, String)>,
}

impl Stage {
    /// Starts the stack and creates everything but the tenants' keys.
    pub(crate) async fn start() -> Outcome<Self> {
        let stack = Stack::start().await?;
        let tenancy = tenancy()?;
        let everything =
            json!({ "Version": "2012-10-17", "Statement": { "Effect": "Allow", "Action": "*", "Resource": "*" } });
        let keys = stack.account("111111111111")?;
        let administrator = keys.user("administrator").permission(&everything).create()?;
        let service = stack.account("222222222222")?.user("soak").permission(&everything).create()?;
        keys.role("TenantKeys")
            .trust(tenancy.trust_policy(&[service.user_arn()]))
            .permission(tenancy.role_policy(stack.region()))
            .create()?;
        let administrator = aws_sdk_kms::Client::new(&stack.sdk_config(&administrator));
        let application = stack.sdk_config(&service);
        let plain = aws_sdk_dynamodb::Client::new(&application);
        create_table(&plain).await?;
        key_table(&application).create_table().await?;
        let relay = Relay::before(stack.dynamodb_url()).await?;
        let environment = stack.environment(&service);
        Ok(Self { stack, relay, administrator, plain, keys: Vec::new(), application, environment })
    }

    /// Gives each of this many tenants its key, key policy and alias.
    pub(crate) async fn onboard(&mut self, tenants: usize, step: impl Fn()) -> Outcome<()> {
        let tenancy = tenancy()?;
        let onboarding = stream::iter(0..tenants).map(|number| {
            let (tenancy, administrator, step) = (&tenancy, &self.administrator, &step);
            async move {
                let tenant = tenant_id(number)?;
                let policy = tenancy.key_policy(&tenant)?.to_string();
                let key = administrator.create_key().policy(policy).send().await?;
                let key = key.key_metadata.ok_or("CreateKey answers without metadata")?.key_id;
                let alias = tenancy.alias(&tenant);
                administrator.create_alias().alias_name(alias.as_str()).target_key_id(&key).send().await?;
                step();
                Outcome::Ok(key)
            }
        });
        let keys = onboarding.buffered(8).try_collect().await?;
        self.keys = keys;
        Ok(())
    }

    /// The library in this process, for the verdict.
    pub(crate) fn library(&self) -> Outcome<TenantSeal> {
        let keys = key_table(&self.application);
        Ok(TenantSeal::builder().assume_role(ROLE).record::<Entry>().key_table(keys).build(&self.application)?)
    }

    /// Starts a writer.
    pub(crate) fn writer(&self, name: &str, plan: Plan, seed: u64, journals: &Path) -> Outcome<Writer> {
        let journal = journals.join(format!("{name}.journal"));
        let Plan { tenants, capacity, leak } = plan;
        let process = Command::new(std::env::current_exe()?)
            .args(["writer", "--name", name, "--workers", "8"])
            .args(["--tenants", &tenants.to_string(), "--capacity", &capacity.to_string(), "--seed", &seed.to_string()])
            .args(["--leak", &leak.to_string()])
            .arg("--journal")
            .arg(&journal)
            .env_remove("AWS_PROFILE")
            .env_remove("AWS_SESSION_TOKEN")
            .envs(self.environment.iter().map(|(name, value)| (*name, value.as_str())))
            .env("AWS_ENDPOINT_URL_DYNAMODB", self.relay.url())
            .stdin(Stdio::piped())
            .spawn()?;
        Ok(Writer { process, journal })
    }
}

/// What all writers do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) tenants: usize,
    /// How many data keys each may keep.
    pub(crate) capacity: usize,
    /// The MiB that each leaks every second.
    pub(crate) leak: usize,
}

/// A process that writes.
pub(crate) struct Writer {
    process: Child,
    pub(crate) journal: PathBuf,
}

impl Writer {
    /// Sets its clock off by this many seconds.
    pub(crate) fn clock(&mut self, seconds: i64) -> Outcome<()> {
        let input = self.process.stdin.as_mut().ok_or("the writer was told to finish")?;
        Ok(writeln!(input, "clock {seconds}")?)
    }

    /// Kills it (SIGKILL) at whatever point it is.
    pub(crate) fn kill(&mut self) -> Outcome<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }

    /// Whether it runs.
    pub(crate) fn runs(&mut self) -> Outcome<bool> {
        Ok(self.process.try_wait()?.is_none())
    }

    /// Lets it finish its work, and waits.
    pub(crate) async fn finish(&mut self) -> Outcome<()> {
        drop(self.process.stdin.take());
        for _ in 0..600 {
            if let Some(status) = self.process.try_wait()? {
                return if status.success() { Ok(()) } else { Err(format!("a writer ended with {status}").into()) };
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err("a writer does not finish within a minute".into())
    }

    /// The id of the process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // A process that has ended need not be killed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The resident memory of a process in bytes, where the system says so (`/proc`).
pub(crate) fn resident(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// What the key team and the application agree on.
pub(crate) fn tenancy() -> Outcome<Tenancy> {
    Ok(Tenancy::new(RoleArn::parse(ROLE)?, AliasTemplate::default()))
}

/// Where the fleet's data keys and the tenants' lookup keys are. The local server has no backups.
pub(crate) fn key_table(config: &SdkConfig) -> DynamoDbKeyTable {
    DynamoDbKeyTable::new(config, "soak-keys").danger_without_recovery()
}

async fn create_table(plain: &aws_sdk_dynamodb::Client) -> Outcome<()> {
    let mut request = plain.create_table().table_name(TABLE).billing_mode(BillingMode::PayPerRequest);
    for name in ["tenant_id", "entry_id", TOKEN] {
        let attribute = AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
        request = request.attribute_definitions(attribute.build()?);
    }
    let key = |name, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
    let all = Projection::builder().projection_type(ProjectionType::All).build();
    let index =
        GlobalSecondaryIndex::builder().index_name(INDEX).projection(all).key_schema(key(TOKEN, KeyType::Hash)?);
    let request = request.key_schema(key("tenant_id", KeyType::Hash)?).key_schema(key("entry_id", KeyType::Range)?);
    request.global_secondary_indexes(index.build()?).send().await?;
    Ok(())
}
