//! `lookup show`: what any reader of a table sees of its lookups. It needs no key.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, KeySchemaElement, Projection, ProjectionType, TableDescription};
use clap::Args;
use serde::Serialize;
use tenantseal::Item;
use tenantseal::inspect::HEADER;
use tenantseal::schema::TenantTemplate;

use crate::aws;
use crate::errors::{Exit, Failure, Result};
use crate::output::{BOLD, DIM, Output, WARN, count, table};
use crate::settings::Settings;
use crate::visible::Visible;

/// What the names of attributes with tokens begin with.
const TOKENS: &str = "_seal_by_";
/// The letters of a token that say under which key and definition it was made.
const MARK: usize = 2;

/// The most tenants, lookups and different tokens that are counted: some 400 MB.
const MOST: usize = 10_000_000;

/// Show what any reader of a table sees of its lookups: equal tokens are equal values.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The table
    #[arg(long)]
    table: String,
    /// How the table's partition key contains the tenant
    #[arg(long, default_value = "{tenant}", value_name = "TEMPLATE")]
    partition_key: String,
    /// Read no more than this many items
    #[arg(long, value_name = "ITEMS", value_parser = clap::value_parser!(u64).range(1..))]
    sample: Option<u64>,
}

/// The answer.
#[derive(Debug, Serialize)]
struct Shown {
    table: String,
    /// Items that were read.
    items: u64,
    /// Whether these are all.
    complete: bool,
    /// Items whose partition key shows no tenant.
    of_no_tenant: u64,
    lookups: Vec<Seen>,
    indexes: Vec<Index>,
}

/// One lookup of one tenant.
#[derive(Debug, Serialize)]
struct Seen {
    tenant: String,
    lookup: String,
    /// Items with a token.
    items: u64,
    /// Items of the tenant without one.
    without: u64,
    distinct: u64,
    /// Items with the commonest token.
    largest: u64,
    /// Items by the marks of their tokens. More than one mark: tokens were made under several keys or definitions.
    marks: BTreeMap<String, u64>,
    /// Items whose token is not one of the tenant's.
    foreign: u64,
}

/// An index whose key is a token.
#[derive(Debug, Serialize)]
struct Index {
    index: String,
    lookup: String,
    /// What it does not project, of what every lookup needs.
    lacks: Vec<String>,
}

impl Show {
    pub(crate) async fn run(self, settings: &Settings, output: &Output) -> Result<Exit> {
        let template = TenantTemplate::parse(&self.partition_key)
            .map_err(|error| Failure::usage(format!("--partition-key `{}`: {error}", self.partition_key)))?;
        let config = aws::operator(settings).await;
        aws::region(&config)?;
        let client = Client::new(&config);
        let described = client.describe_table().table_name(&self.table).send().await;
        let described = described.map_err(|error| Failure::aws("DescribeTable", &error))?.table;
        let described = described.unwrap_or_else(|| TableDescription::builder().build());
        let keys = described.key_schema();
        let partition = keys.iter().find(|key| key.key_type == aws_sdk_dynamodb::types::KeyType::Hash);
        let partition = partition.map(|key| key.attribute_name.clone());
        let partition =
            partition.ok_or_else(|| Failure::new(Exit::Aws, format!("DescribeTable: `{}` has no keys", self.table)))?;
        let counted = self.count(&client, &described, &partition, &template, output).await?;
        let shown = Shown { indexes: indexes(&described), ..counted };
        output.answer(shown.text(), &shown)?;
        output.say(format_args!(
            "{DIM}Whoever reads the table sees this. Equal tokens of a tenant are equal values, unless the lookup keeps \
             few bits.{DIM:#}"
        ));
        Ok(Exit::Done)
    }

