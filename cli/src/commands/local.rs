//! `local`: KMS, STS, DynamoDB and S3 on loopback, behind one address, until Ctrl-C.

mod door;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use clap::Args;
use serde_json::{Map, json};
use tenantseal::keys::Tenancy;
use tenantseal::schema::TableSchema;
use tenantseal::{Item, TenantId, TenantSeal};
use tenantseal_local::Stack;
use tenantseal_tenants::DynamoDbRegistry;

use crate::args::tenant;
use crate::errors::{Exit, Failure, Result};
use crate::output::{DIM, Output};
use crate::settings::Settings;

const EVERYTHING: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
const ROLE: &str = "arn:aws:iam::111111111111:role/TenantKeys";
const TABLE: &str = "crm";

/// Start KMS, STS, DynamoDB and S3 on loopback, with two tenants, and print the environment to export.
///
/// It runs until Ctrl-C and stores nothing. KMS and STS evaluate the real policies. The table `crm` has an item of each
/// tenant.
///
///   $ tenantseal local > local.env &
///   $ . ./local.env
///   $ tenantseal onboard umbrella
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Local {
    /// Port on 127.0.0.1 [default: any free port]
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    port: u16,
    /// The tenants to onboard at the start
    #[arg(long = "tenant", value_parser = tenant, default_values = ["acme", "globex"])]
    tenants: Vec<TenantId>,
}

impl Local {
    pub(crate) async fn run(self, settings: Settings, output: &Output) -> Result<Exit> {
        if output.is_dry_run() {
            return output.print_dry_run(&[format!("serve KMS, STS, DynamoDB and S3 on 127.0.0.1:{}", self.port)]);
        }
        let settings = settings.with_role(ROLE);
        let tenancy = settings.tenancy()?;
        let progress = output.progress("starting");
        let region = settings.region.clone().unwrap_or_else(|| "us-east-1".to_owned());
        let stack = Stack::builder().region(region).start().await.map_err(unexpected)?;
        let account = stack.account(tenancy.role().account()).map_err(unexpected)?;
        let operator = account.user("operator").permission(EVERYTHING).create().map_err(unexpected)?;
        let name = tenancy.role().as_str().rsplit('/').next().unwrap_or_default();
        let role = account.role(name).trust(tenancy.trust_policy(&[operator.user_arn()]));
        role.permission(tenancy.role_policy(stack.region())).create().map_err(unexpected)?;

        let config = stack.sdk_config(&operator);
        create_table(&config).await?;
        DynamoDbRegistry::new(&config, settings.registry()).create_table().await?;
        let tenants = settings.tenants(&config, None)?;
        for tenant in &self.tenants {
            progress.step(format!("onboarding {tenant}"));
            tenants.onboard(tenant).await?;
            put_an_item(&config, &tenancy, tenant).await?;
        }
        let url = door::open(&stack, self.port).await?;
        drop(progress);

        let mut environment = vec![("AWS_ENDPOINT_URL", url)];
        let of_services = |name: &str| name.starts_with("AWS_ENDPOINT_URL");
        environment.extend(stack.environment(&operator).into_iter().filter(|(name, _)| !of_services(name)));
        environment.push(("TENANTSEAL_ROLE", tenancy.role().to_string()));
        environment.push(("TENANTSEAL_REGISTRY", settings.registry().to_owned()));
        let text: String = environment.iter().map(|(name, value)| format!("export {name}={value}\n")).collect();
        let data: Map<_, _> = environment.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        output.answer(text, &data)?;
        let tenants: Vec<_> = self.tenants.iter().map(TenantId::as_str).collect();
        output.say(format_args!("{DIM}# tenants {}; table {TABLE}; Ctrl-C ends it{DIM:#}", tenants.join(", ")));
        std::future::pending().await
    }
}

async fn create_table(config: &SdkConfig) -> Result<()> {
    let mut table = aws_sdk_dynamodb::Client::new(config).create_table().table_name(TABLE);
    for (name, kind) in [("tenant_id", KeyType::Hash), ("contact_id", KeyType::Range)] {
        let attribute = AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
        let key = KeySchemaElement::builder().attribute_name(name).key_type(kind);
        table = table.attribute_definitions(attribute.build().map_err(unexpected)?);
        table = table.key_schema(key.build().map_err(unexpected)?);
    }
    let created = table.billing_mode(BillingMode::PayPerRequest).send().await;
    created.map(drop).map_err(|error| Failure::aws("CreateTable", &error))
}

/// An item for `inspect`.
async fn put_an_item(config: &SdkConfig, tenancy: &Tenancy, tenant: &TenantId) -> Result<()> {
    let schema = TableSchema::builder(TABLE).partition_key("tenant_id", "{tenant}").sort_key("contact_id");
    let schema = schema.plain("company").encrypt("email").encrypt("phone").build().map_err(unexpected)?;
    let seal =
        TenantSeal::builder().assume_role(tenancy.role().as_str()).table(schema).build(config).map_err(unexpected)?;
    let item: Item = [
        ("tenant_id", tenant.as_str()),
        ("contact_id", "c-1"),
        ("company", "Example Ltd"),
        ("email", "ada@example.org"),
        ("phone", "+44 20 7946 0000"),
    ]
    .map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned())))
    .into();
    let put = seal.tenant(tenant).dynamodb().put_item().table_name(TABLE).set_item(Some(item)).send().await;
    put.map(drop).map_err(|error| Failure::aws("PutItem", &error))
}

fn unexpected(error: impl std::error::Error) -> Failure {
    Failure::new(Exit::Findings, format!("the local stack: {error}"))
}
