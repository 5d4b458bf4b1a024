//! The accounts, roles, tenants, grants and mistakes that the matrix speaks of.

use std::collections::HashMap;

use aws_sdk_kms::config::Credentials;
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{DataKeySpec, GrantOperation};
use aws_types::SdkConfig;
use aws_types::region::Region;
use serde_json::{Value, json};
use tenantseal::keys::{AliasTemplate, RoleArn, Scope, Tenancy};
use tenantseal_tenants::InMemoryRegistry;

use crate::common::id;
use crate::tenants::office::{ALL, Office};

const HOME: &str = "us-east-1";
const FRANKFURT: &str = "eu-central-1";

pub(crate) struct Scene {
    office: Office,
    /// Key ids by the name in braces.
    keys: HashMap<String, String>,
    /// Data keys by the tenant in whose context they were wrapped.
    wrapped: HashMap<String, Blob>,
    /// Clients by who they are, or the code with which AssumeRole was refused.
    callers: HashMap<String, Result<aws_sdk_kms::Client, String>>,
}

fn tenancy(role: &str, template: &str, scope: Scope) -> Tenancy {
    let role = RoleArn::parse(&format!("arn:aws:iam::111111111111:role/{role}")).unwrap();
    Tenancy::new(role, AliasTemplate::parse(template).unwrap()).scoped_by(scope)
}

fn document(statements: Value) -> Value {
    json!({ "Version": "2012-10-17", "Statement": statements })
}

impl Scene {
    pub(crate) async fn set() -> Self {
        let office = Office::open().await;
        let mut scene = Self { office, keys: HashMap::new(), wrapped: HashMap::new(), callers: HashMap::new() };
        scene.callers.insert("admin".to_owned(), Ok(scene.office.kms(HOME)));
        scene.ours().await;
        scene.other_scopes().await;
        scene.copied().await;
        scene
    }

    /// Tenants as the library onboards them, and what has happened to some of them.
    async fn ours(&mut self) {
        let tenants = self.office.tenants();
        for tenant in ["12", "123", "a", "A", "turned", "crossed", "granted", "named"] {
            self.keys.insert(tenant.to_owned(), key_id(tenants.onboard(&id(tenant)).await.unwrap()));
        }
        tenants.onboard(&id("far")).replicas([FRANKFURT]).await.unwrap();
        self.keys.insert("small".to_owned(), key_id(tenants.onboard(&id("small")).create_pool().await.unwrap()));
        for tenant in ["p1", "p2"] {
            tenants.onboard(&id(tenant)).in_pool(&id("small")).await.unwrap();
        }
        let ours = self.office.tenancy.clone();
        let policy = |tenant: &str| Some(ours.session_policy(&id(tenant), HOME).unwrap().to_string());
        for tenant in ["12", "123", "a", "A", "turned", "crossed", "granted", "named", "far", "p1", "p2"] {
            self.assume(tenant, &ours, policy(tenant), &[("TenantId", tenant)], HOME).await;
            let alias = ours.alias(&id(tenant));
            self.wrap(tenant, tenant, alias.as_str(), tenant).await;
        }
        for tenant in ["12", "p1"] {
            self.assume(&format!("{tenant} unlimited"), &ours, None, &[("TenantId", tenant)], HOME).await;
        }
        self.assume("12 untagged", &ours, policy("12"), &[], HOME).await;
        self.assume("12 as 123", &ours, policy("12"), &[("TenantId", "123")], HOME).await;
        self.assume("12 two tags", &ours, policy("12"), &[("TenantId", "12"), ("Team", "x")], HOME).await;
        let in_frankfurt = Some(ours.session_policy(&id("far"), FRANKFURT).unwrap().to_string());
        self.assume("far in Frankfurt", &ours, in_frankfurt, &[("TenantId", "far")], FRANKFURT).await;
        self.assume("far astray", &ours, policy("far"), &[("TenantId", "far")], FRANKFURT).await;
        self.smuggle(&ours).await;

        tenants.rotate(&id("turned")).new_key().await.unwrap();
        self.point("alias/customer-crossed", "123").await;
        self.grant("granted", ours.key_policy(&id("granted")).unwrap().to_string()).await;
        let mut named: Value = serde_json::from_str(&ours.key_policy(&id("named")).unwrap().to_string()).unwrap();
        named["Statement"].as_array_mut().unwrap().push(names_a_session("TenantKeys", "tenant-12"));
        self.put_policy("named", named.to_string()).await;

        // A key of another account behind the same alias, whose owner lets the role in.
        let open = document(json!([
            { "Effect": "Allow", "Principal": { "AWS": "333333333333" }, "Action": "kms:*", "Resource": "*" },
            { "Effect": "Allow", "Principal": { "AWS": "111111111111" }, "Action": "kms:*", "Resource": "*" },
        ]));
        let foreign = self.office.stack.account("333333333333").unwrap();
        let foreign = self.office.stack.sdk_config(&foreign.user("admin").permission(ALL).create().unwrap());
        let foreign = aws_sdk_kms::Client::new(&foreign);
        for alias in ["alias/customer-12", "alias/copied-12"] {
            let key = foreign.create_key().policy(open.to_string()).send().await.unwrap().key_metadata.unwrap();
            foreign.create_alias().alias_name(alias).target_key_id(key.key_id).send().await.unwrap();
        }
        self.callers.insert("foreign".to_owned(), Ok(foreign));
    }

