//! A CRM on modyne: one table, two kinds of entity, a partition for each contact. It uses modyne as modyne's own
//! documentation shows. Only `derive(Record)` with its marks, and [`Stored`], come from tenantseal.

use std::error::Error;
use std::fmt::Write;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::ReturnValue;
use modyne::model::{BatchGet, BatchWrite, TransactGet, TransactWrite};
use modyne::{Aggregate, Entity, EntityDef, EntityExt, Projection, ProjectionExt, QueryInput, QueryInputExt};
use modyne::{TestTableExt, expr, keys, projections, read_projection};
use serde::{Deserialize, Serialize};
use tenantseal::Record;
use tenantseal::schema::TableSchema;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The table and modyne's client for it: any `aws_sdk_dynamodb::Client`.
pub(crate) struct Crm(pub(crate) Client);

impl modyne::Table for Crm {
    type PrimaryKey = keys::Primary;
    type IndexKeys = keys::Gsi1;

    fn table_name(&self) -> &str {
        "crm"
    }

    fn client(&self) -> &Client {
        &self.0
    }
}

#[derive(Debug, EntityDef, Serialize, Deserialize, Record)]
pub(crate) struct Contact {
    tenant: String,
    contact_id: String,
    company: String,
    version: u32,
    #[seal(encrypt)]
    name: String,
    #[seal(encrypt)]
    email: String,
    #[seal(encrypt)]
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
}

#[derive(Debug, EntityDef, Serialize, Deserialize, Record)]
pub(crate) struct Note {
    tenant: String,
    contact_id: String,
    written_at: String,
    #[seal(encrypt)]
    text: String,
}

/// An item as modyne stores it: the entity, its keys and its type. No value of it exists; tenantseal reads its
/// declaration.
#[derive(Serialize, Record)]
#[seal(table = "crm")]
#[serde(rename_all = "UPPERCASE")]
pub(crate) struct Stored<E> {
    #[seal(partition_key, tenant = "TENANT#{tenant}#")]
    pk: String,
    #[seal(sort_key)]
    sk: String,
    gsi1pk: Option<String>,
    gsi1sk: Option<String>,
    #[serde(rename = "entity_type")]
    entity_type: String,
    #[serde(flatten)]
    entity: E,
}

/// The schema that tenantseal uses.
pub(crate) fn schemas() -> Result<[TableSchema; 2]> {
    Ok([TableSchema::for_record::<Stored<Contact>>()?, TableSchema::for_record::<Stored<Note>>()?])
}

impl Entity for Contact {
    type KeyInput<'a> = (&'a str, &'a str);
    type Table = Crm;
    type IndexKeys = keys::Gsi1;

    fn primary_key((tenant, contact): Self::KeyInput<'_>) -> keys::Primary {
        keys::Primary { hash: format!("TENANT#{tenant}#CONTACT#{contact}"), range: "CONTACT".to_owned() }
    }

    fn full_key(&self) -> keys::FullKey<keys::Primary, Self::IndexKeys> {
        let Self { tenant, contact_id, company, .. } = self;
        keys::FullKey {
            primary: Self::primary_key((tenant, contact_id)),
            indexes: keys::Gsi1 {
                hash: format!("TENANT#{tenant}#COMPANY#{company}"),
                range: format!("CONTACT#{contact_id}"),
            },
        }
    }
}

impl Entity for Note {
    type KeyInput<'a> = (&'a str, &'a str, &'a str);
    type Table = Crm;
    type IndexKeys = ();

    fn primary_key((tenant, contact, written_at): Self::KeyInput<'_>) -> keys::Primary {
        keys::Primary { hash: format!("TENANT#{tenant}#CONTACT#{contact}"), range: format!("NOTE#{written_at}") }
    }

    fn full_key(&self) -> keys::FullKey<keys::Primary, Self::IndexKeys> {
        Self::primary_key((&self.tenant, &self.contact_id, &self.written_at)).into()
    }
}

/// A part of a contact.
#[derive(Debug, Projection, Deserialize)]
#[entity(Contact)]
struct Address {
    name: String,
    email: String,
}

/// All of a contact's partition.
struct WholeContact<'a>(&'a str);

#[derive(Debug, Default)]
struct ContactWithNotes {
    contact: Option<Contact>,
    notes: Vec<Note>,
}

projections! {
    enum ContactEntities { Contact, Note }
}

impl QueryInput for WholeContact<'_> {
    const CONSISTENT_READ: bool = true;
    type Index = keys::Primary;
    type Aggregate = ContactWithNotes;

    fn key_condition(&self) -> expr::KeyCondition<Self::Index> {
        expr::KeyCondition::in_partition(format!("TENANT#{TENANT}#CONTACT#{}", self.0))
    }
}

impl Aggregate for ContactWithNotes {
    type Projections = ContactEntities;

    fn merge(&mut self, item: modyne::Item) -> std::result::Result<(), modyne::Error> {
        match read_projection!(item)? {
            ContactEntities::Contact(contact) => self.contact = Some(contact),
            ContactEntities::Note(note) => self.notes.push(note),
        }
        Ok(())
    }
}

/// The addresses at a company, from the index: those who can be called.
struct Callable<'a>(&'a str);

impl QueryInput for Callable<'_> {
    type Index = keys::Gsi1;
    type Aggregate = Vec<Address>;

    fn key_condition(&self) -> expr::KeyCondition<Self::Index> {
        expr::KeyCondition::in_partition(format!("TENANT#{TENANT}#COMPANY#{}", self.0)).begins_with("CONTACT#")
    }

    fn filter_expression(&self) -> Option<expr::Filter> {
        let callable = expr::Filter::new("attribute_exists(#phone) AND #version >= :first");
        Some(callable.name("#phone", "phone").name("#version", "version").value(":first", 1))
    }
}

