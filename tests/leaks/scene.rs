//! Canaries in every sensitive field of `acme`'s items, and what has seen them: the wire, the log, errors.
//!
//! The operations and the errors are read from the library's source: one that is added without a scenario is missed.

use std::collections::{BTreeSet, HashMap};
use std::error::Error as StdError;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{
    AttributeValue, Get, KeysAndAttributes, Projection, ProjectionType, Put, PutRequest, ReturnValue,
    ScalarAttributeType, SearchSchemaElement, SearchSchemaElementType, TransactGetItem, TransactWriteItem,
    VectorAttributeDefinition, VectorDistanceFunction, VectorIndex, WriteRequest,
};
use aws_types::SdkConfig;
use tenantseal::error::{OpenError, Refusal, SealError};
use tenantseal::keys::{DynamoDbKeyTable, InMemoryKeyTable, KeyTable};
use tenantseal::schema::TableSchema;
use tenantseal::{Error, Item, Tenant};

use crate::common::key_table::{KEY_TABLE, RECOVERABLE, key_table};
use crate::common::wire::{Reaction, Sent, Wire};
use crate::common::{Contact, Taps, World, canary, contact, id, key, s, tap};
use crate::errors::{Misread, everything};
use crate::repository::{Firm, Line, Person};
use crate::{assert_not_logged, log};

pub(crate) const TABLE: &str = "everything";
/// The encrypted attributes, by their types.
const TYPES: [&str; 10] = ["s", "n", "b", "bool", "null", "m", "l", "ss", "ns", "bs"];

pub(crate) type Failed = Box<dyn StdError + 'static>;
type Reactions = Arc<Mutex<HashMap<String, Box<dyn Fn() -> Reaction + Send>>>>;

/// What the library handles, in the words of its source.
pub(crate) fn handled() -> Vec<&'static str> {
    let list = include_str!("../../src/client/dispatch.rs").lines().filter(|line| !line.contains('$'));
    let paths = list.filter_map(|line| line.split_once(" => items!("));
    paths.map(|(path, _)| path.split_once("::{").unwrap().1.split_once(',').unwrap().0).collect()
}

/// The variants of an enum, in the words of its source.
pub(crate) fn variants(source: &'static str, name: &str) -> Vec<&'static str> {
    let body = source.split_once(&format!("pub enum {name} {{\n")).unwrap().1.split_once("\n}\n").unwrap().0;
    let names = body.lines().filter_map(|line| line.strip_prefix("    "));
    let names = names.filter(|line| line.starts_with(|first: char| first.is_ascii_uppercase()));
    names.map(|line| line.split(|next: char| !next.is_ascii_alphanumeric()).next().unwrap()).collect()
}

/// `acme` on the local stack, behind taps and a wire that can be told to fail.
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) taps: Taps,
    pub(crate) app: SdkConfig,
    reactions: Reactions,
    /// A text, and one of digits for numbers.
    pub(crate) canaries: [String; 2],
    /// What each failure showed, with its scenario.
    shown: Vec<(String, String)>,
    /// The variants of this library's errors that have been seen, each with its enum.
    seen: BTreeSet<(&'static str, String)>,
}

impl Scene {
    pub(crate) async fn set() -> Self {
        log();
        let world = World::start(&["acme", "globex"]).await;
        world.create_searched_table(TABLE, ScalarAttributeType::S, Some(near())).await;
        world.create_table("parties").await;
        let (taps, app) = world.tapped().await;
        let reactions = Reactions::default();
        let told = Arc::clone(&reactions);
        let wire =
            Wire::scripted(move |sent: &Sent, _| match (told.lock().unwrap().get(&sent.operation), &*sent.operation) {
                (Some(reaction), _) => reaction(),
                (None, "DescribeContinuousBackups") => Reaction::Answer(200, RECOVERABLE.to_owned()),
                (None, _) => Reaction::Forward,
            });
        let app = app.into_builder().http_client(wire).retry_config(RetryConfig::disabled()).build();
        let text = canary();
        // No zero at the end, which a number would lose.
        let digits = text.chars().filter(char::is_ascii_digit).chain(['7'; 20]).take(30);
        let digits = format!("8{}9", digits.collect::<String>());
        Self { world, taps, app, reactions, canaries: [text, digits], shown: Vec::new(), seen: BTreeSet::new() }
    }

