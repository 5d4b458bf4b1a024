//! What a case is given besides the client: its tables, a partition of its own, and short ways to begin a request.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::delete_item::builders::DeleteItemFluentBuilder;
use aws_sdk_dynamodb::operation::get_item::builders::GetItemFluentBuilder;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;

use super::tables::{NOTES, TENANT};

pub type Item = HashMap<String, AttributeValue>;
/// Some attributes of an item, without its key.
pub type Attributes = Vec<(&'static str, AttributeValue)>;

/// Where one case works.
#[derive(Debug, Clone)]
pub struct Ctx {
    /// What the names of this side's tables begin with.
    pub prefix: String,
    /// The number of the case.
    pub number: usize,
    /// The table `notes`, or the case's own of the same shape.
    pub notes: String,
}

impl Ctx {
    /// The table as this side's server knows it.
    pub fn table(&self, logical: &str) -> String {
        format!("{}{logical}", self.prefix)
    }

    /// The case's own partition in tables whose partition key begins with the tenant.
    pub fn pk(&self) -> AttributeValue {
        self.pk_of("")
    }

    /// One of several partitions of the case.
    pub fn pk_of(&self, which: &str) -> AttributeValue {
        s(format!("T#{TENANT}#{}{which}", self.number))
    }

    /// A text that only this case uses, for index keys and the like.
    pub fn own(&self, text: &str) -> AttributeValue {
        s(format!("{}-{text}", self.number))
    }

    /// A request token that only this case on this side in this run uses; at most 36 characters.
    pub fn token(&self, text: &str) -> String {
        format!("{}{}{text}", self.prefix, self.number)
    }

    pub fn key(&self, sk: &str) -> Item {
        item([("pk", self.pk()), ("sk", s(sk))])
    }

    pub fn item(&self, sk: &str, attributes: impl IntoIterator<Item = (&'static str, AttributeValue)>) -> Item {
        let mut all = self.key(sk);
        all.extend(item(attributes));
        all
    }

    pub fn put(
        &self,
        db: &Client,
        sk: &str,
        attributes: impl IntoIterator<Item = (&'static str, AttributeValue)>,
    ) -> PutItemFluentBuilder {
        db.put_item().table_name(&self.notes).set_item(Some(self.item(sk, attributes)))
    }

    pub fn get(&self, db: &Client, sk: &str) -> GetItemFluentBuilder {
        db.get_item().table_name(&self.notes).set_key(Some(self.key(sk)))
    }

    pub fn delete(&self, db: &Client, sk: &str) -> DeleteItemFluentBuilder {
        db.delete_item().table_name(&self.notes).set_key(Some(self.key(sk)))
    }

    pub fn update(&self, db: &Client, sk: &str, expression: &str) -> UpdateItemFluentBuilder {
        db.update_item().table_name(&self.notes).set_key(Some(self.key(sk))).update_expression(expression)
    }

    /// A query of the case's partition.
    pub fn query(&self, db: &Client) -> QueryFluentBuilder {
        self.query_where(db, "pk = :pk").expression_attribute_values(":pk", self.pk())
    }

    pub fn query_where(&self, db: &Client, condition: &str) -> QueryFluentBuilder {
        db.query().table_name(&self.notes).key_condition_expression(condition)
    }

    /// Puts an item that the case needs.
    pub async fn seed(
        &self,
        db: &Client,
        sk: &str,
        attributes: impl IntoIterator<Item = (&'static str, AttributeValue)>,
    ) {
        self.put(db, sk, attributes).send().await.unwrap();
    }

    /// Puts `count` items `00`, `01`, … with a plain title and grade and an encrypted email.
    pub async fn seed_many(&self, db: &Client, count: usize) {
        for i in 0..count {
            self.seed(db, &format!("{i:02}"), numbered(i)).await;
        }
    }
}

/// The attributes of the `i`th of many items.
pub fn numbered(i: usize) -> Attributes {
    vec![("title", s(format!("title {i:02}"))), ("grade", n(100 - i)), ("email", s(format!("{i}@example.org")))]
}

/// The table's name is the same for all cases that do not need their own.
pub fn notes(prefix: &str, own: Option<&str>) -> String {
    format!("{prefix}{}", own.unwrap_or(NOTES))
}

pub fn item(attributes: impl IntoIterator<Item = (&'static str, AttributeValue)>) -> Item {
    attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// `#name` for every such placeholder in the expressions, standing for `name`.
pub fn names<'a>(expressions: impl IntoIterator<Item = &'a str>) -> Option<HashMap<String, String>> {
    let mut names = HashMap::new();
    for expression in expressions {
        for rest in expression.split('#').skip(1) {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            names.insert(format!("#{}", &rest[..end]), rest[..end].to_owned());
        }
    }
    (!names.is_empty()).then_some(names)
}

/// The values of an expression, if it has any.
pub fn given(values: Attributes) -> Option<Item> {
    (!values.is_empty()).then(|| item(values))
}

pub fn s(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

pub fn n(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

pub fn b(bytes: impl Into<Vec<u8>>) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes))
}

pub fn yes() -> AttributeValue {
    AttributeValue::Bool(true)
}

pub fn null() -> AttributeValue {
    AttributeValue::Null(true)
}

pub fn m(members: impl IntoIterator<Item = (&'static str, AttributeValue)>) -> AttributeValue {
    AttributeValue::M(item(members))
}

pub fn l(elements: impl IntoIterator<Item = AttributeValue>) -> AttributeValue {
    AttributeValue::L(elements.into_iter().collect())
}

pub fn ss<const N: usize>(members: [&str; N]) -> AttributeValue {
    AttributeValue::Ss(members.map(str::to_owned).to_vec())
}

pub fn ns<const N: usize>(members: [&str; N]) -> AttributeValue {
    AttributeValue::Ns(members.map(str::to_owned).to_vec())
}

pub fn bs<const N: usize>(members: [&[u8]; N]) -> AttributeValue {
    AttributeValue::Bs(members.map(Blob::new).to_vec())
}
