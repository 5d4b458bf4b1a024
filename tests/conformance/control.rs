//! What touches no items passes; what cannot be sealed is refused.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::describe_table::DescribeTableOutput;
use aws_sdk_dynamodb::operation::execute_statement::ExecuteStatementOutput;
use serde_json::{Value, json};

use super::case::{Case, case};
use super::ctx::{Ctx, s};
use super::outcome::{Outcome, Shown, outcome};

pub fn cases() -> Vec<Case> {
    vec![
        case!(a_table_is_described),
        case!(a_table_that_is_not_there_is_not_described).error("ResourceNotFoundException"),
        case!(partiql_is_refused).refused("Unsupported"),
    ]
}

impl Shown for DescribeTableOutput {
    fn shown(self) -> Value {
        let table = self.table.unwrap();
        let keys = table.key_schema().iter().map(|key| json!([key.attribute_name(), key.key_type().as_str()]));
        let mut indexes: Vec<_> = table.global_secondary_indexes().iter().map(|index| index.index_name()).collect();
        indexes.sort_unstable();
        json!({ "keys": keys.collect::<Vec<_>>(), "indexes": indexes })
    }
}

impl Shown for ExecuteStatementOutput {
    fn shown(self) -> Value {
        self.items.unwrap_or_default().shown()
    }
}

async fn a_table_is_described(db: &Client, t: &Ctx) -> Outcome {
    outcome![db.describe_table().table_name(&t.notes).send().await]
}

async fn a_table_that_is_not_there_is_not_described(db: &Client, t: &Ctx) -> Outcome {
    outcome![db.describe_table().table_name(t.table("missing")).send().await]
}

async fn partiql_is_refused(db: &Client, t: &Ctx) -> Outcome {
    t.seed(db, "1", [("email", s("e"))]).await;
    let statement = format!("SELECT email FROM \"{}\" WHERE pk = ?", t.notes);
    outcome![db.execute_statement().statement(statement).parameters(t.pk()).send().await]
}