    pub(crate) fn builder(&self) -> tenantseal::TenantSealBuilder {
        let schema = |table: &str| {
            let schema = TableSchema::builder(table).partition_key("tenant_id", "{tenant}").sort_key("contact_id");
            TYPES
                .iter()
                .fold(schema.plain("company").plain("near"), |schema, name| schema.encrypt(*name))
                .build()
                .unwrap()
        };
        let builder = self.world.builder().record::<Misread>().record::<Person>().record::<Firm>().record::<Line>();
        builder.table(schema(TABLE)).table(schema("missing"))
    }

    /// A tenant whose keys are not in any cache.
    pub(crate) fn cold(&self, tenant: &str) -> Tenant {
        self.builder().build(&self.app).unwrap().tenant(&id(tenant))
    }

    pub(crate) async fn create_key_table(&self) {
        key_table(&self.world.app).create_table().await.unwrap();
    }

    /// The same, which shares its keys and stores the items of [`TABLE`] compactly.
    pub(crate) fn compact(&self, tenant: &str) -> Tenant {
        let sharing = self.builder().key_table(DynamoDbKeyTable::new(&self.app, KEY_TABLE));
        sharing.compact(TABLE).build(&self.app).unwrap().tenant(&id(tenant))
    }

    /// The same, which adopts the items of [`TABLE`] under what lies in place of the tenant's leave, if anything does.
    pub(crate) async fn adopting(&self, tenant: &str, leave: Option<&[u8]>) -> Tenant {
        let ledger = InMemoryKeyTable::new();
        if let Some(leave) = leave {
            ledger.compare_and_swap(tenant, &format!("leave#{TABLE}"), None, leave).await.unwrap();
        }
        self.builder().ledger(ledger).adopt(TABLE, TYPES).build(&self.app).unwrap().tenant(&id(tenant))
    }

    /// Values of all types, each a canary as far as the type allows.
    pub(crate) fn values(&self) -> Item {
        let [text, digits] = &self.canaries;
        let list = || AttributeValue::L(vec![s(text), AttributeValue::N(digits.clone())]);
        let map = HashMap::from([
            (text.clone(), list()),
            ("m".to_owned(), AttributeValue::M([(text.clone(), s(text))].into())),
        ]);
        let values = [
            s(text),
            AttributeValue::N(digits.clone()),
            AttributeValue::B(Blob::new(text.clone())),
            AttributeValue::Bool(true),
            AttributeValue::Null(true),
            AttributeValue::M(map),
            list(),
            AttributeValue::Ss(vec![text.clone()]),
            AttributeValue::Ns(vec![digits.clone()]),
            AttributeValue::Bs(vec![Blob::new(text.clone())]),
        ];
        TYPES.map(str::to_owned).into_iter().zip(values).collect()
    }

    pub(crate) fn item(&self) -> Item {
        self.values()
            .into_iter()
            .chain(key("acme", "c-1"))
            .chain([("company".to_owned(), s("x")), ("near".to_owned(), vector())])
            .collect()
    }

    pub(crate) fn contact(&self) -> Contact {
        let [text, _] = &self.canaries;
        let api_keys = HashMap::from([(text.clone(), text.clone())]);
        Contact { email: text.clone(), notes: Some(text.clone()), api_keys, ..contact("acme", "c-1") }
    }

    pub(crate) fn react(&self, operation: &str, reaction: impl Fn() -> Reaction + Send + 'static) {
        self.reactions.lock().unwrap().insert(operation.to_owned(), Box::new(reaction));
    }

    pub(crate) fn behave(&self) {
        self.reactions.lock().unwrap().clear();
        self.world.stack.faults().clear();
    }

