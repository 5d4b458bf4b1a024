//! The existing program: a help desk, written for the plain SDK. It does not know tenantseal.

use std::collections::HashMap;
use std::error::Error;
use std::fmt::Write;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, Delete, Get, GlobalSecondaryIndex, KeySchemaElement, KeyType,
    KeysAndAttributes, Projection, ProjectionType, Put, PutRequest, ReturnValue, ReturnValuesOnConditionCheckFailure,
    ScalarAttributeType, Select, TransactGetItem, TransactWriteItem, Update, WriteRequest,
};
use serde::{Deserialize, Serialize};

const TABLE: &str = "tickets";
const BY_QUEUE: &str = "by-queue";
const TENANT: &str = "acme";

type Item = HashMap<String, AttributeValue>;
type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[derive(Debug, Serialize, Deserialize)]
struct Ticket {
    tenant_id: String,
    ticket_id: String,
    /// `open#T-0001`: the sort key of the index.
    queue: String,
    version: u32,
    customer: Customer,
    subject: String,
    messages: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Customer {
    name: String,
    email: String,
}

impl Ticket {
    fn new(number: usize) -> Self {
        let name = ["Ada Lovelace", "Kateryna Yushchenko", "Grace Hopper", "Katherine Johnson"][number % 4];
        let subject = ["Cannot sign in", "Invoice shows a wrong IBAN", "Please delete my account"][number % 3];
        Self {
            tenant_id: TENANT.to_owned(),
            ticket_id: format!("T-{number:04}"),
            queue: format!("open#T-{number:04}"),
            version: 1,
            customer: Customer { name: name.to_owned(), email: format!("customer-{number}@mail.example") },
            subject: subject.to_owned(),
            messages: vec![format!("Call me on +49 30 5550 {number:04}.")],
            answer: None,
        }
    }

