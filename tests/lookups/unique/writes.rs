//! Puts, updates, deletes and transactions keep the claims of their items.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tenantseal::error::{Error, Reason, Refusal, Written};
use tenantseal::records::{Records, any_of, attribute};
use tenantseal::{Record, TenantSeal};

use super::scene::{
    Member, assert_unique, builder, claimed, claiming_world, claims, expire, member, members, only_entry, tenant,
};
use crate::common::key_table::{key_table, to_key_table};
use crate::common::wire::Wire;
use crate::common::{ROLE, id, key};
use crate::lookups::scene::{stored, tokens};

/// The key of the item that an error says has the value.
fn taken_by(error: &Error) -> String {
    assert!(error.is_not_unique() && error.http_status() == 409 && error.written() == Written::No, "{error}");
    let Error::NotUnique { lookup, item } = error else { panic!("{error}") };
    assert_eq!((lookup.as_str(), item.table()), ("email", "people"));
    assert!(!error.to_string().contains("example"), "{error}");
    item.key()["contact_id"].as_s().unwrap().clone()
}

#[tokio::test]
async fn a_value_that_a_record_has_is_refused_to_others() {
    let (world, acme, members) = members().await;
    members.put(&member("m-1", "Ada@example.org")).await.unwrap();
    assert_unique(&world).await;
    let taken = member("m-2", "ada@EXAMPLE.org");
    assert_eq!(taken_by(&members.put(&taken).await.unwrap_err()), "m-1");
    assert_eq!(taken_by(&members.put(&taken).if_not_exists().await.unwrap_err()), "m-1");
    assert_eq!(taken_by(&members.put(&taken).returning_new().await.unwrap_err()), "m-1");
    members.put(&member("m-2", "eve@example.org")).await.unwrap();
    let update = members.update("m-2").set("email", "ada@example.org");
    assert_eq!(taken_by(&update.await.unwrap_err()), "m-1");
    let transaction =
        acme.transact_write().with(members.put(&member("m-3", "bob@example.org"))).with(members.put(&taken));
    assert_eq!(taken_by(&transaction.await.unwrap_err()), "m-1");
    assert_eq!(members.get("m-2").await.unwrap().unwrap().email.as_deref(), Some("eve@example.org"));
    assert_unique(&world).await;
    assert_eq!(claimed(&world, "acme").await.len(), 2);
}

#[tokio::test]
async fn a_record_may_be_written_again_and_change_its_value() {
    let (world, _, members) = members().await;
    for email in ["a@example.org", "a@example.org", "A@example.org", "b@example.org", "a@example.org"] {
        members.put(&member("m-1", email)).await.unwrap();
        assert_unique(&world).await;
        assert_eq!(claimed(&world, "acme").await.len(), 1, "the former claim is gone");
    }
    members.update("m-1").set("email", "c@example.org").set("phone", "+49 30 1").await.unwrap();
    assert_unique(&world).await;
    assert_eq!(claimed(&world, "acme").await.len(), 2);
    members.update("m-1").remove("phone").set("logins", 1).await.unwrap();
    assert_eq!(claimed(&world, "acme").await.len(), 1);
    members.update("m-1").set("notes", "no unique attribute").await.unwrap();
    let changed = members.update("m-1").set_if_not_exists("email", "d@example.org").returning_new().await.unwrap();
    assert_eq!(changed.email.as_deref(), Some("c@example.org"));
    assert_unique(&world).await;
    members.put(&member("m-2", "b@example.org")).await.unwrap();
    members.update("m-3").set("status", "new").set_if_not_exists("email", "d@example.org").upsert().await.unwrap();
    members.delete("m-1").await.unwrap();
    assert_unique(&world).await;
    assert_eq!(claimed(&world, "acme").await.len(), 2);
    members.put(&member("m-4", "c@example.org")).await.unwrap();
    assert_unique(&world).await;
}

#[tokio::test]
async fn tenants_and_lookups_have_claims_of_their_own() {
    let world = claiming_world(&["acme", "globex"]).await;
    tenant(&world, "acme").records::<Member>().put(&member("m-1", "ada@example.org")).await.unwrap();
    let other = Member { tenant_id: "globex".to_owned(), ..member("m-1", "ada@example.org") };
    tenant(&world, "globex").records::<Member>().put(&other).await.unwrap();
    let (ours, theirs) = (claimed(&world, "acme").await, claimed(&world, "globex").await);
    assert_eq!((ours.len(), theirs.len()), (1, 1));
    assert!(ours.keys().all(|entry| entry.starts_with("people#email#") && !theirs.contains_key(entry)));
}

