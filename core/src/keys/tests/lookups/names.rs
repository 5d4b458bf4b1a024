//! A name keeps its definition and its lookup key.

use futures_util::future::join_all;

use super::*;

fn redefined(name: &str) -> Kind {
    Kind::LookupRedefined { table: "crm".to_owned(), name: name.to_owned() }
}

#[tokio::test(start_paused = true)]
async fn a_definition_that_was_changed_in_place_is_refused() {
    let fleet = Fleet::default();
    let token = fleet.process().token("acme").await;
    let changed = fleet.declaring(vec![lookup("email", 1, 12)]);
    assert_eq!(changed.token("acme").await, Err(redefined("email")));
    assert_eq!(fleet.process().token("acme").await, token, "nothing has changed for the others");
    // Under another name it may be what it likes.
    let mut named = lookup("email", 1, 12);
    named.name = "email_2".to_owned();
    let second = fleet.declaring(vec![lookup("email", 1, 128), named]);
    assert_eq!(second.token("acme").await, token);
    assert_eq!(second.token_under("acme", "email_2", 1).await.unwrap().len(), "acme.".len() + 2 + 2);
    // And for a tenant that has never used it, the definition is new.
    assert!(changed.token("globex").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_name_does_not_change_its_lookup_key() {
    let fleet = Fleet::default();
    fleet.process().token("acme").await.unwrap();
    let moved = fleet.declaring(vec![lookup("email", 2, 128)]);
    assert_eq!(moved.token_under("acme", "email", 2).await, Err(redefined("email")));
    assert_eq!(fleet.table.record("acme", 2), None);
    let renamed = fleet.declaring(vec![lookup("email_2", 2, 128)]);
    renamed.token_under("acme", "email_2", 2).await.unwrap();
    assert!(fleet.table.record("acme", 2).is_some());
}

/// As a process does that was deployed without `key = 2`: its tokens would be found by nobody else.
#[tokio::test(start_paused = true)]
async fn a_name_does_not_go_back_to_an_earlier_lookup_key() {
    let fleet = Fleet::default();
    let second = fleet.declaring(vec![lookup("email", 2, 128)]);
    let token = second.token_under("acme", "email", 2).await.unwrap();
    assert_eq!(fleet.process().token("acme").await, Err(redefined("email")));
    assert_eq!(fleet.table.record("acme", 1), None, "nothing is made for it");
    // Also where the earlier key is there for others.
    fleet.declaring(vec![lookup("phone", 1, 128)]).token_under("acme", "phone", 1).await.unwrap();
    assert_eq!(fleet.process().token("acme").await, Err(redefined("email")));
    let restarted = fleet.declaring(vec![lookup("email", 2, 128)]);
    assert_eq!(restarted.token_under("acme", "email", 2).await, Ok(token));
}

#[tokio::test(start_paused = true)]
async fn services_that_add_their_lookups_at_once_lose_none() {
    let fleet = Fleet::default();
    let names: Vec<String> = (0..10).map(|at| format!("lookup_{at}")).collect();
    let services: Vec<Scene> = names.iter().map(|name| fleet.declaring(vec![lookup(name, 1, 128)])).collect();
    let added = services.iter().zip(&names).map(|(scene, name)| scene.token_under("acme", name, 1));
    assert!(join_all(added).await.iter().all(Result::is_ok));
    for name in &names {
        let changed = fleet.declaring(vec![lookup(name, 1, 12)]);
        assert_eq!(changed.token_under("acme", name, 1).await, Err(redefined(name)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_name_is_not_used_before_it_is_recorded() {
    let fleet = Fleet::default();
    fleet.process().token("acme").await.unwrap();
    let scene = fleet.declaring(vec![lookup("email", 1, 128), lookup("phone", 1, 128)]);
    fleet.table.down.store(true, Ordering::SeqCst);
    assert_eq!(scene.token("acme").await, Err(Kind::Unavailable));
    fleet.table.down.store(false, Ordering::SeqCst);
    assert!(scene.token("acme").await.is_ok());
}

#[test]
fn a_process_declares_a_name_once() {
    let twice = DeclaredLookups::new(vec![lookup("email", 1, 128), lookup("a", 1, 128), lookup("email", 1, 12)]);
    assert!(twice.is_err());
    assert!(DeclaredLookups::new(vec![lookup("email", 1, 128), lookup("email", 2, 128)]).is_err());
    assert!(DeclaredLookups::new(vec![lookup("email", 0, 128)]).is_err());
    let shared = DeclaredLookups::new(vec![lookup("email", 1, 128), lookup("email", 1, 128)]).unwrap();
    assert_eq!(shared.len(), 1, "record types may share it");
}
