//! The operator's policy is enough for everything that an operator does, and for nothing else.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_kms::error::ProvideErrorMetadata;
use tenantseal::keys::AliasTemplate;
use tenantseal_tenants::{InMemoryRegistry, Tenants, Tier};

use crate::common::id;
use crate::tenants::office::Office;

#[tokio::test]
async fn an_operator_needs_the_operators_policy_and_no_more() {
    for template in ["alias/customer-{tenant}", "alias/crm/{tenant}/main"] {
        an_operator_works(&AliasTemplate::parse(template).unwrap()).await;
    }
}

async fn an_operator_works(aliases: &AliasTemplate) {
    let office = Office::with_aliases(aliases.clone()).await;
    let table = "arn:aws:dynamodb:us-east-1:111111111111:table/tenants";
    let policy = office.tenancy.operator_policy("*", table);
    let operator = office.stack.account("111111111111").unwrap().user("operator").permission(policy).create().unwrap();
    let operator = office.stack.sdk_config(&operator);
    let tenants = Tenants::builder(office.tenancy.clone(), Arc::new(InMemoryRegistry::default()))
        .probe(&office.service)
        .request_interval(Duration::ZERO)
        .build(&operator)
        .unwrap();
    let acme = &id("acme");
    tenants.onboard(acme).replicas(["eu-central-1"]).await.unwrap();
    tenants.onboard(&id("pool")).create_pool().await.unwrap();
    tenants.onboard(&id("small")).in_pool(&id("pool")).await.unwrap();
    tenants.rotate(acme).on_demand().await.unwrap();
    tenants.rotate(acme).new_key().await.unwrap();
    tenants.move_to(&id("small"), Tier::Dedicated).await.unwrap();
    tenants.suspend(acme).await.unwrap();
    tenants.resume(acme).await.unwrap();
    tenants.restore_policies(acme).await.unwrap();
    tenants.show(acme).await.unwrap();
    tenants.suspend(&id("small")).await.unwrap();
    tenants.offboard(acme).await.unwrap();
    tenants.cancel_offboard(acme).await.unwrap();
    tenants.resume(acme).await.unwrap();

    let kms = aws_sdk_kms::Client::new(&operator);
    let alias = office.tenancy.alias(acme);
    let made = kms.generate_data_key().key_id(alias.as_str()).number_of_bytes(32).encryption_context("tenant", "acme");
    assert_eq!(made.send().await.unwrap_err().code(), Some("AccessDeniedException"));
    let key = tenants.show(acme).await.unwrap().keys[0].key.key_id().to_owned();
    let other = kms.create_alias().alias_name("alias/payroll").target_key_id(key).send().await;
    assert_eq!(other.unwrap_err().code(), Some("AccessDeniedException"));
}