    /// Reads the table, or a sample of it.
    async fn count(
        &self,
        client: &Client,
        described: &TableDescription,
        partition: &str,
        template: &TenantTemplate,
        output: &Output,
    ) -> Result<Shown> {
        let sample = self.sample.unwrap_or(u64::MAX);
        // DynamoDB counts items every six hours or so.
        let expected = u64::try_from(described.item_count.unwrap_or_default()).unwrap_or_default();
        let progress = output.progress_of(expected.min(sample), format!("reading {}", self.table));
        let mut census = Census::default();
        let mut start = None;
        loop {
            let left = sample - census.items;
            let limit = i32::try_from(left).ok().filter(|_| self.sample.is_some());
            let scan = client.scan().table_name(&self.table).set_limit(limit).set_exclusive_start_key(start);
            let page = scan.send().await.map_err(|error| Failure::aws("Scan", &error))?;
            let items = page.items.unwrap_or_default();
            progress.advance(items.len() as u64);
            items.iter().for_each(|item| census.add(partition, template, item));
            if census.kept > MOST {
                return Err(Failure::new(Exit::Findings, format!("more than {} different tokens", count(MOST as f64)))
                    .help("give --sample, a number of items, and the command counts those"));
            }
            start = page.last_evaluated_key.filter(|key| !key.is_empty());
            if start.is_none() || census.items >= sample {
                break;
            }
        }
        Ok(Shown {
            table: self.table.clone(),
            items: census.items,
            complete: start.is_none(),
            of_no_tenant: census.of_no_tenant,
            lookups: census.into_seen(),
            indexes: Vec::new(),
        })
    }
}

/// What was read so far.
#[derive(Debug, Default)]
struct Census {
    items: u64,
    of_no_tenant: u64,
    /// Items of each tenant.
    tenants: BTreeMap<String, u64>,
    lookups: BTreeMap<(String, String), Tokens>,
    /// How many tenants, lookups and different tokens there are.
    kept: usize,
    /// Tokens are counted by their hashes. Nobody who writes the table knows this key.
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Tokens {
    items: u64,
    foreign: u64,
    marks: BTreeMap<String, u64>,
    groups: HashMap<u64, u64>,
}

impl Census {
    fn add(&mut self, partition: &str, template: &TenantTemplate, item: &Item) {
        self.items += 1;
        let value = item.get(partition).and_then(|value| value.as_s().ok());
        let Some(tenant) = value.and_then(|value| template.tenant_of(value)) else {
            self.of_no_tenant += 1;
            return;
        };
        let of_tenant = self.tenants.entry(tenant.to_string()).or_default();
        self.kept += usize::from(*of_tenant == 0);
        *of_tenant += 1;
        let own = format!("{}.", template.render(&tenant));
        for (name, value) in item {
            let Some(lookup) = name.strip_prefix(TOKENS) else { continue };
            let seen = self.lookups.entry((tenant.to_string(), lookup.to_owned())).or_default();
            let known = seen.groups.len();
            self.kept += usize::from(seen.items == 0);
            seen.add(&own, value, &self.hasher);
            self.kept += seen.groups.len() - known;
        }
    }

    fn into_seen(self) -> Vec<Seen> {
        let Self { tenants, lookups, .. } = self;
        let seen = lookups.into_iter().map(|((tenant, lookup), tokens)| {
            let of_tenant = tenants.get(&tenant).copied().unwrap_or_default();
            Seen {
                items: tokens.items,
                without: of_tenant.saturating_sub(tokens.items),
                distinct: tokens.groups.len() as u64,
                largest: tokens.groups.values().copied().max().unwrap_or_default(),
                marks: tokens.marks,
                foreign: tokens.foreign,
                tenant,
                lookup,
            }
        });
        seen.collect()
    }
}

impl Tokens {
    fn add<'v>(&mut self, own: &str, value: &'v AttributeValue, hasher: &RandomState) {
        self.items += 1;
        let tokens: &'v [String] = match value {
            AttributeValue::S(token) => std::slice::from_ref(token),
            AttributeValue::Ss(tokens) => tokens,
            _ => &[],
        };
        let is_letter = |letter: u8| letter.is_ascii_alphanumeric() || matches!(letter, b'-' | b'_');
        let tag = |token: &'v String| token.strip_prefix(own).filter(|tag| tag.bytes().all(is_letter));
        let tags: Option<Vec<&str>> = tokens.iter().map(tag).collect();
        let marks = tags.as_ref().and_then(|tags| {
            tags.iter().map(|tag| tag.get(..MARK)).collect::<Option<BTreeSet<_>>>().filter(|marks| !marks.is_empty())
        });
        let Some(marks) = marks else {
            self.foreign += 1;
            return;
        };
        marks.into_iter().for_each(|mark| *self.marks.entry(mark.to_owned()).or_default() += 1);
        for tag in tags.into_iter().flatten() {
            *self.groups.entry(hasher.hash_one(tag)).or_default() += 1;
        }
    }
}