#[tokio::test]
async fn what_has_nothing_to_look_up_is_no_duplicate() {
    let (world, _, members) = members().await;
    for contact in ["m-1", "m-2"] {
        members.put(&Member { phone: Some("none".to_owned()), email: None, ..member(contact, "") }).await.unwrap();
    }
    assert!(claimed(&world, "acme").await.is_empty());
    assert!(tokens(&stored(&world, "acme", "m-1").await).contains_key("phone_2"), "its filler is there");
    members.update("m-1").set("phone", "1").await.unwrap();
    members.put(&Member { phone: Some("none".to_owned()), ..member("m-1", "ada@example.org") }).await.unwrap();
    assert_eq!(only_entry(&world).await.split('#').nth(1), Some("email"));
}

#[tokio::test]
async fn the_value_of_an_item_that_expired_can_be_taken() {
    let (world, acme, members) = members().await;
    members.put(&member("m-1", "ada@example.org")).await.unwrap();
    expire(&world, "m-1").await;
    assert_eq!(claimed(&world, "acme").await.len(), 1);
    members.put(&member("m-2", "ada@example.org")).await.unwrap();
    assert_unique(&world).await;
    acme.dynamodb().delete_item().table_name("people").set_key(Some(key("acme", "m-2"))).send().await.unwrap();
    members.update("m-3").set("status", "new").set("email", "ada@example.org").upsert().await.unwrap();
    assert_unique(&world).await;
}

#[tokio::test]
async fn conditions_and_conflicts_keep_their_meaning() {
    let (world, acme, members) = members().await;
    members.put(&member("m-1", "ada@example.org")).if_not_exists().await.unwrap();
    let there = members.put(&member("m-1", "b@example.org")).if_not_exists().await.unwrap_err();
    let closed = members.put(&member("m-1", "b@example.org")).condition(attribute("status").equals("closed"));
    let closed = closed.await.unwrap_err();
    let absent = members.update("m-9").set("email", "c@example.org").await.unwrap_err();
    let deleted = members.delete("m-9").if_exists().await.unwrap_err();
    for error in [there, closed, absent, deleted] {
        assert!(error.is_condition_failed() && !error.is_conflict() && !error.is_not_unique(), "{error:?}");
        assert!(matches!(&error, Error::DynamoDb(_)) && error.written() == Written::No, "{error:?}");
    }
    let by_value = members.update("m-1").set("email", "b@example.org");
    by_value.condition(attribute("email").equals("ADA@example.org")).await.unwrap();
    let again = members.update("m-1").set("email", "c@example.org");
    assert!(again.condition(attribute("email").equals("ada@example.org")).await.unwrap_err().is_condition_failed());
    let write = acme.transact_write().with(members.put(&member("m-2", "d@example.org")));
    let error = write.with(members.delete("m-9").if_exists()).await.unwrap_err();
    let Error::Cancelled(cancelled) = &error else { panic!("{error}") };
    assert_eq!(cancelled.reasons(), [None, Some(Reason::ConditionFailed)], "{error}");
    assert_unique(&world).await;
}

#[tokio::test]
async fn what_was_there_before_comes_back() {
    let (world, _, members) = members().await;
    let first = member("m-1", "ada@example.org");
    assert_eq!(members.put(&first).returning_old().await.unwrap(), None);
    let second = Member { email: Some("eve@example.org".to_owned()), phone: Some("7".to_owned()), ..first.clone() };
    assert_eq!(members.put(&second).returning_old().await.unwrap(), Some(first));
    let before = members.update("m-1").set("email", "bob@example.org").returning_old().await.unwrap();
    assert_eq!(before.as_ref(), Some(&second));
    assert_unique(&world).await;
    let gone = members.take("m-1").await.unwrap().unwrap();
    assert_eq!(gone, Member { email: Some("bob@example.org".to_owned()), ..second });
    assert_eq!(members.take("m-1").await.unwrap(), None);
    assert!(claimed(&world, "acme").await.is_empty());
}

