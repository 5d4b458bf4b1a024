//! Optimistic locking: who writes what another has changed since is told so.

use tenantseal::Error;
use tenantseal::error::Reason;
use tenantseal::records::attribute;

use crate::common::World;
use crate::records::scene::{Firm, Person, SECRET, acme, firm, person};

#[tokio::test]
async fn a_put_stores_the_next_version_and_gives_it_back() {
    let world = World::start(&["acme"]).await;
    let people = acme(&world).records::<Person>();
    let first = people.put(&person("p-1")).returning_new().await.unwrap();
    assert_eq!(first, Person { version: 1, ..person("p-1") });
    assert_eq!(people.get("p-1").await.unwrap(), Some(first.clone()));
    let second = people.put(&Person { logins: 2, ..first }).returning_new().await.unwrap();
    assert_eq!((second.version, second.logins), (2, 2));
}

#[tokio::test]
async fn the_slower_of_two_writers_is_told() {
    let world = World::start(&["acme"]).await;
    let people = acme(&world).records::<Person>();
    let read = people.put(&person("p-1")).returning_new().await.unwrap();
    people.put(&Person { logins: 7, ..read.clone() }).await.unwrap();
    for error in [
        people.put(&Person { logins: 8, ..read.clone() }).await.unwrap_err(),
        people.put(&person("p-1")).await.unwrap_err(),
        people.update("p-1").set("logins", 8).expect_version(read.version).await.unwrap_err(),
        people.delete("p-1").expect_version(read.version).await.unwrap_err(),
    ] {
        assert!(matches!(error, Error::Conflict { .. }), "{error}");
        assert!(error.is_conflict() && error.is_condition_failed() && !error.is_retryable());
        assert!(!format!("{error} {error:?}").contains(SECRET));
    }
    assert_eq!(people.get("p-1").await.unwrap().unwrap().logins, 7);
}

#[tokio::test]
async fn an_update_counts_although_it_does_not_check() {
    let world = World::start(&["acme"]).await;
    let people = acme(&world).records::<Person>();
    let read = people.put(&person("p-1")).returning_new().await.unwrap();
    people.update("p-1").set("email", "x@example.org").await.unwrap();
    assert!(people.put(&read).await.unwrap_err().is_conflict());
    let checked = people.update("p-1").set("email", "y@example.org").expect_version(2).returning_new().await.unwrap();
    assert_eq!(checked.version, 3);
    people.delete("p-1").expect_version(3).await.unwrap();
    assert_eq!(people.get("p-1").await.unwrap(), None);
}

#[tokio::test]
async fn many_writers_who_read_again_lose_nothing() {
    let world = World::start(&["acme"]).await;
    let people = acme(&world).records::<Person>();
    people.put(&person("p-1")).await.unwrap();
    let increment = || async {
        loop {
            let read = people.get("p-1").consistent().await.unwrap().unwrap();
            match people.put(&Person { logins: read.logins + 1, ..read }).await {
                Ok(()) => return,
                Err(error) => assert!(error.is_conflict(), "{error}"),
            }
        }
    };
    futures_util::future::join_all((0..8).map(|_| increment())).await;
    assert_eq!(people.get("p-1").await.unwrap().unwrap().logins, 9);
}

#[tokio::test]
async fn with_a_condition_of_the_callers_a_failure_is_not_called_a_conflict() {
    let world = World::start(&["acme"]).await;
    let people = acme(&world).records::<Person>();
    let read = people.put(&person("p-1")).returning_new().await.unwrap();
    let error = people.put(&read).condition(attribute("logins").equals(99)).await.unwrap_err();
    assert!(error.is_condition_failed() && !error.is_conflict(), "{error}");
}

#[tokio::test]
async fn a_transaction_checks_versions_too() {
    let world = World::start(&["acme"]).await;
    let acme = acme(&world);
    let (people, firms) = (acme.records::<Person>(), acme.records::<Firm>());
    let read = people.put(&person("p-1")).returning_new().await.unwrap();
    people.update("p-1").set("logins", 2).await.unwrap();
    let error = acme.transact_write().with(firms.put(&firm("f-1"))).with(people.put(&read)).await.unwrap_err();
    let Error::Cancelled(cancelled) = &error else { panic!("{error}") };
    assert_eq!(cancelled.reasons(), [None, Some(Reason::Conflict)]);
    assert!(error.is_conflict());
    assert_eq!(firms.get("f-1").await.unwrap(), None);
}

#[tokio::test]
async fn a_type_without_a_version_has_none_to_expect() {
    let world = World::start(&["acme"]).await;
    let error = acme(&world).records::<Firm>().delete("f-1").expect_version(1).await.unwrap_err();
    assert!(matches!(error, Error::Record { .. }), "{error}");
}

#[tokio::test]
async fn the_last_version_is_not_written_over() {
    let world = World::start(&["acme"]).await;
    let people = acme(&world).records::<Person>();
    let last = Person { version: u64::MAX, ..person("p-1") };
    for error in [
        people.put(&last).await.unwrap_err(),
        people.update("p-1").set("logins", 2).expect_version(u64::MAX).await.unwrap_err(),
    ] {
        assert!(matches!(&error, Error::Record { what, .. } if what.contains("is the last")), "{error}");
    }
    assert_eq!(people.get("p-1").await.unwrap(), None);
}
