//! A tenant's client with lookups answers as a plain client that stores everything as it is.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Builder as ConfigBuilder;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::{
    AttributeValue, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, LocalSecondaryIndex, Projection,
    ProjectionType, Select,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tenantseal::Item;
use tenantseal::schema::{Form, Lookup, LookupBuilder, TableSchema};

use super::scene::{TABLE, attribute, attributes, builder, contact, key, key_of, set};
use crate::common::{World, id, s};
use crate::conformance::SECOND;

/// One request; the values are places in small lists, so that some of them find something.
#[derive(Debug, Clone)]
enum Request {
    Put { contact: usize, email: Option<usize>, phone: Option<usize>, name: usize, condition: Option<(usize, usize)> },
    Update { contact: usize, email: usize, condition: (usize, usize) },
    Delete { contact: usize, condition: (usize, usize) },
    Read(Read),
}

/// A query of an index, or a scan.
#[derive(Debug, Clone)]
struct Read {
    key: Option<(bool, usize)>,
    /// How many keys of the index behind these are tested, where it has any.
    more: usize,
    filters: Vec<(usize, usize)>,
    limit: Option<i32>,
    projection: usize,
    count: bool,
}

const EMAILS: [&str; 4] = ["ada@x.org", "eve@x.org", "bob@x.org", "nobody@x.org"];
const NAMES: [&str; 6] = ["ada", "adam", "eve", "bo", "bob", "zoe"];
const PROJECTIONS: [Option<&str>; 4] = [None, Some("contact_id"), Some("email, contact_id"), Some("#s, phone")];
/// Conditions of writes that exact lookups decide.
const CONDITIONS: [&str; 5] =
    ["email = :c", "email <> :c", "NOT email IN (:c)", "email = :c OR attribute_not_exists(email)", "phone = :c"];
/// Filters, joined by `AND`.
const FILTERS: [&str; 8] = [
    "email = :f",
    "email IN (:f)",
    "phone = :f",
    "begins_with(last_name, :f)",
    "contains(tags, :f)",
    "attribute_exists(email)",
    "(#s = :f OR attribute_not_exists(phone))",
    ":f = email",
];

/// The value for a filter or condition.
fn value(expression: &str, at: usize) -> AttributeValue {
    s(match expression {
        _ if expression.contains("last_name") => NAMES[at % NAMES.len()],
        _ if expression.contains("tags") => ["vip", "press", "navy"][at % 3],
        _ if expression.contains("#s") => ["open", "closed"][at % 2],
        _ => EMAILS[at % EMAILS.len()],
    })
}

fn request() -> impl Strategy<Value = Request> {
    let (contact, email, name) = (0..8_usize, 0..EMAILS.len(), 0..NAMES.len());
    let condition = (0..CONDITIONS.len(), email.clone());
    let some = || proptest::option::of(0..EMAILS.len());
    let read = (proptest::option::of((any::<bool>(), email.clone())), vec((0..FILTERS.len(), 0..6_usize), 0..3));
    let read = (read, 0..3_usize);
    let read = (read, proptest::option::of(1..4_i32), 0..PROJECTIONS.len(), proptest::bool::weighted(0.2));
    prop_oneof![
        3 => (contact.clone(), some(), some(), name, proptest::option::of(condition.clone())).prop_map(
            |(contact, email, phone, name, condition)| Request::Put { contact, email, phone, name, condition }
        ),
        1 => (contact.clone(), email, condition.clone())
            .prop_map(|(contact, email, condition)| Request::Update { contact, email, condition }),
        1 => (contact, condition).prop_map(|(contact, condition)| Request::Delete { contact, condition }),
        4 => read.prop_map(|(((key, filters), more), limit, projection, count)| {
            Request::Read(Read { key, more, filters, limit, projection, count })
        }),
    ]
}

/// One side: a client and its table.
struct Side {
    db: Client,
    table: String,
    indexes: Indexes,
    /// Whether pages and counts are those of a plain client too, and not only what all pages bring.
    is_exact: bool,
}

/// What a request brings: its pages as counts, and all of its items.
#[derive(Debug, PartialEq)]
enum Outcome {
    Done,
    ConditionFailed,
    Found(Vec<(i32, i32)>, Vec<String>),
}