    fn line(&self) -> String {
        let Self { ticket_id, queue, version, customer: Customer { name, email }, subject, messages, answer, .. } =
            self;
        let answer = answer.as_deref().unwrap_or("no answer yet");
        format!("{ticket_id} v{version} ({queue}) {name} <{email}>: {subject}; {}; {answer}", messages.join(" / "))
    }
}

/// A day's work of the program. Returns its output.
pub(crate) async fn run(dynamodb: &Client) -> Result<String> {
    let mut out = String::new();
    create_table(dynamodb).await?;
    open(dynamodb, &mut out).await?;
    answer(dynamodb, &mut out).await?;
    import(dynamodb, &mut out).await?;
    list_queue(dynamodb, &mut out).await?;
    look_up(dynamodb, &mut out).await?;
    close(dynamodb, &mut out).await?;
    erase(dynamodb, &mut out).await?;
    Ok(out)
}

async fn create_table(dynamodb: &Client) -> Result<()> {
    let attribute =
        |name| AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build();
    let key = |name, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
    let by_queue = GlobalSecondaryIndex::builder()
        .index_name(BY_QUEUE)
        .key_schema(key("tenant_id", KeyType::Hash)?)
        .key_schema(key("queue", KeyType::Range)?)
        .projection(Projection::builder().projection_type(ProjectionType::All).build())
        .build()?;
    dynamodb
        .create_table()
        .table_name(TABLE)
        .attribute_definitions(attribute("tenant_id")?)
        .attribute_definitions(attribute("ticket_id")?)
        .attribute_definitions(attribute("queue")?)
        .key_schema(key("tenant_id", KeyType::Hash)?)
        .key_schema(key("ticket_id", KeyType::Range)?)
        .global_secondary_indexes(by_queue)
        .billing_mode(BillingMode::PayPerRequest)
        .send()
        .await?;
    Ok(())
}

/// Puts a ticket on the condition that it is new.
async fn open(dynamodb: &Client, out: &mut String) -> Result<()> {
    for number in [1, 2, 1] {
        let ticket = Ticket::new(number);
        let put = dynamodb
            .put_item()
            .table_name(TABLE)
            .set_item(Some(serde_dynamo::to_item(&ticket)?))
            .condition_expression("attribute_not_exists(ticket_id)")
            .send()
            .await;
        match put.map_err(SdkError::into_service_error) {
            Ok(_) => writeln!(out, "opened {}", ticket.line())?,
            Err(PutItemError::ConditionalCheckFailedException(_)) => {
                writeln!(out, "{} was open already", ticket.ticket_id)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    let stored = dynamodb.get_item().table_name(TABLE).set_key(Some(key("T-0002"))).consistent_read(true).send();
    writeln!(out, "stored {}", ticket(stored.await?.item)?.line())?;
    Ok(())
}

/// Conditional update: two agents answer, and the slower one sees what the other wrote.
async fn answer(dynamodb: &Client, out: &mut String) -> Result<()> {
    for text in ["We have sent a new password by post.", "Have you tried another browser?"] {
        let update = dynamodb
            .update_item()
            .table_name(TABLE)
            .set_key(Some(key("T-0001")))
            .update_expression("SET answer = :answer, version = version + :one")
            .condition_expression("version = :seen AND attribute_not_exists(answer)")
            .expression_attribute_values(":answer", s(text))
            .expression_attribute_values(":one", n(1))
            .expression_attribute_values(":seen", n(1))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match update.map_err(SdkError::into_service_error) {
            Ok(answered) => writeln!(out, "answered {}", ticket(answered.attributes)?.line())?,
            Err(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                writeln!(out, "somebody was faster: {}", ticket(failed.item)?.line())?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Batch write: forty tickets from the old system, 25 at a time, until none is left unprocessed.
async fn import(dynamodb: &Client, out: &mut String) -> Result<()> {
    let tickets: Vec<Ticket> = (3..43).map(Ticket::new).collect();
    for batch in tickets.chunks(25) {
        let put = |ticket| {
            let put = PutRequest::builder().set_item(Some(serde_dynamo::to_item(ticket)?)).build()?;
            Ok(WriteRequest::builder().put_request(put).build())
        };
        let mut left = HashMap::from([(TABLE.to_owned(), batch.iter().map(put).collect::<Result<_>>()?)]);
        while !left.is_empty() {
            let written = dynamodb.batch_write_item().set_request_items(Some(left)).send().await?;
            left = written.unprocessed_items.unwrap_or_default();
        }
    }
    writeln!(out, "imported {} tickets", tickets.len())?;
    Ok(())
}

/// Query by index, page by page, newest first.
async fn list_queue(dynamodb: &Client, out: &mut String) -> Result<()> {
    let mut pages = dynamodb
        .query()
        .table_name(TABLE)
        .index_name(BY_QUEUE)
        .key_condition_expression("tenant_id = :tenant AND begins_with(#queue, :open)")
        .filter_expression("attribute_not_exists(answer)")
        .expression_attribute_names("#queue", "queue")
        .expression_attribute_values(":tenant", s(TENANT))
        .expression_attribute_values(":open", s("open#"))
        .scan_index_forward(false)
        .limit(16)
        .into_paginator()
        .send();
    while let Some(page) = pages.try_next().await? {
        writeln!(out, "a page of {} out of {}:", page.count(), page.scanned_count())?;
        for item in page.items.unwrap_or_default() {
            writeln!(out, "  {}", ticket(Some(item))?.line())?;
        }
    }
    Ok(())
}

/// Batch get, of one field of a nested one; and a count.
async fn look_up(dynamodb: &Client, out: &mut String) -> Result<()> {
    let wanted = KeysAndAttributes::builder()
        .keys(key("T-0007"))
        .keys(key("T-0021"))
        .keys(key("T-9999"))
        .projection_expression("ticket_id, #customer.email")
        .expression_attribute_names("#customer", "customer")
        .build()?;
    let found = dynamodb.batch_get_item().request_items(TABLE, wanted).send().await?;
    let mut items = found.responses.and_then(|mut tables| tables.remove(TABLE)).unwrap_or_default();
    items.sort_by_key(|item| item["ticket_id"].as_s().cloned().unwrap_or_default());
    for item in items {
        let customer = item["customer"].as_m().map_err(|_| "a customer is a map")?;
        writeln!(out, "{:?} is from {:?} ({} attributes)", item["ticket_id"], customer["email"], item.len())?;
    }
    let answered = dynamodb.scan().table_name(TABLE).filter_expression("attribute_exists(answer)");
    writeln!(out, "{} answered", answered.select(Select::Count).send().await?.count())?;
    Ok(())
}

/// Transaction: the ticket leaves the queue, the log gets an entry and the counter goes up, or nothing happens.
async fn close(dynamodb: &Client, out: &mut String) -> Result<()> {
    for agent in ["agnes@helpdesk.example", "boris@helpdesk.example"] {
        let ticket_closed = Update::builder()
            .table_name(TABLE)
            .set_key(Some(key("T-0001")))
            .update_expression("SET queue = :closed, closed_by = :agent REMOVE messages")
            .condition_expression("attribute_not_exists(closed_by)")
            .expression_attribute_values(":closed", s("closed#T-0001"))
            .expression_attribute_values(":agent", s(agent))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()?;
        let mut entry = key("log#T-0001");
        entry.insert("closed_by".to_owned(), s(agent));
        let logged = Put::builder().table_name(TABLE).set_item(Some(entry)).build()?;
        let counted = Update::builder()
            .table_name(TABLE)
            .set_key(Some(key("counter")))
            .update_expression("ADD closed :one")
            .expression_attribute_values(":one", n(1))
            .build()?;
        let transaction = dynamodb
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().update(ticket_closed).build())
            .transact_items(TransactWriteItem::builder().put(logged).build())
            .transact_items(TransactWriteItem::builder().update(counted).build())
            .send()
            .await;
        match transaction.map_err(SdkError::into_service_error) {
            Ok(_) => writeln!(out, "{agent} closed T-0001")?,
            Err(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                for reason in cancelled.cancellation_reasons() {
                    let closed_by = reason.item().and_then(|item| item.get("closed_by"));
                    writeln!(out, "{agent} could not: {:?}, closed by {closed_by:?}", reason.code())?;
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    let get = |id| Get::builder().table_name(TABLE).set_key(Some(key(id))).build();
    let found = dynamodb
        .transact_get_items()
        .transact_items(TransactGetItem::builder().get(get("log#T-0001")?).build())
        .transact_items(TransactGetItem::builder().get(get("counter")?).build())
        .send()
        .await?;
    let items: Vec<Item> = found.responses.unwrap_or_default().into_iter().filter_map(|one| one.item).collect();
    writeln!(out, "log: {:?}, counter: {:?}", items[0].get("closed_by"), items[1].get("closed"))?;
    Ok(())
}

/// Deletes: one that returns the old item, one in a transaction.
async fn erase(dynamodb: &Client, out: &mut String) -> Result<()> {
    let gone = dynamodb.delete_item().table_name(TABLE).set_key(Some(key("T-0002"))).return_values(ReturnValue::AllOld);
    writeln!(out, "erased {}", ticket(gone.send().await?.attributes)?.line())?;
    let delete = Delete::builder().table_name(TABLE).set_key(Some(key("T-0003"))).build()?;
    let delete = TransactWriteItem::builder().delete(delete).build();
    dynamodb.transact_write_items().transact_items(delete).send().await?;
    let left = dynamodb.get_item().table_name(TABLE).set_key(Some(key("T-0003"))).send().await?;
    writeln!(out, "T-0003 is {}", if left.item.is_some() { "still there" } else { "gone" })?;
    Ok(())
}

fn ticket(item: Option<Item>) -> Result<Ticket> {
    Ok(serde_dynamo::from_item(item.ok_or("no ticket came back")?)?)
}

fn key(id: &str) -> Item {
    [("tenant_id", TENANT), ("ticket_id", id)].map(|(name, value)| (name.to_owned(), s(value))).into()
}

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn n(number: u32) -> AttributeValue {
    AttributeValue::N(number.to_string())
}
