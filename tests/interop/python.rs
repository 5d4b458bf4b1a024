//! The independent reader as a process.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write;
use std::process::{Output, Stdio};

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Deserialize;
use serde_json::{Value, json};
use tenantseal::Item;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::common::{ROLE, World, id};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop");

/// The interpreter, when there is one; says so past the test harness when there is none.
#[allow(clippy::explicit_write, reason = "the harness captures what eprintln! prints")]
pub(crate) fn python(test: &str) -> Option<Python> {
    let interpreter = std::env::var_os("TENANTSEAL_PYTHON").map(Python);
    if interpreter.is_none() {
        let how = "set TENANTSEAL_PYTHON to a Python with boto3 and cryptography, or run .ci/peers";
        writeln!(std::io::stderr(), "SKIPPED {test}: {how}").unwrap();
    }
    interpreter
}

pub(crate) struct Python(OsString);

impl Python {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.0);
        // No profile, proxy or PYTHONPATH of whoever runs the tests.
        command.env_clear().arg("-B").kill_on_drop(true);
        command
    }

    /// The reader's own tests.
    pub(crate) async fn unit_tests(&self) -> Output {
        let arguments = ["-m", "unittest", "discover", "--start-directory", FOLDER, "--pattern", "test_*.py"];
        self.command().args(arguments).output().await.unwrap()
    }

    /// The forms of each text; `None` where this Python's Unicode does not know a character.
    pub(crate) async fn forms(&self, texts: &[String]) -> Vec<Option<BTreeMap<String, String>>> {
        let lines: String = texts.iter().map(|text| json!(text).to_string() + "\n").collect();
        let mut command = self.command();
        command.arg(format!("{FOLDER}/forms.py")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut stdin = process.stdin.take().unwrap();
        // Both at once: neither pipe holds all of it.
        let write = async move { stdin.write_all(lines.as_bytes()).await };
        let (written, output) = tokio::join!(write, process.wait_with_output());
        written.unwrap();
        let output = String::from_utf8(output.unwrap().stdout).unwrap();
        output.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// What the reader makes of each item in a partition.
    pub(crate) async fn read(&self, world: &World, job: &Job<'_>) -> Vec<Answer> {
        let mut command = self.command();
        command.arg(format!("{FOLDER}/open.py")).envs(world.stack.environment(world.credentials.clone()));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let job = job.to_json(world).to_string();
        process.stdin.take().unwrap().write_all(job.as_bytes()).await.unwrap();
        let output = process.wait_with_output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// A partition to read, and as whom.
pub(crate) struct Job<'a> {
    /// The table as DynamoDB calls it.
    pub table: &'a str,
    /// The table as the schema calls it, `partition_key`, `template`, `sort_key` and `encrypted`.
    pub schema: Value,
    pub partition: &'a str,
    pub tenant: &'a str,
    /// Whose session it is.
    pub session: &'a str,
    pub contexts: Value,
    /// The key table, when there is one.
    pub key_table: Option<&'static str>,
}

impl Job<'_> {
    fn to_json(&self, world: &World) -> Value {
        let Self { table, schema, partition, tenant, session, contexts, key_table } = self;
        let whose = id(session);
        json!({
            "table": table, "schema": schema, "partition": partition, "tenant": tenant, "contexts": contexts,
            "key_table": key_table,
            "alias": world.tenancy.alias(&id(tenant)).as_str(),
            "role": ROLE, "session_name": whose.session_name(), "session_tenant": session,
            "policy": world.tenancy.session_policy(&whose, world.stack.region()).unwrap().to_string(),
        })
    }
}

/// What the reader says of a stored item.
#[derive(Debug, Deserialize)]
pub(crate) struct Answer {
    pub key: Value,
    pub item: Option<Value>,
    pub error: Option<String>,
    pub attribute: Option<String>,
}

/// An item as the reader prints it.
pub(crate) fn to_json(item: &Item) -> Value {
    item.iter().map(|(name, value)| (name.clone(), value_to_json(value))).collect::<serde_json::Map<_, _>>().into()
}

fn value_to_json(value: &AttributeValue) -> Value {
    let base64 = |bytes: &[u8]| aws_smithy_types::base64::encode(bytes);
    match value {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(number) => json!({ "N": number }),
        AttributeValue::B(bytes) => json!({ "B": base64(bytes.as_ref()) }),
        AttributeValue::Bool(flag) => json!({ "BOOL": flag }),
        AttributeValue::Null(is_null) => json!({ "NULL": is_null }),
        AttributeValue::M(map) => json!({ "M": to_json(map) }),
        AttributeValue::L(list) => json!({ "L": list.iter().map(value_to_json).collect::<Vec<_>>() }),
        AttributeValue::Ss(members) => json!({ "SS": members }),
        AttributeValue::Ns(members) => json!({ "NS": members }),
        AttributeValue::Bs(members) => {
            json!({ "BS": members.iter().map(|member| base64(member.as_ref())).collect::<Vec<_>>() })
        }
        other => panic!("{other:?}"),
    }
}

/// The same with the members of sets in one order: a set has none.
pub(crate) fn without_order(mut value: Value) -> Value {
    match &mut value {
        Value::Array(elements) => elements.iter_mut().for_each(|element| *element = without_order(element.take())),
        Value::Object(fields) => {
            for (name, field) in fields {
                *field = without_order(field.take());
                if let ("SS" | "NS" | "BS", Value::Array(members)) = (&**name, field) {
                    members.sort_by_key(Value::to_string);
                }
            }
        }
        _ => {}
    }
    value
}
