//! The stack as a whole: what it hands out, and how it ends.

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use aws_sdk_kms::operation::RequestId;
use tenantseal_local::{Error, Stack};

use crate::fixture::{ACCOUNT, Fixture, ROLE, allow, data_key};

#[tokio::test]
async fn dynamodb_serves_from_the_same_configuration() {
    let fixture = Fixture::start().await;
    let client = aws_sdk_dynamodb::Client::new(&fixture.stack.sdk_config(&fixture.admin));
    let id =
        AttributeDefinition::builder().attribute_name("id").attribute_type(ScalarAttributeType::S).build().unwrap();
    let key = KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash).build().unwrap();
    let table = client.create_table().table_name("items").billing_mode(BillingMode::PayPerRequest);
    table.attribute_definitions(id).key_schema(key).send().await.unwrap();
    let item = HashMap::from([("id".to_owned(), AttributeValue::S("1".to_owned()))]);
    client.put_item().table_name("items").set_item(Some(item.clone())).send().await.unwrap();
    let found = client.get_item().table_name("items").set_key(Some(item.clone())).send().await.unwrap();
    assert_eq!(found.item, Some(item));
}

#[tokio::test]
async fn a_restarted_stack_knows_what_it_knew_and_listens_where_it_did() {
    let mut fixture = Fixture::start().await;
    let key = fixture.kms.create_key().send().await.unwrap().key_metadata.unwrap().key_id;
    let client = aws_sdk_dynamodb::Client::new(&fixture.stack.sdk_config(&fixture.admin));
    let id =
        AttributeDefinition::builder().attribute_name("id").attribute_type(ScalarAttributeType::S).build().unwrap();
    let hash = KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash).build().unwrap();
    let table = client.create_table().table_name("items").billing_mode(BillingMode::PayPerRequest);
    table.attribute_definitions(id).key_schema(hash).send().await.unwrap();

    let urls = |stack: &Stack| [stack.dynamodb_url(), stack.kms_url(), stack.sts_url()].map(str::to_owned);
    let before = urls(&fixture.stack);
    fixture.stack.restart(Duration::from_millis(10)).await.unwrap();
    assert_eq!(urls(&fixture.stack), before);
    assert!(fixture.kms.describe_key().key_id(&key).send().await.is_ok());
    assert_eq!(client.list_tables().send().await.unwrap().table_names(), ["items"]);
}

#[tokio::test]
async fn every_answer_has_a_request_id() {
    let Fixture { kms, sts, stack, .. } = &Fixture::start().await;
    assert!(kms.list_keys().send().await.unwrap().request_id().is_some());
    assert!(kms.describe_key().key_id("alias/absent").send().await.unwrap_err().request_id().is_some());
    assert!(sts.get_caller_identity().send().await.unwrap().request_id().is_some());
    stack.faults().on("AssumeRole").fail("AccessDenied", 403);
    let refused = sts.assume_role().role_arn(ROLE).role_session_name("test").send().await;
    assert!(refused.unwrap_err().request_id().is_some());
}

#[tokio::test]
async fn the_environment_names_every_endpoint_and_the_credentials() {
    let stack = Stack::builder().region("eu-central-1").start().await.unwrap();
    let admin = stack.account(ACCOUNT).unwrap().user("admin").create().unwrap();
    let environment: HashMap<_, _> = HashMap::from_iter(stack.environment(&admin));
    assert_eq!(environment["AWS_ENDPOINT_URL_KMS"], stack.kms_url());
    assert_eq!(environment["AWS_ENDPOINT_URL_STS"], stack.sts_url());
    assert_eq!(environment["AWS_ENDPOINT_URL_DYNAMODB"], stack.dynamodb_url());
    assert_eq!(environment["AWS_REGION"], "eu-central-1");
    assert_eq!(environment["AWS_ACCESS_KEY_ID"], admin.id());
    assert!(!environment.contains_key("AWS_SESSION_TOKEN"));
}

#[tokio::test]
async fn defects_in_the_setting_up_are_typed() {
    let stack = Stack::start().await.unwrap();
    assert!(matches!(stack.account("1234"), Err(Error::AccountId(_))));
    let account = stack.account(ACCOUNT).unwrap();
    assert!(matches!(account.user("a/b").create(), Err(Error::Name(_))));
    assert!(matches!(account.role("r").create(), Err(Error::NoTrustPolicy(_))));
    assert!(matches!(account.user("u").permission("{}").create(), Err(Error::MalformedPolicy(_))));
    let with_resource = allow("sts:AssumeRole");
    assert!(matches!(account.role("r").trust(with_resource).create(), Err(Error::MalformedPolicy(_))));
}

#[tokio::test]
async fn a_shutdown_waits_for_nothing_that_the_stack_delays_itself() {
    let fixture = Fixture::start().await;
    fixture.key("alias/a", None).await;
    fixture.stack.faults().on("GenerateDataKey").hang();
    let kms = fixture.kms.clone();
    let hanging = tokio::spawn(async move { data_key(&kms, "alias/a", "a").send().await });
    while fixture.stack.calls().count("GenerateDataKey") == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let Fixture { stack, kms, .. } = fixture;
    tokio::time::timeout(Duration::from_secs(5), stack.shutdown()).await.expect("the shutdown must end");
    hanging.await.unwrap().unwrap_err();
    kms.list_keys().send().await.unwrap_err();
}

#[tokio::test]
async fn a_dropped_stack_stops_serving() {
    let Fixture { stack, kms, .. } = Fixture::start().await;
    kms.list_keys().send().await.unwrap();
    drop(stack);
    let stopped = async { while kms.list_keys().send().await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(5), stopped).await.expect("the servers must stop");
}

#[test]
fn two_stacks_share_nothing_and_one_thread_is_enough() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (one, two) = (Fixture::start().await, Fixture::start().await);
        one.key("alias/a", None).await;
        two.kms.describe_key().key_id("alias/a").send().await.unwrap_err();
        one.kms.describe_key().key_id("alias/a").send().await.unwrap();
    });
}
