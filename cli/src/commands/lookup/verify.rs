//! `lookup verify`: whether stored tokens are those of the values that they lie beside.

use std::collections::BTreeMap;

use clap::Args;
use serde::Serialize;
use serde_json::json;
use tenantseal::schema::TokenState;
use tenantseal::{Item, Tenant, TenantId, TenantSeal};

use crate::args::{pair, tenant};
use crate::aws;
use crate::errors::{Exit, Failure, Result, chain};
use crate::locked::LockedTable;
use crate::output::{BAD, DIM, GOOD, Output, count, table};
use crate::service;
use crate::settings::Settings;
use crate::tenant_items::TenantItems;
use crate::visible::Visible;

/// The findings that are kept of one run; the rest are counted.
const MAX_LISTED: usize = 100;

/// Open a sample of items as a service does, make their tokens again, and compare.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    table: LockedTable,
    /// A tenant whose items are read (repeat it) [default: the active tenants of the registry]
    #[arg(long = "tenant", value_name = "TENANT", value_parser = tenant)]
    tenants: Vec<TenantId>,
    /// How many items to read at most of each tenant
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    sample: u32,
    /// A static pair of the services' encryption context (repeat it)
    #[arg(long = "context", value_name = "NAME=VALUE", value_parser = pair)]
    context: Vec<(String, String)>,
}

/// An item with something wrong.
#[derive(Debug, Serialize)]
struct Finding {
    tenant: TenantId,
    key: BTreeMap<String, serde_dynamo::AttributeValue>,
    /// The lookup; absent when the item does not open.
    lookup: Option<String>,
    wrong: String,
}

/// The outcome so far.
#[derive(Debug, Default, Serialize)]
struct Verified {
    items: u64,
    not_opened: u64,
    /// By lookup and state.
    lookups: BTreeMap<String, BTreeMap<&'static str, u64>>,
    /// At most 100 of them.
    findings: Vec<Finding>,
    /// Tenants whose items could not be verified, and why.
    tenants_not_verified: BTreeMap<String, String>,
    /// Lookups whose forms are in the application alone.
    not_checked: Vec<String>,
}

impl Verify {
    pub(crate) async fn run(self, settings: &Settings, output: &Output) -> Result<Exit> {
        let Self { table, tenants, sample, context } = self;
        let locked = table.read()?;
        let tenants = if tenants.is_empty() { service::active_tenants(settings).await? } else { tenants };
        let config = aws::service(settings).await;
        aws::region(&config)?;
        if settings.key_table.is_none() {
            return Err(Failure::usage("in which table are the lookup keys?")
                .help("give --key-table, TENANTSEAL_KEY_TABLE, or `key_table` in tenantseal.toml"));
        }
        let builder = service::builder(settings, &config, &locked, context)?.makes_no_lookup_keys();
        let seal = service::build(builder, &config)?;
        let stored = TenantItems::of(&config, &locked.physical, locked.schema.tenant().clone()).await?;
        let progress = output.progress_of(tenants.len() as u64, format!("verifying {}", locked.physical));
        let mut verified = Verified { not_checked: locked.left_out, ..Verified::default() };
        let verifying =
            Verifying { seal: &seal, table: locked.schema.name(), stored: &stored, sample: sample as usize };
        if stored.needs_a_scan() {
            verified.add_all(&verifying, &tenants).await?;
        } else {
            for tenant in &tenants {
                progress.step(tenant.to_string());
                verified.add(&verifying, tenant).await?;
            }
        }
        drop(progress);
        let data = json!({ "table": locked.schema.name(), "physical": locked.physical, "tenants": tenants.len() });
        let data = merged(data, &verified)?;
        output.answer(verified.describe(), &data)?;
        Ok(if verified.is_right() { Exit::Done } else { Exit::Findings })
    }
}

fn merged(mut data: serde_json::Value, verified: &Verified) -> Result<serde_json::Value> {
    let own = serde_json::to_value(verified).map_err(|error| Failure::new(Exit::Findings, error.to_string()))?;
    if let (Some(data), serde_json::Value::Object(own)) = (data.as_object_mut(), own) {
        data.extend(own);
    }
    Ok(data)
}

/// Whose items are verified, and where.
struct Verifying<'a> {
    seal: &'a TenantSeal,
    /// The table's logical name.
    table: &'a str,
    stored: &'a TenantItems,
    /// The most items of a tenant.
    sample: usize,
}

impl Verified {
    /// Verifies a sample of one tenant's items.
    async fn add(&mut self, verifying: &Verifying<'_>, tenant: &TenantId) -> Result<()> {
        let (mut left, mut start) = (verifying.sample, None);
        loop {
            let (mut items, next) = verifying.stored.page(tenant, start).await?;
            items.truncate(left);
            left -= items.len();
            start = next;
            if !self.add_some(verifying, tenant, items).await || left == 0 || start.is_none() {
                return Ok(());
            }
        }
    }