/// A version, and a lookup beside the first that is built and then retires it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Record)]
#[seal(table = "people")]
struct Versioned {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(sort_key)]
    contact_id: String,
    #[seal(encrypt, lookup(email, unique, name = "email", retired), lookup(exact, unique, name = "email_2", building))]
    email: String,
    #[seal(version)]
    logins: u64,
}

fn versioned(contact: &str, email: &str, logins: u64) -> Versioned {
    let text = str::to_owned;
    Versioned { tenant_id: text("acme"), contact_id: text(contact), email: text(email), logins }
}

#[tokio::test]
async fn versions_count_and_states_decide_which_claims_there_are() {
    let (world, _, members) = members().await;
    members.put(&member("m-1", "ada@example.org")).await.unwrap();
    members.update("m-1").set("logins", 1).await.unwrap();
    let builder = TenantSeal::builder().assume_role(ROLE).key_table(key_table(&world.app)).record::<Versioned>();
    let seal = builder.claims(claims(&world.app)).build(&world.app).unwrap();
    let later: Records<Versioned> = seal.tenant(&id("acme")).records();
    later.put(&versioned("m-1", "ada@example.org", 1)).await.unwrap();
    assert_eq!(only_entry(&world).await.split('#').nth(1), Some("email_2"), "the retired lookup's claim is gone");
    let stale = later.put(&versioned("m-1", "eve@example.org", 1)).await.unwrap_err();
    assert!(stale.is_conflict() && matches!(stale, Error::Conflict { may_be_own: false, .. }), "{stale}");
    let second = later.put(&versioned("m-2", "ada@example.org", 0)).await.unwrap_err();
    assert!(second.is_not_unique(), "{second}");
    let new = later.put(&versioned("m-2", "Ada@example.org", 0)).returning_new().await.unwrap();
    assert_eq!(new.logins, 1);
    let refused = later.find_by("email_2", "ada@example.org").consistent().one().await.unwrap_err();
    assert!(refused.to_string().contains("no index") || refused.to_string().contains("building"), "{refused}");
}

/// The first address of an item, while the lookup is built.
#[derive(Debug, Serialize, Deserialize, Record)]
#[seal(table = "people")]
struct Built {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(sort_key)]
    contact_id: String,
    #[seal(encrypt, lookup(email, unique, building))]
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
}

/// Its token would go, and with it the claim of a value that stays.
#[tokio::test]
async fn if_not_exists_frees_no_value_while_a_unique_lookup_is_built() {
    let (world, ..) = members().await;
    let builder = TenantSeal::builder().assume_role(ROLE).key_table(key_table(&world.app)).record::<Built>();
    let seal = builder.claims(claims(&world.app)).build(&world.app).unwrap();
    let acme = seal.tenant(&id("acme"));
    let built: Records<Built> = acme.records();
    let of = |contact: &str| {
        let (tenant_id, email) = ("acme".to_owned(), Some("ada@example.org".to_owned()));
        Built { tenant_id, contact_id: contact.to_owned(), email }
    };
    built.put(&of("m-1")).await.unwrap();
    let update = || built.update("m-1").set_if_not_exists("email", "eve@example.org");
    let refusals = [update().await.unwrap_err(), acme.transact_write().with(update()).await.unwrap_err()];
    for refused in refusals {
        let is_named = matches!(&refused, Error::Refused(Refusal::UniqueIfNotExists { lookup }) if lookup == "email");
        assert!(is_named && refused.to_string().contains("`building`"), "{refused}");
    }
    assert!(built.put(&of("m-2")).await.unwrap_err().is_not_unique(), "m-1 has the value");
    assert_unique(&world).await;
    // The advice, followed to the letter.
    let update = built.update("m-3").set("email", "eve@example.org").condition(attribute("email").not_exists());
    update.upsert().await.unwrap();
    assert_unique(&world).await;
}

/// The same records before their address was unique.
#[derive(Debug, Serialize, Deserialize, Record)]
#[seal(table = "people")]
struct Earlier {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(sort_key)]
    contact_id: String,
    status: String,
    #[seal(encrypt, lookup(email, index = "by-email"))]
    email: String,
}

