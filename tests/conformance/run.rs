//! Running the cases on one server with both clients, and comparing what they brought.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Builder as ConfigBuilder;
use serde_json::Value;
use tenantseal::{TenantId, TenantSeal};

use super::case::{Case, Expect};
use super::ctx::{Ctx, notes};
use super::differences::{Difference, Tenant, Wrong};
use super::halved::Halved;
use super::outcome::Outcome;
use super::tables::{self, NOTES, SHARED, TENANT};
use crate::common::{ROLE, World};

/// A server of DynamoDB. Keys are always those of the local stack.
pub struct Server {
    world: World,
    /// Where it listens, unless it is the local stack's.
    endpoint: Option<String>,
}

impl Server {
    pub async fn local() -> Self {
        Self { world: World::start(&[TENANT]).await, endpoint: None }
    }

    pub async fn second(endpoint: &str) -> Self {
        Self { world: World::start(&[TENANT]).await, endpoint: Some(endpoint.to_owned()) }
    }

    /// Runs each case with a plain client and with the tenant's, in tables of each one's own.
    pub async fn run(&self, cases: Vec<Case>) -> Vec<Compared> {
        let run = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
        let (plain, sealed) = (format!("{run:x}-p-"), format!("{run:x}-t-"));
        let admin = self.plain(false);
        let mut created = Vec::new();
        let mut seal = TenantSeal::builder().assume_role(ROLE);
        let alone = cases.iter().enumerate().filter(|(_, case)| case.alone).map(|(number, _)| own(number));
        for logical in SHARED.map(str::to_owned).into_iter().chain(alone) {
            for prefix in [&plain, &sealed] {
                let physical = format!("{prefix}{logical}");
                tables::create(&admin, &physical, &logical).await;
                created.push(physical);
            }
            seal = seal.table(tables::schema(&logical)).table_name(&logical, format!("{sealed}{logical}"));
        }
        let seal = seal.build(&self.world.app).unwrap();
        // Whole, and halved.
        let plains = [false, true].map(|halved| self.plain(halved));
        let tenants = [false, true].map(|halved| self.tenants(&seal, halved));
        let mut outcomes = Vec::new();
        for (number, case) in cases.into_iter().enumerate() {
            let ctx = |prefix: &str| {
                let own = case.alone.then(|| own(number));
                Ctx { prefix: prefix.to_owned(), number, notes: notes(prefix, own.as_deref()) }
            };
            let of_plain = one(&case, &plains[usize::from(case.halved)], ctx(&plain)).await;
            let of_tenant = one(&case, &tenants[usize::from(case.halved)], ctx(&sealed)).await;
            outcomes.push(Compared { case, plain: of_plain, tenant: of_tenant });
        }
        for table in created {
            admin.delete_table().table_name(table).send().await.unwrap();
        }
        outcomes
    }

    fn plain(&self, halved: bool) -> Client {
        Client::from_conf(self.config(halved).build())
    }

    fn tenants(&self, seal: &TenantSeal, halved: bool) -> Client {
        let tenant = seal.tenant(&TenantId::parse(TENANT).unwrap());
        match (&self.endpoint, halved) {
            (None, false) => tenant.dynamodb(),
            _ => tenant.dynamodb_with(self.config(halved)),
        }
    }

    fn config(&self, halved: bool) -> ConfigBuilder {
        let mut config = ConfigBuilder::from(&self.world.app);
        if let Some(endpoint) = &self.endpoint {
            config = config.endpoint_url(endpoint);
        }
        if halved {
            config.set_http_client(Some(Halved::client()));
        }
        config
    }
}

/// The logical name of a case's own table.
fn own(number: usize) -> String {
    format!("{NOTES}{number}")
}

/// Runs a case; tables are called by the names that both sides have in common.
async fn one(case: &Case, client: &Client, ctx: Ctx) -> Outcome {
    let outcome = (case.run)(client, &ctx).await;
    let text = Value::from(outcome).to_string().replace(&ctx.prefix, "");
    serde_json::from_str(&text).unwrap()
}

/// What one case brought on one server.
pub struct Compared {
    pub case: Case,
    pub plain: Outcome,
    pub tenant: Outcome,
}