    /// Sessions without a tag, as a trust policy that does not insist on one would let them in.
    async fn smuggle(&mut self, ours: &Tenancy) {
        let account = self.office.stack.account("111111111111").unwrap();
        let lax = document(json!([{ "Effect": "Allow", "Principal": { "AWS": "222222222222" },
            "Action": ["sts:AssumeRole", "sts:TagSession"] }]));
        account.role("TenantKeys").trust(lax).permission(ours.role_policy("*")).create().unwrap();
        for tenant in ["12", "p1"] {
            let policy = Some(ours.session_policy(&id(tenant), HOME).unwrap().to_string());
            self.assume(&format!("{tenant} smuggled"), ours, policy, &[], HOME).await;
        }
        let services = ["arn:aws:iam::222222222222:user/crm-service"];
        let role = account.role("TenantKeys").trust(ours.trust_policy(&services));
        role.permission(ours.role_policy("*")).create().unwrap();
    }

    /// The other two ways to tell keys apart, each with a role of its own.
    async fn other_scopes(&mut self) {
        for (name, role, template, scope) in [
            ("by-aliases", "ByAliases", "alias/aliased-{tenant}", Scope::ResourceAliases),
            ("by-tag", "ByTag", "alias/tagged-{tenant}", Scope::ResourceTag),
        ] {
            let tenancy = tenancy(role, template, scope);
            let account = self.office.stack.account("111111111111").unwrap();
            let trust = tenancy.trust_policy(&["arn:aws:iam::222222222222:user/crm-service"]);
            account.role(role).trust(trust).permission(tenancy.role_policy(HOME)).create().unwrap();
            let registry = std::sync::Arc::new(InMemoryRegistry::default());
            let tenants = tenantseal_tenants::Tenants::builder(tenancy.clone(), registry)
                .request_interval(std::time::Duration::ZERO);
            let tenants = tenants.build(&self.office.admin).unwrap();
            for tenant in ["12", "123"] {
                let who = format!("{name} {tenant}");
                self.keys.insert(who.clone(), key_id(tenants.onboard(&id(tenant)).await.unwrap()));
                let policy = tenancy.session_policy(&id(tenant), HOME).unwrap().to_string();
                self.assume(&who, &tenancy, Some(policy), &[("TenantId", tenant)], HOME).await;
                self.assume(&format!("{who} unlimited"), &tenancy, None, &[("TenantId", tenant)], HOME).await;
                self.wrap(&who, &who, tenancy.alias(&id(tenant)).as_str(), tenant).await;
            }
        }
    }