/// The indexes whose key is a token, and what they lack. Which attributes a lookup is made of is in code alone.
fn indexes(table: &TableDescription) -> Vec<Index> {
    let of = |name: Option<&str>, keys: &[KeySchemaElement], projection: Option<&Projection>| {
        let token = keys.iter().find_map(|key| key.attribute_name.strip_prefix(TOKENS))?;
        let is_projected = |attribute: &str| {
            projection.is_some_and(|projection| {
                projection.projection_type() == Some(&ProjectionType::All)
                    || projection.non_key_attributes().iter().any(|projected| projected == attribute)
            })
        };
        let lacks = [HEADER].into_iter().filter(|attribute| !is_projected(attribute)).map(str::to_owned).collect();
        Some(Index { index: name.unwrap_or_default().to_owned(), lookup: token.to_owned(), lacks })
    };
    let global = table.global_secondary_indexes().iter();
    let global = global.filter_map(|index| of(index.index_name(), index.key_schema(), index.projection()));
    let local = table.local_secondary_indexes().iter();
    let local = local.filter_map(|index| of(index.index_name(), index.key_schema(), index.projection()));
    let mut indexes: Vec<_> = global.chain(local).collect();
    indexes.sort_by(|a, b| a.index.cmp(&b.index));
    indexes
}

impl Shown {
    fn text(&self) -> String {
        let heading = ["tenant", "lookup", "items", "without", "distinct", "largest", "marks"];
        let mut rows = vec![heading.map(str::to_owned).to_vec()];
        for seen in &self.lookups {
            let mut marks: Vec<_> = seen.marks.keys().cloned().collect();
            if seen.foreign > 0 {
                marks.push(format!("{} not the tenant's", seen.foreign));
            }
            let figures = [seen.items, seen.without, seen.distinct, seen.largest].map(|figure| count(figure as f64));
            rows.push(
                [vec![seen.tenant.clone(), seen.lookup.clone()], figures.to_vec(), vec![marks.join(", ")]].concat(),
            );
        }
        let all = if self.complete { "all" } else { "a sample" };
        let items = count(self.items as f64);
        let mut text = format!("{BOLD}{}{BOLD:#}: {items} items, {all} of the table\n\n", Visible(&self.table));
        match rows.len() {
            1 => text.push_str("No item has a token of a lookup.\n"),
            _ => text.push_str(&table(&rows)),
        }
        if self.of_no_tenant > 0 {
            let others = count(self.of_no_tenant as f64);
            text.push_str(&format!("{WARN}{others} items show no tenant in their partition key{WARN:#}\n"));
        }
        if !self.indexes.is_empty() {
            let mut rows = vec![["index", "lookup", "lacks"].map(str::to_owned).to_vec()];
            rows.extend(self.indexes.iter().map(|index| {
                let lacks = if index.lacks.is_empty() { "-".to_owned() } else { index.lacks.join(", ") };
                vec![index.index.clone(), index.lookup.clone(), lacks]
            }));
            text.push_str(&format!("\n{}", table(&rows)));
        }
        text
    }
}