    /// Verifies samples of these tenants in one pass over the table.
    async fn add_all(&mut self, verifying: &Verifying<'_>, tenants: &[TenantId]) -> Result<()> {
        let mut left: BTreeMap<_, _> = tenants.iter().map(|tenant| (tenant, verifying.sample)).collect();
        let mut start = None;
        loop {
            let (items, next) = verifying.stored.any_page(start).await?;
            let mut by_tenant: BTreeMap<TenantId, Vec<Item>> = BTreeMap::new();
            for (tenant, item) in items {
                let Some(tenant) = tenant else { continue };
                let Some(left) = left.get_mut(&tenant).filter(|left| **left > 0) else { continue };
                *left -= 1;
                by_tenant.entry(tenant).or_default().push(item);
            }
            for (tenant, items) in by_tenant {
                if !self.add_some(verifying, &tenant, items).await {
                    left.remove(&tenant);
                }
            }
            start = next;
            if start.is_none() || left.values().all(|left| *left == 0) {
                return Ok(());
            }
        }
    }

    /// Verifies items of one tenant. Returns whether the tenant's items can be verified. A tenant without items has
    /// nothing wrong, and may have no key yet.
    async fn add_some(&mut self, verifying: &Verifying<'_>, tenant: &TenantId, items: Vec<Item>) -> bool {
        let Verifying { seal, table, stored, .. } = verifying;
        if items.is_empty() {
            return true;
        }
        match self.add_page(&seal.tenant(tenant), table, stored, items).await {
            Ok(()) => true,
            Err(why) => {
                self.tenants_not_verified.insert(tenant.to_string(), why);
                false
            }
        }
    }

    async fn add_page(
        &mut self,
        tenant: &Tenant,
        table: &str,
        stored: &TenantItems,
        items: Vec<Item>,
    ) -> Result<(), String> {
        let keys: Vec<_> = items.iter().map(|item| stored.key(item)).collect();
        let said = |error: &tenantseal::Error| chain(error).map(ToString::to_string).collect::<Vec<_>>().join(": ");
        let outcomes = tenant.verify_tokens(table, items).await.map_err(|error| said(&error))?;
        for (key, outcome) in keys.into_iter().zip(outcomes) {
            self.items += 1;
            match outcome {
                Err(error) => {
                    self.not_opened += 1;
                    self.list(tenant.id(), key, None, said(&error));
                }
                Ok(states) => {
                    for (lookup, state) in states {
                        let word = word(state);
                        *self.lookups.entry(lookup.clone()).or_default().entry(word).or_default() += 1;
                        if state != TokenState::Current {
                            self.list(tenant.id(), key.clone(), Some(lookup), word.to_owned());
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn list(
        &mut self,
        tenant: &TenantId,
        key: BTreeMap<String, serde_dynamo::AttributeValue>,
        lookup: Option<String>,
        wrong: String,
    ) {
        if self.findings.len() < MAX_LISTED {
            self.findings.push(Finding { tenant: tenant.clone(), key, lookup, wrong });
        }
    }

    /// Of nothing that was read nothing is known.
    fn is_right(&self) -> bool {
        self.items > 0 && self.findings.is_empty() && self.tenants_not_verified.is_empty()
    }

    /// For people.
    fn describe(&self) -> String {
        let states = ["current", "stale", "other_key", "missing", "left_over"];
        let head = ["lookup", "right", "stale", "of another key", "missing", "left over"];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        rows.extend(self.lookups.iter().map(|(name, seen)| {
            let figures = states.map(|state| count(seen.get(state).copied().unwrap_or_default() as f64));
            std::iter::once(name.clone()).chain(figures).collect()
        }));
        let mut text = if self.lookups.is_empty() { String::new() } else { table(&rows) };
        text += &format!("{} items sampled, {} not opened\n", count(self.items as f64), count(self.not_opened as f64));
        for Finding { tenant, key, lookup, wrong } in &self.findings {
            let key = serde_json::to_string(key).unwrap_or_default();
            let what = lookup.as_ref().map_or_else(String::new, |lookup| format!("lookup {lookup}: "));
            text += &format!("{BAD}✗{BAD:#} {tenant} {} {}{}\n", Visible(key), Visible(what), Visible(wrong));
        }
        for (tenant, why) in &self.tenants_not_verified {
            text += &format!("{BAD}✗{BAD:#} {} could not be verified: {}\n", Visible(tenant), Visible(why));
        }
        for lookup in &self.not_checked {
            text += &format!("{DIM}- not checked: lookup {}: its form is in your code{DIM:#}\n", Visible(lookup));
        }
        if self.items == 0 && self.tenants_not_verified.is_empty() {
            text += &format!("{BAD}✗{BAD:#} no item was read: check --physical, --table and --tenant\n");
        }
        let checked = if self.not_checked.is_empty() { "token" } else { "token that was checked" };
        if self.is_right() { text + &format!("{GOOD}✓{GOOD:#} every {checked} is right\n") } else { text }
    }
}

fn word(state: TokenState) -> &'static str {
    match state {
        TokenState::Current => "current",
        TokenState::Stale => "stale",
        TokenState::OtherKey => "other_key",
        TokenState::Missing => "missing",
        TokenState::LeftOver => "left_over",
        _ => "unknown",
    }
}