/// The outcome of a write.
fn written<T, E: ProvideErrorMetadata + std::fmt::Debug>(result: Result<T, E>) -> Outcome {
    match result {
        Ok(_) => Outcome::Done,
        Err(error) if error.code() == Some("ConditionalCheckFailedException") => Outcome::ConditionFailed,
        Err(error) => panic!("{error:?}"),
    }
}

impl Side {
    async fn run(&self, request: &Request) -> Outcome {
        let Self { db, table, .. } = self;
        let id = |contact: &usize| format!("c-{contact}");
        match request {
            Request::Put { contact: at, email, phone, name, condition } => {
                let tags = set(&["vip", ["press", "navy"][at % 2]]);
                let status = s(["open", "closed"][at % 2]);
                let mut item =
                    contact("acme", &id(at), [("last_name", s(NAMES[*name])), ("tags", tags), ("status", status)]);
                item.extend(email.map(|at| ("email".to_owned(), s(EMAILS[at]))));
                item.extend(phone.map(|at| ("phone".to_owned(), s(EMAILS[at]))));
                let mut request = db.put_item().table_name(table).set_item(Some(item));
                if let Some((condition, at)) = condition {
                    let condition = CONDITIONS[*condition];
                    request = request
                        .condition_expression(condition)
                        .expression_attribute_values(":c", value(condition, *at));
                }
                written(request.send().await)
            }
            Request::Update { contact, email, condition: (condition, at) } => {
                let condition = CONDITIONS[*condition];
                let request = db.update_item().table_name(table).set_key(Some(key("acme", &id(contact))));
                let request = request.update_expression("SET email = :e").condition_expression(condition);
                let request = request.expression_attribute_values(":e", s(EMAILS[*email]));
                written(request.expression_attribute_values(":c", value(condition, *at)).send().await)
            }
            Request::Delete { contact, condition: (condition, at) } => {
                let condition = CONDITIONS[*condition];
                let request = db.delete_item().table_name(table).set_key(Some(key("acme", &id(contact))));
                let request = request.condition_expression(condition);
                written(request.expression_attribute_values(":c", value(condition, *at)).send().await)
            }
            Request::Read(read) => self.read(read).await,
        }
    }

