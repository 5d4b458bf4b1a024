//! A stack in this process, with a key account, a service account, and profiles for whoever runs the command.

use std::path::Path;
use std::process::{Output, Stdio};

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_sdk_dynamodb::types::{AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType};
use tenantseal::TenantId;
use tenantseal::keys::{AliasTemplate, RoleArn, Tenancy};
use tenantseal_local::Stack;
use tenantseal_tenants::{DynamoDbRegistry, Tenants};

pub(crate) const ROLE: &str = "arn:aws:iam::111111111111:role/TenantKeys";
pub(crate) const EVERYTHING: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;

pub(crate) struct World {
    pub(crate) stack: Stack,
    pub(crate) tenancy: Tenancy,
    pub(crate) operator: SdkConfig,
    pub(crate) service: SdkConfig,
    pub(crate) service_arn: String,
    pub(crate) folder: tempfile::TempDir,
    environment: Vec<(String, String)>,
}

impl World {
    /// Creates the table `crm`, with the tenant in its partition key.
    pub(crate) async fn create_crm_table(&self) {
        let client = aws_sdk_dynamodb::Client::new(&self.operator);
        let mut table = client.create_table().table_name("crm").billing_mode(BillingMode::PayPerRequest);
        for (name, kind) in [("tenant_id", KeyType::Hash), ("contact_id", KeyType::Range)] {
            let attribute = AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
            table = table.attribute_definitions(attribute.build().unwrap());
            table = table.key_schema(KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap());
        }
        table.send().await.unwrap();
    }

    /// With the tenants `acme` and `globex`, and the profiles `operator`, `service`, `stranger` (of another account) and `nobody`, who may
    /// do nothing.
    pub(crate) async fn start() -> Self {
        let stack = Stack::start().await.unwrap();
        let tenancy = Tenancy::new(RoleArn::parse(ROLE).unwrap(), AliasTemplate::default());
        let keys = stack.account("111111111111").unwrap();
        let operator = keys.user("operator").permission(EVERYTHING).create().unwrap();
        let nobody = keys.user("nobody").create().unwrap();
        let services = stack.account("222222222222").unwrap();
        let service = services.user("crm-service").permission(EVERYTHING).create().unwrap();
        let stranger = services.user("stranger").permission(EVERYTHING).create().unwrap();
        let role = keys.role("TenantKeys").trust(tenancy.trust_policy(&[service.user_arn()]));
        role.permission(tenancy.role_policy(stack.region())).create().unwrap();

        let folder = tempfile::tempdir().unwrap();
        let profiles = [("operator", &operator), ("service", &service), ("stranger", &stranger), ("nobody", &nobody)];
        let profile = |(name, key): (&str, &tenantseal_local::AccessKey)| {
            format!("[{name}]\naws_access_key_id = {}\naws_secret_access_key = {}\n", key.id(), key.secret())
        };
        std::fs::write(folder.path().join("credentials"), profiles.map(profile).concat()).unwrap();
        let shown = |name: &str| folder.path().join(name).display().to_string();
        let mut environment: Vec<_> = [
            ("AWS_SHARED_CREDENTIALS_FILE", shown("credentials")),
            ("AWS_CONFIG_FILE", shown("config")),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ("TENANTSEAL_ROLE", ROLE.to_owned()),
            ("PATH", std::env::var("PATH").unwrap()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        let of_stack = stack.environment(&operator).into_iter().filter(|(name, _)| !name.contains("KEY"));
        environment.extend(of_stack.map(|(name, value)| (name.to_owned(), value)));

        let service_arn = service.user_arn().to_owned();
        let [operator, service] = [stack.sdk_config(&operator), stack.sdk_config(&service)];
        DynamoDbRegistry::new(&operator, "tenantseal-tenants").create_table().await.unwrap();
        let world = Self { stack, tenancy, operator, service, service_arn, folder, environment };
        for tenant in ["acme", "globex"] {
            world.tenants().onboard(&TenantId::parse(tenant).unwrap()).await.unwrap();
        }
        world
    }

    pub(crate) fn tenants(&self) -> Tenants {
        let registry = DynamoDbRegistry::new(&self.operator, "tenantseal-tenants");
        Tenants::builder(self.tenancy.clone(), std::sync::Arc::new(registry)).build(&self.operator).unwrap()
    }

    /// Puts other credentials behind a profile.
    pub(crate) fn set_profile(&self, name: &str, credentials: &Credentials) {
        let file = self.folder.path().join("credentials");
        let all = std::fs::read_to_string(&file).unwrap();
        let others = all.split_inclusive('\n').collect::<Vec<_>>();
        let others: String = others
            .chunk_by(|_, next| !next.starts_with('['))
            .map(<[&str]>::concat)
            .filter(|profile| !profile.starts_with(&format!("[{name}]")))
            .collect();
        let (id, secret) = (credentials.access_key_id(), credentials.secret_access_key());
        let token =
            credentials.session_token().map(|token| format!("aws_session_token = {token}\n")).unwrap_or_default();
        let own = format!("[{name}]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n{token}");
        std::fs::write(file, others + &own).unwrap();
    }

    pub(crate) fn kms(&self) -> aws_sdk_kms::Client {
        aws_sdk_kms::Client::new(&self.operator)
    }

    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        self.environment.clone()
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Runs the command in pipes, with nothing on stdin.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Output {
        self.run_with(arguments, &[]).await
    }

    pub(crate) async fn run_with(&self, arguments: &[&str], further: &[(&str, &str)]) -> Output {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_tenantseal"));
        command.args(arguments).current_dir(self.folder.path()).env_clear().envs(self.environment.clone());
        command.envs(further.iter().copied()).stdin(Stdio::null()).output().await.unwrap()
    }

    /// Credentials of a session of `role` that ends when the stack's clock says so.
    pub(crate) async fn session(&self, of: impl Into<Credentials>, role: &str) -> Vec<(&'static str, String)> {
        let sts = aws_sdk_sts::Client::new(&self.stack.sdk_config(of));
        let answer = sts.assume_role().role_arn(role).role_session_name("operator").send().await.unwrap();
        let session = answer.credentials.unwrap();
        vec![
            ("AWS_ACCESS_KEY_ID", session.access_key_id),
            ("AWS_SECRET_ACCESS_KEY", session.secret_access_key),
            ("AWS_SESSION_TOKEN", session.session_token),
        ]
    }
}