    /// Keeps what an error shows: all of it, unless the caller asked DynamoDB's error to carry the item.
    pub(crate) fn fails<T: Debug>(&mut self, scenario: &str, result: Result<T, impl Into<Failed>>) {
        let error: Failed = match result {
            Ok(_) => panic!("{scenario}: it did not fail"),
            Err(error) => error.into(),
        };
        let ours = Error::find_in(&*error);
        ours.into_iter().for_each(|error| see(error, &mut self.seen));
        let mut shown = displays(&*error);
        if ours.is_some() || !scenario.contains("with its item") {
            shown.push_str(&everything(&*error));
        }
        self.shown.push((scenario.to_owned(), shown));
    }

    /// Keeps what something else showed.
    pub(crate) fn shows(&mut self, scenario: &str, shown: String) {
        self.shown.push((scenario.to_owned(), shown));
    }

    pub(crate) fn assert_covered(&self, source: &'static str, name: &'static str, unreachable: &[&str]) {
        let seen = |variant: &&str| self.seen.contains(&(name, (*variant).to_owned()));
        let without: Vec<_> = variants(source, name).into_iter().filter(|variant| !seen(variant)).collect();
        assert_eq!(without, unreachable, "these of {name} have no scenario");
    }

    pub(crate) fn assert_unseen(&self) {
        for canary in &self.canaries {
            for (scenario, shown) in &self.shown {
                assert_eq!(tap::find(shown.as_bytes(), canary), None, "{scenario}: {shown}");
            }
            for (service, tap) in [("DynamoDB", &self.taps.dynamodb), ("KMS", &self.taps.kms), ("STS", &self.taps.sts)]
            {
                assert_eq!(tap::find(&tap.sent(), canary), None, "sent to {service}");
                assert_eq!(tap::find(&tap.answered(), canary), None, "answered by {service}");
            }
            assert_not_logged(canary);
        }
    }
}