    async fn read(&self, read: &Read) -> Outcome {
        let mut values = BTreeMap::new();
        let filters = read.filters.iter().enumerate().map(|(place, (filter, at))| {
            let (filter, placeholder) = (FILTERS[*filter], format!(":f{place}"));
            // A filter may not test a key of the index.
            let is_key = match read.key {
                Some((true, _)) => filter.contains("email"),
                Some((false, _)) => filter.contains("phone"),
                None => false,
            };
            let is_behind = read.key.is_some() && self.indexes == Indexes::OfSeveral && filter.contains("#s");
            let filter = if is_key || is_behind { "attribute_exists(tags)" } else { filter };
            if filter.contains(":f") {
                values.insert(placeholder.clone(), value(filter, *at));
            }
            filter.replace(":f", &placeholder)
        });
        let filter = Some(filters.collect::<Vec<_>>().join(" AND ")).filter(|filter| !filter.is_empty());
        let cut = filter.as_ref().is_some_and(|filter| filter.contains("begins_with") || filter.contains("contains"));
        let select = (read.count && self.is_exact && !cut).then_some(Select::Count);
        let projection = PROJECTIONS[read.projection].filter(|_| select.is_none()).map(str::to_owned);
        let more = if self.indexes == Indexes::OfSeveral && read.key.is_some() { read.more } else { 0 };
        let tests = ["", " AND #s = :s", " AND #s = :s AND begins_with(contact_id, :c)"][more];
        if more > 0 {
            values.insert(":s".to_owned(), value("#s", read.filters.len()));
        }
        if more > 1 {
            values.insert(":c".to_owned(), s("c-"));
        }
        let names_status = more > 0 || filter.iter().chain(&projection).any(|expression| expression.contains("#s"));
        let names = names_status.then(|| [("#s".to_owned(), "status".to_owned())].into());
        let (mut pages, mut found, mut start) = (Vec::new(), Vec::new(), None);
        loop {
            let (items, counts, last) = match read.key {
                Some((by_email, at)) => {
                    let (index, condition) = match by_email {
                        true => ("by-email", "email = :k"),
                        false => ("by-phone", "tenant_id = :t AND phone = :k"),
                    };
                    values.insert(":k".to_owned(), s(EMAILS[at]));
                    if !by_email {
                        values.insert(":t".to_owned(), s("acme"));
                    }
                    let request = self.db.query().table_name(&self.table).index_name(index);
                    let local = (self.indexes == Indexes::Local && !by_email).then_some(true);
                    let condition = format!("{condition}{tests}");
                    let request = request.key_condition_expression(condition).set_consistent_read(local);
                    let request = request.set_filter_expression(filter.clone());
                    let request = request.set_expression_attribute_values(Some(values.clone().into_iter().collect()));
                    let request = request.set_expression_attribute_names(names.clone()).set_select(select.clone());
                    let request = request.set_projection_expression(projection.clone()).set_limit(read.limit);
                    let page = request.set_exclusive_start_key(start).send().await.unwrap();
                    (page.items, (page.count, page.scanned_count), page.last_evaluated_key)
                }
                None => {
                    let request = self.db.scan().table_name(&self.table).set_filter_expression(filter.clone());
                    let given = Some(values.clone().into_iter().collect()).filter(|_| !values.is_empty());
                    let request = request.set_expression_attribute_values(given).set_select(select.clone());
                    let request = request.set_expression_attribute_names(names.clone());
                    let request = request.set_projection_expression(projection.clone()).set_limit(read.limit);
                    let page = request.set_exclusive_start_key(start).send().await.unwrap();
                    (page.items, (page.count, page.scanned_count), page.last_evaluated_key)
                }
            };
            if select.is_none() {
                assert_eq!(usize::try_from(counts.0).unwrap(), items.iter().flatten().count());
            }
            found.extend(items.into_iter().flatten().map(shown));
            pages.push(counts);
            start = last;
            if start.is_none() {
                break;
            }
        }
        found.sort();
        Outcome::Found(if self.is_exact && !cut { pages } else { Vec::new() }, found)
    }
}

/// An item as text, with its attributes in their order.
fn shown(item: Item) -> String {
    let sorted = |value: AttributeValue| match value {
        AttributeValue::Ss(mut set) => {
            set.sort();
            AttributeValue::Ss(set)
        }
        value => value,
    };
    let attributes: BTreeMap<_, _> = item.into_iter().map(|(name, value)| (name, sorted(value))).collect();
    format!("{attributes:?}")
}

fn schema(bits: Option<u8>) -> TableSchema {
    let cut = |lookup: LookupBuilder<'static>| match bits {
        Some(bits) => lookup.bits(bits),
        None => lookup,
    };
    attributes()
        .lookup(cut(Lookup::on("email", Form::EXACT)).index("by-email"))
        .lookup(cut(Lookup::on("phone", Form::EXACT)).tenant_index("by-phone"))
        .lookup(Lookup::on("last_name", Form::EXACT).prefix(2).bits(4))
        .lookup(Lookup::on("tags", Form::EXACT).each().bits(6))
        .build()
        .unwrap()
}

/// Which keys the indexes `by-email` and `by-phone` have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Indexes {
    /// The token alone, or behind the table's partition key.
    Global,
    /// The same, and the second one is local: it is read consistently.
    Local,
    /// `status` and `contact_id` stand behind the token: keys of several attributes.
    OfSeveral,
}