#[tokio::test]
async fn records_that_shared_a_value_before_keep_it_until_they_change_it() {
    let (world, _, members) = members().await;
    let builder = TenantSeal::builder().assume_role(ROLE).key_table(key_table(&world.app)).record::<Earlier>();
    let earlier: Records<Earlier> = builder.build(&world.app).unwrap().tenant(&id("acme")).records();
    for contact_id in ["m-1", "m-2"].map(str::to_owned) {
        let (tenant_id, status, email) = ("acme".to_owned(), "open".to_owned(), "ada@example.org".to_owned());
        earlier.put(&Earlier { tenant_id, contact_id, status, email }).await.unwrap();
    }
    members.update("m-1").set("email", "Ada@example.org").await.unwrap();
    assert_eq!(taken_by(&members.update("m-2").set("email", "ada@example.org").await.unwrap_err()), "m-1");
    members.update("m-2").set("status", "closed").await.unwrap();
    members.update("m-2").set("email", "eve@example.org").await.unwrap();
    assert_unique(&world).await;
    assert_eq!(claimed(&world, "acme").await.len(), 2, "the other record's claim stays");
}

#[tokio::test]
async fn a_transaction_moves_values_between_its_records() {
    let (world, acme, members) = members().await;
    members.put(&member("m-1", "a@example.org")).await.unwrap();
    members.put(&member("m-2", "b@example.org")).await.unwrap();
    let swap = acme.transact_write().with(members.update("m-1").set("email", "b@example.org"));
    swap.with(members.update("m-2").set("email", "a@example.org")).await.unwrap();
    assert_unique(&world).await;
    let moved = acme.transact_write().with(members.delete("m-1")).with(members.put(&member("m-3", "b@example.org")));
    moved.await.unwrap();
    assert_unique(&world).await;
    let both = acme.transact_write().with(members.put(&member("m-4", "c@example.org")));
    assert_eq!(taken_by(&both.with(members.put(&member("m-5", "c@example.org"))).await.unwrap_err()), "m-4");
    let checked = acme.transact_write().with(members.put(&member("m-4", "c@example.org")));
    checked.with(members.check("m-2", attribute("status").equals("open"))).await.unwrap();
    assert_unique(&world).await;
}

#[tokio::test]
async fn a_transaction_with_a_token_is_carried_out_once() {
    let (world, acme, members) = members().await;
    members.put(&member("m-1", "a@example.org")).await.unwrap();
    members.put(&member("m-2", "b@example.org")).await.unwrap();
    expire(&world, "m-2").await;
    // It finds the claim of `b` stale, and is sent again with the same bytes.
    let write = || {
        let write = acme.transact_write().with(members.update("m-1").set("email", "b@example.org").add("logins", 1));
        write.idempotency_token("token-1")
    };
    write().await.unwrap();
    write().await.unwrap();
    assert_eq!(members.get("m-1").consistent().await.unwrap().unwrap().logins, 1);
    assert_unique(&world).await;
    assert_eq!(claimed(&world, "acme").await.len(), 2, "the former claim stays, and is stale");
    members.put(&member("m-3", "a@example.org")).await.unwrap();
    assert_unique(&world).await;
    let taken = acme.transact_write().with(members.put(&member("m-4", "b@example.org"))).idempotency_token("token-2");
    assert_eq!(taken_by(&taken.await.unwrap_err()), "m-1");
    let maybe = acme.transact_write().with(members.update("m-1").set_if_not_exists("email", "c@example.org"));
    let refused = maybe.idempotency_token("token-3").await.unwrap_err();
    assert!(refused.to_string().contains("on the condition that it does not exist"), "{refused}");
}

#[tokio::test]
async fn a_unique_value_is_found_consistently_by_its_claim() {
    let (world, acme, members) = members().await;
    members.put(&member("m-1", "ada@example.org")).await.unwrap();
    members.put(&member("m-2", "eve@example.org")).await.unwrap();
    let found = members.find_by("email", "ADA@example.org").consistent().one().await.unwrap().unwrap();
    assert_eq!(found, member("m-1", "ada@example.org"));
    assert_eq!(members.find_by("email", "bob@example.org").consistent().one().await.unwrap(), None);
    let both = members.find_by("email", any_of(["ada@example.org", "eve@example.org", "x@example.org"])).consistent();
    assert_eq!(both.all().await.unwrap().len(), 2);
    let closed = members.find_by("email", "ada@example.org").consistent().filter(attribute("status").equals("closed"));
    assert_eq!(closed.one().await.unwrap(), None);
    // It needs no index, and the item is compared.
    members.update("m-1").set("phone", "+49 30 1").await.unwrap();
    assert_eq!(members.find_by("phone", "49301").consistent().one().await.unwrap().unwrap().contact_id, "m-1");
    expire(&world, "m-1").await;
    let stale = acme.records::<Member>().find_by("phone", "49301").consistent().one().await.unwrap();
    assert_eq!(stale, None);
}

