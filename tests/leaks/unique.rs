//! Canaries in unique values: no request and no log shows one, nor does an error that says who has it.

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use serde::{Deserialize, Serialize};
use tenantseal::keys::DynamoDbKeyTable;
use tenantseal::records::{ClaimsTable, Records};
use tenantseal::{Record, Tenant, TenantSeal};

use crate::common::key_table::KEY_TABLE;
use crate::common::wire::Reaction;
use crate::common::{ROLE, id, s};
use crate::scene::{Scene, service_error};

#[derive(Debug, Serialize, Deserialize, Record)]
#[seal(table = "members")]
struct Member {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(sort_key)]
    contact_id: String,
    #[seal(encrypt, lookup(exact, unique))]
    email: String,
}

const CLAIMS: &str = "claims";

/// `acme` with its members, whose table has keys alone.
async fn members(scene: &Scene) -> (Tenant, Records<Member>) {
    let table = scene.world.plain.create_table().table_name("members").billing_mode(BillingMode::PayPerRequest);
    let keys = [("tenant_id", KeyType::Hash), ("contact_id", KeyType::Range)];
    let table = keys.into_iter().fold(table, |table, (name, kind)| {
        let attribute = AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
        let key = KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap();
        table.attribute_definitions(attribute.build().unwrap()).key_schema(key)
    });
    table.send().await.unwrap();
    let claims = ClaimsTable::new(&scene.app, CLAIMS);
    claims.create_table().await.unwrap();
    let key_table = DynamoDbKeyTable::new(&scene.app, KEY_TABLE);
    let builder = TenantSeal::builder().assume_role(ROLE).key_table(key_table).record::<Member>().claims(claims);
    let acme = builder.build(&scene.app).unwrap().tenant(&id("acme"));
    let members = acme.records::<Member>();
    (acme, members)
}

fn member(contact: &str, email: &str) -> Member {
    Member { tenant_id: "acme".to_owned(), contact_id: contact.to_owned(), email: email.to_owned() }
}

/// Brings about each refusal and error of unique values, with a canary as the value. The key table is there.
pub(crate) async fn refuse(scene: &mut Scene) {
    let (acme, members) = members(scene).await;
    let [text, other] = scene.canaries.clone();
    members.put(&member("m-1", &text)).await.unwrap();
    members.update("m-1").set("email", &other).await.unwrap();
    members.update("m-1").set("email", &text).returning_old().await.unwrap();
    assert!(members.find_by("email", &text).consistent().one().await.unwrap().is_some());
    scene.fails("not unique", members.put(&member("m-2", &text)).await);
    let both = acme.transact_write().with(members.put(&member("m-3", &other)));
    scene.fails("twice in a transaction", both.with(members.put(&member("m-4", &other))).await);
    scene.fails("unique by a batch", members.put_many(&[member("m-2", &text)]).await);
    let put = acme.dynamodb().put_item().table_name("members").item("tenant_id", s("acme"));
    scene.fails("unique by the client", put.item("contact_id", s("m-2")).item("email", s(&text)).send().await);
    let maybe = acme.transact_write().with(members.update("m-1").set_if_not_exists("email", &text));
    scene.fails("unique, if it does not exist", maybe.idempotency_token("token").await);
    let all = (0..60).map(|at| members.put(&member(&format!("n-{at}"), &format!("{text}{at}"))).if_not_exists());
    scene.fails("too many claims", all.fold(acme.transact_write(), |write, put| write.with(put)).await);
    for (status, code) in [(400, "ValidationException"), (500, "InternalServerError")] {
        scene.react("TransactWriteItems", move || Reaction::Answer(status, service_error(code)));
        scene.fails(&format!("claims: {code}"), members.put(&member("m-2", &other)).await);
        scene.fails(&format!("claims, with the old: {code}"), members.take("m-1").await);
        scene.behave();
    }
    let claims = scene.world.plain.scan().table_name(CLAIMS).send().await.unwrap().items.unwrap();
    for claim in claims {
        let put = scene.world.plain.put_item().table_name(CLAIMS).set_item(Some(claim));
        put.item("key", AttributeValue::M([("tenant_id".to_owned(), s("acme"))].into())).send().await.unwrap();
    }
    scene.fails("a forged claim", members.put(&member("m-2", &text)).await);
    scene.fails("a forged claim, found", members.find_by("email", &text).consistent().one().await);
    scene.shows("the claims table", format!("{:?}", ClaimsTable::new(&scene.app, CLAIMS)));
}