/// Notes the variant of an error, and those of the enums in it.
fn see(error: &Error, seen: &mut BTreeSet<(&'static str, String)>) {
    let mut add = |name, value: &dyn Debug| {
        let debug = format!("{value:?}");
        seen.insert((name, debug.split(|next: char| !next.is_ascii_alphanumeric()).next().unwrap().to_owned()));
    };
    add("Error", error);
    match error {
        Error::Refused(refusal) => {
            add("Refusal", refusal);
            match refusal {
                Refusal::PrimaryKey(error) => add("PrimaryKeyError", error),
                Refusal::Expression { source, .. } => add("ExpressionError", source),
                _ => {}
            }
        }
        Error::Seal(error) => {
            add("SealError", error);
            if let SealError::PrimaryKey(error) = error {
                add("PrimaryKeyError", error);
            }
        }
        Error::Open(error) => {
            add("OpenError", error);
            match error {
                OpenError::PrimaryKey(error) => add("PrimaryKeyError", error),
                OpenError::Attribute { fault, .. } => add("OpenFault", fault),
                _ => {}
            }
        }
        Error::KeyService(error) => add("KeyServiceErrorKind", &error.kind()),
        Error::KeyTable(error) => add("KeyTableErrorKind", error.kind()),
        Error::Cancelled(cancelled) => cancelled.reasons().iter().flatten().for_each(|reason| add("Reason", reason)),
        Error::Unopened(unopened) => see(unopened.cause(), seen),
        Error::NotWritten(writes) => writes.failed().for_each(|(_, error)| see(error, seen)),
        _ => {}
    }
}

/// `Display` of an error and its causes.
fn displays(error: &(dyn StdError + 'static)) -> String {
    let cause = error.source().map(displays);
    format!("{error}\n{}", cause.unwrap_or_default())
}

fn vector() -> AttributeValue {
    AttributeValue::L(["1", "0"].map(|number| AttributeValue::N(number.to_owned())).into())
}

/// The index of these vectors, by tenant.
fn near() -> VectorIndex {
    let attribute = VectorAttributeDefinition::builder().attribute_name("near").build().unwrap();
    let tenant = SearchSchemaElement::builder().attribute_name("tenant_id");
    let tenant = tenant.search_schema_element_type(SearchSchemaElementType::Hash).build().unwrap();
    let index = VectorIndex::builder().index_name("near").vector_attribute(attribute).search_schema(tenant);
    let index = index.projection(Projection::builder().projection_type(ProjectionType::All).build());
    index.dimensions(2).distance_function(VectorDistanceFunction::Cosine).build().unwrap()
}

/// One call of each operation with `item`. Gives the items that came back.
pub(crate) async fn call(operation: &str, dynamodb: &Client, item: &Item) -> Result<Vec<Item>, Failed> {
    let own = || Some(key("acme", "c-1"));
    Ok(match operation {
        "PutItem" => {
            let put = dynamodb.put_item().table_name(TABLE).set_item(Some(item.clone()));
            Vec::from_iter(put.return_values(ReturnValue::AllOld).send().await?.attributes)
        }
        "GetItem" => Vec::from_iter(dynamodb.get_item().table_name(TABLE).set_key(own()).send().await?.item),
        "UpdateItem" => {
            let actions = TYPES.map(|name| format!("#{name} = :{name}"));
            let mut update = dynamodb.update_item().table_name(TABLE).set_key(own());
            for name in TYPES {
                update = update.expression_attribute_names(format!("#{name}"), name);
                update = update.expression_attribute_values(format!(":{name}"), item[name].clone());
            }
            let update = update.update_expression(format!("SET {}", actions.join(", ")));
            Vec::from_iter(update.return_values(ReturnValue::AllNew).send().await?.attributes)
        }
        "DeleteItem" => {
            let delete = dynamodb.delete_item().table_name(TABLE).set_key(own());
            Vec::from_iter(delete.return_values(ReturnValue::AllOld).send().await?.attributes)
        }
        "Query" => {
            let query = dynamodb.query().table_name(TABLE).key_condition_expression("tenant_id = :t");
            query.expression_attribute_values(":t", s("acme")).send().await?.items.unwrap_or_default()
        }
        "Scan" => dynamodb.scan().table_name(TABLE).send().await?.items.unwrap_or_default(),
        "SearchVectors" => {
            let search = dynamodb.search_vectors().table_name(TABLE).index_name("near").top_k(1);
            let search = search.set_search_vector(vector().as_l().ok().cloned());
            let search =
                search.search_condition_expression("tenant_id = :t").expression_attribute_values(":t", s("acme"));
            let found = search.send().await?.search_results.unwrap_or_default();
            // The vector itself does not come back.
            found
                .into_iter()
                .filter_map(|found| Some(found.item?.into_iter().chain([("near".to_owned(), vector())]).collect()))
                .collect()
        }
        "BatchGetItem" => {
            let keys = KeysAndAttributes::builder().keys(key("acme", "c-1")).build()?;
            let found = dynamodb.batch_get_item().request_items(TABLE, keys).send().await?;
            found.responses.unwrap_or_default().remove(TABLE).unwrap_or_default()
        }
        "BatchWriteItem" => {
            let put = PutRequest::builder().set_item(Some(item.clone())).build()?;
            let writes = vec![WriteRequest::builder().put_request(put).build()];
            let answer = dynamodb.batch_write_item().request_items(TABLE, writes).send().await?;
            let unprocessed = answer.unprocessed_items.unwrap_or_default().remove(TABLE).unwrap_or_default();
            unprocessed.into_iter().filter_map(|write| Some(write.put_request?.item)).collect()
        }
        "TransactGetItems" => {
            let get = Get::builder().table_name(TABLE).set_key(own()).build()?;
            let get = dynamodb.transact_get_items().transact_items(TransactGetItem::builder().get(get).build());
            get.send().await?.responses.unwrap_or_default().into_iter().filter_map(|found| found.item).collect()
        }
        "TransactWriteItems" => {
            let token = canary().replace("canary-", "");
            transact(dynamodb, item, &token).await?;
            Vec::new()
        }
        unknown => panic!("{unknown} has no scenario"),
    })
}

pub(crate) async fn transact(dynamodb: &Client, item: &Item, token: &str) -> Result<(), Failed> {
    let put = Put::builder().table_name(TABLE).set_item(Some(item.clone())).build()?;
    let write = dynamodb.transact_write_items().client_request_token(token);
    write.transact_items(TransactWriteItem::builder().put(put).build()).send().await?;
    Ok(())
}

pub(crate) fn service_error(code: &str) -> String {
    format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{code}","message":"no"}}"#)
}