/// Another type of the table, whose items have no unique attribute.
#[derive(Debug, Serialize, Deserialize, Record)]
#[seal(table = "people")]
struct Note {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(sort_key)]
    contact_id: String,
    #[seal(encrypt)]
    notes: String,
}

#[tokio::test]
async fn only_writes_of_unique_attributes_bring_claims() {
    let world = claiming_world(&["acme"]).await;
    let wire = Wire::open();
    let config = world.over(wire.clone());
    let acme = builder(&config).record::<Note>().build(&config).unwrap().tenant(&id("acme"));
    let (members, notes) = (acme.records::<Member>(), acme.records::<Note>());
    let sent = || {
        let sent = wire.sent().into_iter().filter(|sent| {
            let ours = ["Item", "Items"].iter().any(|end| sent.operation.ends_with(end));
            ours && !to_key_table(sent)
        });
        sent.map(|sent| sent.operation).collect::<Vec<_>>()
    };
    members.put(&member("m-1", "ada@example.org")).if_not_exists().await.unwrap();
    assert_eq!(sent(), ["TransactWriteItems"], "nothing is there, so nothing is read");
    let before = sent().len();
    members.update("m-1").set("notes", "changed").set("logins", 1).await.unwrap();
    members.update("m-1").set("notes", "again").returning_old().await.unwrap();
    let note = Note { tenant_id: "acme".to_owned(), contact_id: "n-1".to_owned(), notes: "n".to_owned() };
    notes.put(&note).await.unwrap();
    notes.delete("n-1").await.unwrap();
    acme.transact_write().with(notes.put(&note)).await.unwrap();
    let expected = ["UpdateItem", "GetItem", "UpdateItem", "PutItem", "DeleteItem", "TransactWriteItems"];
    assert_eq!(sent()[before..], expected);
    let before = sent().len();
    members.put(&member("m-1", "ada@example.org")).await.unwrap();
    members.delete("m-1").await.unwrap();
    assert_eq!(sent()[before..], ["GetItem", "TransactWriteItems", "GetItem", "TransactWriteItems"]);
}

#[tokio::test]
async fn a_transaction_that_claims_make_too_large_is_refused() {
    let (world, acme, members) = members().await;
    let all = (0..60).map(|at| members.put(&member(&format!("m-{at}"), &format!("{at}@example.org"))).if_not_exists());
    let write = all.fold(acme.transact_write(), |write, put| write.with(put));
    let refused = write.await.unwrap_err();
    assert!(matches!(refused, Error::Refused(Refusal::TooManyClaims { actions: 120 })), "{refused}");
    assert!(claimed(&world, "acme").await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_writers_of_one_value_exactly_one_has_it() {
    let (world, acme, members) = members().await;
    members.put(&member("m-0", "old@example.org")).await.unwrap();
    expire(&world, "m-0").await;
    for (round, email) in ["old@example.org", "new@example.org"].into_iter().enumerate() {
        let members = Arc::new(acme.records::<Member>());
        let writes = (0..8).map(|at| {
            let (members, at) = (Arc::clone(&members), at + 10 * round);
            tokio::spawn(async move { members.put(&member(&format!("m-{at}"), email)).await })
        });
        let written = futures_util::future::join_all(writes.collect::<Vec<_>>()).await;
        let written: Vec<_> = written.into_iter().map(Result::unwrap).collect();
        assert_eq!(written.iter().filter(|written| written.is_ok()).count(), 1, "{written:?}");
        let others = written.into_iter().filter_map(Result::err);
        assert!(others.into_iter().all(|error| error.is_not_unique() || error.is_retryable()));
        assert_unique(&world).await;
    }
}
