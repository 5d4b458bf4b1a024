//! What a caller changes of a request comes on top of what the repository asks, and takes nothing of it away.

use aws_sdk_dynamodb::types::AttributeValue;
use tenantseal::Tenant;
use tenantseal::error::Reason;
use tenantseal::records::attribute;

use crate::common::{World, s};
use crate::records::scene::{Firm, Person, acme, firm, person};

fn n(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// `acme` with a person `p-1`, as it was stored.
async fn scene() -> (World, Tenant, Person) {
    let world = World::start(&["acme"]).await;
    let acme = acme(&world);
    let stored = acme.records::<Person>().put(&person("p-1")).returning_new().await.unwrap();
    (world, acme, stored)
}

#[tokio::test]
async fn a_condition_by_customize_that_fails_is_no_conflict() {
    let (_world, acme, stored) = scene().await;
    let people = acme.records::<Person>();
    let never = || ("logins = :busy", ":busy", n(77));
    let (condition, name, value) = never();
    for error in [
        people
            .put(&stored)
            .customize(move |put| put.condition_expression(condition).expression_attribute_values(name, value))
            .await
            .unwrap_err(),
        people
            .update("p-1")
            .set("logins", 8)
            .expect_version(stored.version)
            .customize(move |update| {
                update.condition_expression("logins = :busy").expression_attribute_values(":busy", n(77))
            })
            .await
            .unwrap_err(),
        people
            .delete("p-1")
            .expect_version(stored.version)
            .customize(move |delete| {
                delete.condition_expression("logins = :busy").expression_attribute_values(":busy", n(77))
            })
            .await
            .unwrap_err(),
    ] {
        assert!(error.is_condition_failed() && !error.is_conflict(), "{error}");
    }
    let put = people
        .put(&stored)
        .customize(move |put| put.condition_expression("logins = :busy").expression_attribute_values(":busy", n(77)));
    match acme.transact_write().with(put).await.unwrap_err() {
        tenantseal::Error::Cancelled(cancelled) => assert_eq!(cancelled.reasons(), [Some(Reason::ConditionFailed)]),
        other => panic!("{other}"),
    }
    assert_eq!(people.get("p-1").await.unwrap(), Some(stored));
}

#[tokio::test]
async fn a_condition_by_customize_holds_together_with_the_repositorys() {
    let (_world, acme, stored) = scene().await;
    let people = acme.records::<Person>();
    let idle = |logins: u64| (":idle", n(logins));
    let (name, value) = idle(u64::from(stored.logins));
    // Also where it is a choice, whose second half must not stand alone.
    let stored = people
        .put(&stored)
        .customize(move |put| {
            put.condition_expression("logins = :idle OR attribute_exists(#p)")
                .expression_attribute_values(name, value)
                .expression_attribute_names("#p", "contact_id")
        })
        .returning_new()
        .await
        .unwrap();
    let stale = Person { version: stored.version - 1, ..stored.clone() };
    let error = people
        .put(&stale)
        .customize(|put| put.condition_expression("attribute_exists(contact_id) OR attribute_not_exists(contact_id)"));
    assert!(error.await.unwrap_err().is_condition_failed(), "an old version was put over a new one");
    people
        .update("p-1")
        .add("logins", 1)
        .customize(|update| update.condition_expression("attribute_exists(contact_id)"))
        .await
        .unwrap();
    let error = people
        .delete("p-1")
        .expect_version(stored.version)
        .customize(|delete| delete.condition_expression("attribute_exists(contact_id)"));
    assert!(error.await.unwrap_err().is_condition_failed(), "a newer version was deleted");

    // Nor does it let one type write over another.
    let firms = acme.records::<Firm>();
    let over = firms.put(&firm("p-1")).customize(|put| put.condition_expression("attribute_exists(contact_id)"));
    assert!(over.await.unwrap_err().is_condition_failed(), "a firm was put over a person");
    people.delete("p-1").customize(|delete| delete.condition_expression("attribute_exists(contact_id)")).await.unwrap();
}

#[tokio::test]
async fn placeholders_by_customize_are_the_callers_whatever_they_are_called() {
    let (_world, acme, stored) = scene().await;
    let people = acme.records::<Person>();
    people
        .put(&stored)
        .customize(|put| {
            put.condition_expression("#record0 < :record0 AND #record1 < :record0")
                .expression_attribute_names("#record0", "logins")
                .expression_attribute_names("#record1", "version")
                .expression_attribute_values(":record0", n(1_000))
        })
        .await
        .unwrap();
    let error = people.put(&stored).customize(|put| put.condition_expression("logins = :nobody")).await.unwrap_err();
    assert!(matches!(error, tenantseal::Error::Refused(_)), "{error}");
    let error = people.put(&stored).customize(|put| put.condition_expression("logins =")).await.unwrap_err();
    assert!(matches!(error, tenantseal::Error::Refused(_)), "{error}");
}

#[tokio::test]
async fn an_update_by_customize_is_made_with_the_repositorys() {
    let (_world, acme, stored) = scene().await;
    let people = acme.records::<Person>();
    let changed = people
        .update("p-1")
        .set("email", "x@example.org")
        .customize(|update| {
            update
                .update_expression("SET note = :note ADD logins :one")
                .expression_attribute_values(":note", s("another"))
                .expression_attribute_values(":one", n(1))
        })
        .returning_new()
        .await
        .unwrap();
    let expected = Person {
        email: Some("x@example.org".to_owned()),
        note: "another".to_owned(),
        logins: stored.logins + 1,
        version: stored.version + 1,
        ..stored
    };
    assert_eq!(changed, expected);
}

#[tokio::test]
async fn a_filter_by_customize_holds_together_with_the_repositorys() {
    let (_world, acme, stored) = scene().await;
    acme.records::<Firm>().put(&firm("f-1")).await.unwrap();
    let people = acme.records::<Person>();
    let all = "attribute_exists(contact_id) OR attribute_exists(tenant_id)";
    let queried = people.query().filter(attribute("logins").at_least(0)).customize(|query| {
        query.filter_expression("logins < :many OR logins > :many").expression_attribute_values(":many", n(1_000))
    });
    assert_eq!(queried.stream().try_collect::<Vec<_>>().await.unwrap(), std::slice::from_ref(&stored));
    let scanned = people.scan().customize(|scan| scan.filter_expression(all));
    assert_eq!(scanned.stream().try_collect::<Vec<_>>().await.unwrap(), std::slice::from_ref(&stored));
    // Another condition on the keys takes the place of the repository's, of which nothing is left.
    let keys = people.query().begins_with("f-").customize(|query| {
        query
            .key_condition_expression("tenant_id = :t AND contact_id <= :last")
            .expression_attribute_values(":t", s("acme"))
            .expression_attribute_values(":last", s("p-1"))
    });
    assert_eq!(keys.stream().try_collect::<Vec<_>>().await.unwrap(), [stored]);
}

#[tokio::test]
async fn what_a_put_gives_back_is_what_its_caller_customized() {
    let (_world, acme, stored) = scene().await;
    let people = acme.records::<Person>();
    let put = people.put(&stored).customize(|put| put.item("logins", n(41))).returning_new().await.unwrap();
    assert_eq!(Some(put), people.get("p-1").await.unwrap());
}