impl Indexes {
    /// Creates a table in which these attributes are the first keys.
    async fn create(self, plain: &Client, table: &str, email: &str, phone: &str) {
        let names = ["tenant_id", "contact_id", email, phone];
        let names = names.into_iter().chain((self == Self::OfSeveral).then_some("status"));
        let definitions = names.map(attribute).collect();
        let (hash, range) = (|name: &str| key_of(name, KeyType::Hash), |name: &str| key_of(name, KeyType::Range));
        let behind = |names: &[&str]| match self {
            Self::OfSeveral => names.iter().copied().map(range).collect(),
            _ => Vec::new(),
        };
        let by_email = [vec![hash(email)], behind(&["status", "contact_id"])].concat();
        let by_phone = [vec![hash("tenant_id"), range(phone)], behind(&["status", "contact_id"])].concat();
        let request = plain.create_table().table_name(table).billing_mode(BillingMode::PayPerRequest);
        let request = request.set_attribute_definitions(Some(definitions));
        let request = request.key_schema(hash("tenant_id")).key_schema(range("contact_id"));
        let all = || Projection::builder().projection_type(ProjectionType::All).build();
        let global = |name: &str, keys: Vec<KeySchemaElement>| {
            let index = GlobalSecondaryIndex::builder().index_name(name).projection(all());
            index.set_key_schema(Some(keys)).build().unwrap()
        };
        let request = request.global_secondary_indexes(global("by-email", by_email));
        let request = if self == Self::Local {
            let index = LocalSecondaryIndex::builder().index_name("by-phone").projection(all());
            request.local_secondary_indexes(index.set_key_schema(Some(by_phone)).build().unwrap())
        } else {
            request.global_secondary_indexes(global("by-phone", by_phone))
        };
        request.send().await.unwrap();
    }
}

/// Compares on the local server, and on a second one where its endpoint is known.
fn compare(bits: Option<u8>, indexes: Indexes) {
    compare_on(None, bits, indexes);
    if let Ok(second) = std::env::var(SECOND) {
        compare_on(Some(&second), bits, indexes);
    }
}

/// Keys are always those of the local stack.
fn compare_on(server: Option<&str>, bits: Option<u8>, indexes: Indexes) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let run = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let [stored, as_it_is] = ["sealed", "plain"].map(|name| format!("{name}-{run:x}"));
    // The stack ends with its world.
    let (_world, sealed, plain) = runtime.block_on(async {
        let world = World::with_key_table(&["acme"]).await;
        let config = |config: ConfigBuilder| match server {
            Some(endpoint) => config.endpoint_url(endpoint),
            None => config,
        };
        let plain = Client::from_conf(config(world.plain.config().to_builder()).build());
        indexes.create(&plain, &stored, "_seal_by_email", "_seal_by_phone").await;
        indexes.create(&plain, &as_it_is, "email", "phone").await;
        let seal = builder(&world, schema(bits)).table_name(TABLE, &stored).build(&world.app).unwrap();
        let tenant = seal.tenant(&id("acme"));
        let db = match server {
            Some(_) => tenant.dynamodb_with(config(ConfigBuilder::from(&world.app))),
            None => {
                seal.check_tables().await.unwrap();
                tenant.dynamodb()
            }
        };
        let side = |db, table| Side { db, table, indexes, is_exact: bits.is_none() };
        (world, side(db, stored), side(plain, as_it_is))
    });
    let config = ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() };
    let outcome = TestRunner::new(config).run(&vec(request(), 1..25), |requests| {
        runtime.block_on(async {
            for request in &requests {
                // With few bits no lookup decides the condition of a write.
                let request = match (bits, request) {
                    (Some(_), Request::Put { contact, email, phone, name, .. }) => {
                        Request::Put { contact: *contact, email: *email, phone: *phone, name: *name, condition: None }
                    }
                    (Some(_), Request::Update { .. } | Request::Delete { .. }) => continue,
                    (_, request) => request.clone(),
                };
                assert_eq!(sealed.run(&request).await, plain.run(&request).await, "{request:?}");
            }
        });
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn exact_lookups_answer_as_plain_attributes_do_page_by_page() {
    compare(None, Indexes::Global);
}

#[test]
fn lookups_with_few_bits_bring_the_same_items_on_all_pages_together() {
    compare(Some(3), Indexes::Global);
}

#[test]
fn local_indexes_are_read_consistently_as_those_of_plain_attributes() {
    compare(None, Indexes::Local);
}

#[test]
fn tokens_before_other_keys_of_an_index_answer_as_plain_attributes_do() {
    compare(None, Indexes::OfSeveral);
    compare(Some(3), Indexes::OfSeveral);
}