const TENANT: &str = "acme";

/// A day in the CRM. Returns what its users see.
pub(crate) async fn run(crm: &Crm) -> Result<String> {
    let mut out = String::new();
    crm.create_table().send().await?;
    write(crm, &mut out).await?;
    update(crm, &mut out).await?;
    read(crm, &mut out).await?;
    together(crm, &mut out).await?;
    Ok(out)
}

/// Put, create, and a batch of notes.
async fn write(crm: &Crm, out: &mut String) -> Result<()> {
    contact(1).put().execute(crm).await?;
    for number in [2, 3, 2] {
        match contact(number).create().execute(crm).await.map_err(SdkError::into_service_error) {
            Ok(_) => writeln!(out, "created contact {number}")?,
            Err(PutItemError::ConditionalCheckFailedException(_)) => writeln!(out, "contact {number} exists")?,
            Err(error) => return Err(error.into()),
        }
    }
    let notes = (1..=7).map(|day| note("c-1", &format!("2026-03-{day:02}"), "prefers to be called in the morning"));
    let batch = notes.fold(BatchWrite::new(), |batch, note| batch.operation(note.put()));
    let written = batch.execute(crm).await?;
    writeln!(out, "{} notes unprocessed", written.unprocessed_items().map_or(0, |left| left.len()))?;
    Ok(())
}

/// Conditional update of a sensitive attribute and a counter.
async fn update(crm: &Crm, out: &mut String) -> Result<()> {
    for phone in ["+49 30 5550 0199", "+44 20 5550 0142"] {
        let update = expr::Update::new("SET phone = :phone, version = version + :one");
        let update = update.sensitive_value(":phone", phone).value(":one", 1);
        let seen = expr::Condition::new("#version = :seen").name("#version", "version").value(":seen", 1);
        let update = Contact::update((TENANT, "c-1")).expression(update).condition(seen);
        match update.execute_with_return(crm, ReturnValue::AllNew).await.map_err(SdkError::into_service_error) {
            Ok(updated) => {
                writeln!(out, "updated {:?}", Contact::from_item(updated.attributes.ok_or("nothing updated")?)?)?;
            }
            Err(UpdateItemError::ConditionalCheckFailedException(_)) => writeln!(out, "somebody was faster")?,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Get, a query of two kinds of entity page by page, and a query of a projection by index.
async fn read(crm: &Crm, out: &mut String) -> Result<()> {
    let found = Contact::get((TENANT, "c-1")).execute(crm).await?;
    writeln!(out, "got {:?}", found.item.map(Contact::from_item).transpose()?)?;

    let mut whole = ContactWithNotes::default();
    let mut start = None;
    loop {
        let page = WholeContact("c-1").query().limit(3).set_exclusive_start_key(start).execute(crm).await?;
        whole.reduce(page.items.unwrap_or_default())?;
        start = page.last_evaluated_key;
        if start.is_none() {
            break;
        }
    }
    writeln!(out, "whole contact: {:?}", whole.contact)?;
    whole.notes.iter().try_for_each(|note| writeln!(out, "  {:?}", note))?;

    let page = Callable("Example Ltd").query().execute(crm).await?;
    let mut callable = Vec::<Address>::new();
    callable.reduce(page.items.unwrap_or_default())?;
    callable.iter().try_for_each(|Address { name, email }| writeln!(out, "callable: {name} <{email}>"))?;
    Ok(())
}

/// Transactions and a batch get.
async fn together(crm: &Crm, out: &mut String) -> Result<()> {
    let exists = expr::Condition::new("attribute_exists(#email)").name("#email", "email");
    TransactWrite::new()
        .operation(Contact::condition_check((TENANT, "c-1"), exists))
        .operation(note("c-2", "2026-03-09", "introduced by contact 1").put())
        .operation(Contact::delete((TENANT, "c-3")))
        .execute(crm)
        .await?;
    let get = TransactGet::new().operation(Note::get((TENANT, "c-2", "2026-03-09")));
    let found = get.operation(Contact::get((TENANT, "c-3"))).execute(crm).await?;
    for answer in found.responses.unwrap_or_default() {
        writeln!(out, "in one moment: {:?}", answer.item.map(Note::from_item).transpose()?)?;
    }
    let get = BatchGet::new().operation(Contact::get((TENANT, "c-1"))).operation(Contact::get((TENANT, "c-2")));
    let found = get.execute(crm).await?.responses.and_then(|mut tables| tables.remove("crm")).unwrap_or_default();
    let mut found = found.into_iter().map(Contact::from_item).collect::<std::result::Result<Vec<_>, _>>()?;
    found.sort_by(|one, other| one.contact_id.cmp(&other.contact_id));
    found.iter().try_for_each(|contact| writeln!(out, "in one batch: {contact:?}"))?;
    Ok(())
}

fn contact(number: usize) -> Contact {
    Contact {
        tenant: TENANT.to_owned(),
        contact_id: format!("c-{number}"),
        company: "Example Ltd".to_owned(),
        version: 1,
        name: ["Ada Lovelace", "Grace Hopper", "Kateryna Yushchenko"][number % 3].to_owned(),
        email: format!("contact-{number}@mail.example"),
        phone: (number == 2).then(|| "+1 212 555 0100".to_owned()),
    }
}

fn note(contact: &str, written_at: &str, text: &str) -> Note {
    Note {
        tenant: TENANT.to_owned(),
        contact_id: contact.to_owned(),
        written_at: written_at.to_owned(),
        text: text.to_owned(),
    }
}
