//! The typed repository: records in and out, on the tenant's own client.
//!
//! Every request is a builder that you await: `contacts.put(&ada).if_not_exists().await?`. Attributes have their stored names. A name
//! that the record does not declare is refused before anything is sent.

mod batch;
mod condition;
mod conditional;
mod convert;
mod delete;
mod find;
mod get;
mod key;
mod outcome;
mod page;
mod precondition;
mod put;
mod query;
mod reading;
mod repository;
mod request;
mod shape;
mod stream;
mod transaction;
mod unique;
mod update;
mod values;

pub use crate::claims::ClaimsTable;
pub use batch::{GetEach, GetMany, WriteMany};
pub use condition::{Attribute, Condition, attribute};
pub use delete::Delete;
pub use find::{AnyOf, Begins, FindBy, Sought, any_of, begins};
pub use get::Get;
pub use key::{PrimaryKey, PrimaryKeyValue};
pub use page::{Page, PageToken};
pub use put::Put;
pub use query::{Query, Scan};
pub use repository::Records;
pub use request::{New, Nothing, Old};
pub use stream::RecordStream;
pub use transaction::{Check, Reads, TransactGet, TransactWrite, Write};
pub use update::Update;