    /// The recipe as it stands in many places.
    async fn copied(&mut self) {
        let tenancy = tenancy("CopiedKeys", "alias/copied-{tenant}", Scope::RequestAlias);
        let root = json!({ "Effect": "Allow", "Principal": { "AWS": "arn:aws:iam::111111111111:root" }, "Action": "kms:*", "Resource": "*" });
        let role = json!({ "Effect": "Allow", "Principal": { "AWS": tenancy.role().as_str() },
            "Action": ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey"], "Resource": "*",
            "Condition": { "StringLike": { "kms:RequestAlias": "alias/copied-*" } } });
        let broad =
            document(json!([{ "Effect": "Allow", "Action": ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey"],
            "Resource": "*", "Condition": { "StringLike": { "kms:RequestAlias": "alias/copied-*" } } }]));
        let trust = document(
            json!([{ "Effect": "Allow", "Principal": { "AWS": "222222222222" }, "Action": "sts:AssumeRole" }]),
        );
        let account = self.office.stack.account("111111111111").unwrap();
        account.role("CopiedKeys").trust(trust).permission(broad).create().unwrap();
        let kms = self.office.kms(HOME);
        let policy = document(json!([root, role])).to_string();
        for tenant in ["12", "123", "crossed", "granted", "named", "anyone"] {
            let key = kms.create_key().policy(&policy).send().await.unwrap().key_metadata.unwrap().key_id;
            let alias = tenancy.alias(&id(tenant));
            kms.create_alias().alias_name(alias.as_str()).target_key_id(&key).send().await.unwrap();
            let who = format!("copied {tenant}");
            self.keys.insert(who.clone(), key);
            let session = document(json!([{ "Effect": "Allow", "Action": "kms:*", "Resource": "*",
                "Condition": { "StringEquals": { "kms:RequestAlias": alias.as_str() } } }]));
            self.assume(&who, &tenancy, Some(session.to_string()), &[], HOME).await;
            self.assume(&format!("{who} unlimited"), &tenancy, None, &[], HOME).await;
            self.wrap(&who, &who, alias.as_str(), tenant).await;
        }
        self.point("alias/copied-crossed", "copied 123").await;
        self.grant("copied granted", policy).await;
        let root_only = |statement| document(json!([root, statement])).to_string();
        self.put_policy("copied named", root_only(names_a_session("CopiedKeys", "tenant-12"))).await;
        let anyone = json!({ "Effect": "Allow", "Principal": "*", "Action": "kms:GenerateDataKey", "Resource": "*",
            "Condition": { "ArnEquals": { "aws:PrincipalArn": tenancy.role().as_str() } } });
        self.put_policy("copied anyone", root_only(anyone)).await;
    }

    async fn assume(
        &mut self,
        who: &str,
        tenancy: &Tenancy,
        policy: Option<String>,
        tags: &[(&str, &str)],
        region: &str,
    ) {
        // Sessions are named as the library names them; what stands in a policy is that of tenant 12.
        let tagged = tags.iter().find(|(key, _)| *key == "TenantId").map(|(_, tenant)| *tenant);
        let tenant = tagged.or_else(|| who.rsplit(' ').find(|word| word.parse::<u32>().is_ok())).unwrap_or("x");
        let tag =
            |(key, value): &(&str, &str)| aws_sdk_sts::types::Tag::builder().key(*key).value(*value).build().unwrap();
        let tags: Vec<_> = tags.iter().map(tag).collect();
        let request = aws_sdk_sts::Client::new(&self.office.service).assume_role().role_arn(tenancy.role().as_str());
        let request = request
            .role_session_name(format!("tenant-{tenant}"))
            .set_policy(policy)
            .set_tags(Some(tags).filter(|tags| !tags.is_empty()));
        let client = match request.send().await {
            Ok(answer) => {
                let session = answer.credentials.unwrap();
                let (key, secret, token) = (session.access_key_id, session.secret_access_key, session.session_token);
                let config: SdkConfig =
                    self.office.stack.sdk_config(Credentials::new(key, secret, Some(token), None, "test"));
                Ok(aws_sdk_kms::Client::new(&config.to_builder().region(Region::new(region.to_owned())).build()))
            }
            Err(error) => Err(error.code().unwrap().to_owned()),
        };
        self.callers.insert(who.to_owned(), client);
    }

    async fn wrap(&mut self, name: &str, who: &str, key: &str, context: &str) {
        let client = self.callers[who].as_ref().unwrap();
        let request = client.generate_data_key().key_id(key).key_spec(DataKeySpec::Aes256);
        let made = request.encryption_context("tenant", context).send().await.unwrap();
        self.wrapped.insert(name.to_owned(), made.ciphertext_blob.unwrap());
    }

    async fn point(&self, alias: &str, key: &str) {
        self.office.kms(HOME).update_alias().alias_name(alias).target_key_id(&self.keys[key]).send().await.unwrap();
    }

    async fn put_policy(&self, key: &str, policy: String) {
        self.office.kms(HOME).put_key_policy().key_id(&self.keys[key]).policy(policy).send().await.unwrap();
    }

