//! What DynamoDB refuses of a request that was rewritten, explained by what is wrong with it and by nothing else.

use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use tenantseal::Error;

use crate::boundary::tenants::put;
use crate::common::{World, contact, item, s};

#[tokio::test]
async fn a_filter_on_an_indexs_own_key_is_not_blamed_on_the_tenant() {
    let world = World::start(&["acme"]).await;
    let acme = world.tenant("acme");
    put(&acme, &contact("acme", "c-1")).await;
    let dynamodb = acme.dynamodb();
    let query = dynamodb.query().table_name("crm").index_name("by-company").key_condition_expression("company = :c");
    let query = query.expression_attribute_values(":c", s("Example Ltd"));
    let error = query.clone().filter_expression("company = :c").send().await.unwrap_err();
    assert!(Error::find_in(&error).is_none(), "{}", Error::find_in(&error).unwrap());
    assert!(error.message().unwrap().ends_with("Primary key attribute: company"), "{error:?}");
    assert_eq!(query.send().await.unwrap().items(), [item(&contact("acme", "c-1"))]);
}