impl Compared {
    /// What is not as the case says on `server`, except for what is listed of it.
    ///
    /// `local` is what the same case brought on the local server, if that is another one.
    pub fn faults(&self, server: Wrong, local: Option<&Self>) -> Vec<String> {
        let Self { case, plain, tenant } = self;
        let listed = Difference::of(&case.name).filter(|listed| listed.wrong == server || listed.wrong == Wrong::Both);
        let mut faults = Vec::new();
        let errors: BTreeSet<_> = plain.iter().filter_map(|step| step["error"].as_str()).collect();
        let as_declared = errors.iter().eq(case.error.as_ref());
        if listed.is_none() && !as_declared {
            faults.push(format!("a plain client got the errors {errors:?}, not {:?}", case.error));
        }
        if plain.iter().any(|step| step.get("failed").is_some()) {
            faults.push("a plain client failed".to_owned());
        }
        let right: Outcome = match listed.map(|listed| listed.tenant) {
            None | Some(Tenant::AsPlain | Tenant::NotRefused) => plain.clone(),
            Some(Tenant::AsLocal) => local.map_or_else(|| plain.clone(), |local| local.plain.clone()),
            Some(Tenant::Brings(steps)) => serde_json::from_str(steps).unwrap(),
        };
        let mut refused = false;
        for ((plain, right), tenant) in plain.iter().zip(&right).zip(tenant) {
            let as_expected = match (case.expect, tenant["refused"].as_str()) {
                (Expect::Refused(expected), Some(refusal)) => expected == refusal,
                (Expect::Invalid(expected), Some(refusal)) => {
                    expected == refusal && (plain["error"] == "ValidationException" || listed.is_some())
                }
                _ => false,
            };
            refused |= as_expected;
            if !as_expected && right != tenant {
                faults.push(format!("expected {:?}\n     right {right}\n    tenant {tenant}", case.expect));
            }
        }
        if plain.len() != tenant.len() || right.len() != tenant.len() {
            faults.push("one of the two took more steps than the other".to_owned());
        }
        let refusal_is_due =
            case.expect != Expect::Same && listed.map(|listed| listed.tenant) != Some(Tenant::NotRefused);
        if refusal_is_due != refused {
            faults.push(format!("expected {:?}, and refused was {refused}", case.expect));
        }
        faults.iter().map(|fault| format!("{}: {fault}", case.name)).collect()
    }

    /// Where the plain results on two servers differ and it is not listed, or do not and it is.
    pub fn difference(&self, second: &Self) -> Option<String> {
        let listed = Difference::of(&self.case.name)
            .is_some_and(|listed| listed.wrong != Wrong::Both && listed.tenant != Tenant::NotRefused);
        match (self.plain == second.plain, listed) {
            (true, false) | (false, true) => None,
            (true, true) => Some(format!("{}: the servers do not differ, but it is listed", self.case.name)),
            (false, false) => {
                let mut fault = format!("{}: the servers differ", self.case.name);
                for (local, second) in self.plain.iter().zip(&second.plain).filter(|(local, second)| local != second) {
                    fault.push_str(&format!("\n     local {local}\n    second {second}"));
                }
                Some(fault)
            }
        }
    }
}

/// Prints what was run, and fails with all faults at once.
pub fn report(server: &str, outcomes: &[Compared], faults: Vec<String>) {
    let refused = outcomes.iter().filter(|outcome| matches!(outcome.case.expect, Expect::Refused(_))).count();
    let invalid = outcomes.iter().filter(|outcome| matches!(outcome.case.expect, Expect::Invalid(_))).count();
    let same = outcomes.len() - refused - invalid;
    println!(
        "{server}: {} cases: {same} the same, {refused} refused, {invalid} refused before DynamoDB would",
        outcomes.len()
    );
    if super::suite::is_choice() {
        for Compared { case, plain, tenant } in outcomes {
            println!(
                "{}\n     plain {}\n    tenant {}",
                case.name,
                Value::from(plain.clone()),
                Value::from(tenant.clone())
            );
        }
    }
    assert!(faults.is_empty(), "{} faults on {server}:\n{}", faults.len(), faults.join("\n"));
}