    /// Lets the role use a key by a grant; afterwards the key has `policy`.
    async fn grant(&self, key: &str, policy: String) {
        let open =
            json!({ "Effect": "Allow", "Principal": { "AWS": "111111111111" }, "Action": "kms:*", "Resource": "*" });
        self.put_policy(key, document(json!([open])).to_string()).await;
        let role = if key.starts_with("copied") { "CopiedKeys" } else { "TenantKeys" };
        let request =
            self.office.kms(HOME).create_grant().key_id(&self.keys[key]).operations(GrantOperation::GenerateDataKey);
        request.grantee_principal(format!("arn:aws:iam::111111111111:role/{role}")).send().await.unwrap();
        self.put_policy(key, policy).await;
    }

    /// What a caller is answered: `yes`, or an error code.
    pub(crate) async fn ask(&self, who: &str, does: &str, key: &str, context: &str) -> String {
        let client = match self.callers.get(who).unwrap_or_else(|| panic!("nobody is {who}")) {
            Ok(client) => client,
            Err(code) => return code.clone(),
        };
        let key = self.keys.iter().fold(key.to_owned(), |key, (name, id)| key.replace(&format!("{{{name}}}"), id));
        assert!(!key.contains('{'), "{key} names no key of the scene");
        let key = Some(key).filter(|key| key != "-");
        let (tenant, further) = context.strip_suffix('+').map_or((context, false), |tenant| (tenant, true));
        let mut pairs = HashMap::new();
        if tenant != "-" {
            pairs.insert("tenant".to_owned(), tenant.to_owned());
        }
        if further {
            pairs.insert("env".to_owned(), "prod".to_owned());
        }
        let pairs = Some(pairs);
        // Of which data key: that of the tenant in the context, in the world of the caller.
        let (does, of) = does.split_once(' ').unwrap_or((does, tenant));
        let world = who
            .split_once(' ')
            .map(|(world, _)| world)
            .filter(|world| ["copied", "by-aliases", "by-tag"].contains(world));
        let blob = || self.wrapped[&world.map_or(of.to_owned(), |world| format!("{world} {of}"))].clone();
        let blob = || {
            if key.as_ref().is_some_and(|key| key.starts_with("alias/copied")) && world.is_none() {
                self.wrapped[&format!("copied {of}")].clone()
            } else {
                blob()
            }
        };
        match does {
            "make" | "try" => {
                let request = client.generate_data_key().set_key_id(key).key_spec(DataKeySpec::Aes256);
                answer(request.set_encryption_context(pairs).dry_run(does == "try").send().await)
            }
            "open" => answer(
                client
                    .decrypt()
                    .set_key_id(key.clone())
                    .ciphertext_blob(blob())
                    .set_encryption_context(pairs)
                    .send()
                    .await,
            ),
            "encrypt" => answer(
                client.encrypt().set_key_id(key).plaintext(Blob::new("x")).set_encryption_context(pairs).send().await,
            ),
            "rewrap" => {
                let request = client.re_encrypt().ciphertext_blob(blob()).set_source_key_id(key.clone());
                let request = request.set_destination_key_id(key.clone()).set_source_encryption_context(pairs.clone());
                answer(request.set_destination_encryption_context(pairs).send().await)
            }
            "describe" => answer(client.describe_key().set_key_id(key).send().await),
            "grant" => {
                let request = client.create_grant().set_key_id(key).operations(GrantOperation::Decrypt);
                answer(request.grantee_principal("arn:aws:iam::111111111111:role/TenantKeys").send().await)
            }
            "disable" => match answer(client.disable_key().set_key_id(key.clone()).send().await) {
                yes if yes == "yes" => answer(client.enable_key().set_key_id(key).send().await),
                refused => refused,
            },
            other => panic!("nobody does {other}"),
        }
    }
}

/// A statement that lets one session in by its own ARN: a mistake, as no session policy limits it.
fn names_a_session(role: &str, session: &str) -> Value {
    json!({ "Effect": "Allow", "Action": "kms:GenerateDataKey", "Resource": "*",
        "Principal": { "AWS": format!("arn:aws:sts::111111111111:assumed-role/{role}/{session}") } })
}

fn key_id(entry: tenantseal_tenants::Entry) -> String {
    entry.current().unwrap().key.key_id().to_owned()
}

fn answer<T, E: ProvideErrorMetadata, R>(result: Result<T, SdkError<E, R>>) -> String {
    match result {
        Ok(_) => "yes".to_owned(),
        Err(error) => error.code().unwrap_or("no answer").to_owned(),
    }
}
