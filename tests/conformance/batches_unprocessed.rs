//! Batches of which DynamoDB leaves a part unprocessed: the caller sends that part again, as it came back.

use aws_sdk_dynamodb::Client;

use super::batches::{delete, keys, put, read, write};
use super::case::{Case, case};
use super::ctx::{Ctx, m, n, numbered, s};
use super::outcome::{Outcome, outcome, shown};

pub fn cases() -> Vec<Case> {
    let halved = [
        case!(unprocessed_puts_come_back_as_they_were_given),
        case!(unprocessed_deletes_come_back_as_they_were_given),
        case!(unprocessed_writes_are_sent_again_until_all_are_done),
        case!(unprocessed_keys_come_back_as_they_were_given),
        case!(unprocessed_keys_keep_their_projection),
        case!(unprocessed_keys_are_sent_again_until_all_are_found),
    ];
    let mut cases: Vec<_> = halved.into_iter().map(Case::halved).collect();
    cases.push(case!(a_batch_get_of_more_than_16_megabytes_leaves_keys_unprocessed));
    cases
}

/// Numbers are in their normal form: nothing says whether DynamoDB gives back another one as it was written.
async fn unprocessed_puts_come_back_as_they_were_given(db: &Client, t: &Ctx) -> Outcome {
    let full = [("title", s("t")), ("email", s("e")), ("amount", n("1.5")), ("profile", m([("zip", n(1))]))];
    let requests = [put(t.item("1", [("email", s("first"))])), put(t.item("2", full))];
    outcome![write(db, t, requests).send().await, t.query(db).send().await]
}

async fn unprocessed_deletes_come_back_as_they_were_given(db: &Client, t: &Ctx) -> Outcome {
    t.seed_many(db, 3).await;
    let requests = [put(t.item("00", [("memo", s("m"))])), delete(t.key("01")), delete(t.key("02"))];
    outcome![write(db, t, requests).send().await, t.query(db).send().await]
}

async fn unprocessed_writes_are_sent_again_until_all_are_done(db: &Client, t: &Ctx) -> Outcome {
    let mut requests: Vec<_> = (0..10).map(|i| put(t.item(&format!("{i:02}"), numbered(i)))).collect();
    let mut outcome = Vec::new();
    for _ in 0..10 {
        let answer = write(db, t, requests).send().await;
        let left = answer.as_ref().ok().and_then(|answer| answer.unprocessed_items.clone());
        outcome.push(shown(answer));
        match left.unwrap_or_default().remove(&t.notes) {
            Some(left) => requests = left,
            None => break,
        }
    }
    outcome.push(shown(t.query(db).send().await));
    outcome
}

async fn unprocessed_keys_come_back_as_they_were_given(db: &Client, t: &Ctx) -> Outcome {
    t.seed_many(db, 4).await;
    outcome![read(db, t, keys(t, ["00", "01", "02", "03"]), None).send().await]
}

async fn unprocessed_keys_keep_their_projection(db: &Client, t: &Ctx) -> Outcome {
    t.seed(db, "1", [("name", s("Ada")), ("profile", m([("zip", n(1)), ("street", s("x"))]))]).await;
    t.seed(db, "2", [("name", s("Bob")), ("profile", m([("zip", n(2))])), ("email", s("e"))]).await;
    outcome![
        read(db, t, keys(t, ["1", "2"]), Some("#name, profile.zip")).send().await,
        read(db, t, keys(t, ["1", "2"]), Some("email")).send().await,
    ]
}

async fn unprocessed_keys_are_sent_again_until_all_are_found(db: &Client, t: &Ctx) -> Outcome {
    t.seed_many(db, 7).await;
    let mut request = read(db, t, keys(t, (0..9).map(|i| format!("{i:02}"))), Some("email, title"));
    let mut outcome = Vec::new();
    for _ in 0..9 {
        let answer = request.send().await;
        let left = answer.as_ref().ok().and_then(|answer| answer.unprocessed_keys.clone()).unwrap_or_default();
        outcome.push(shown(answer));
        if left.is_empty() {
            break;
        }
        request = db.batch_get_item().set_request_items(Some(left));
    }
    outcome
}

/// Which keys are left is DynamoDB's choice; together with what came they are all that were asked for.
async fn a_batch_get_of_more_than_16_megabytes_leaves_keys_unprocessed(db: &Client, t: &Ctx) -> Outcome {
    for i in 0..48 {
        t.seed(db, &format!("{i:02}"), [("secret", s("x".repeat(370_000)))]).await;
    }
    let mut request = read(db, t, keys(t, (0..48).map(|i| format!("{i:02}"))), Some("sk, secret"));
    let (mut found, mut left) = (Vec::new(), true);
    let mut answers = 0;
    while left {
        let answer = match request.clone().send().await {
            Ok(answer) => answer,
            refused => return vec![shown(refused)],
        };
        answers += 1;
        for item in answer.responses.into_iter().flatten().flat_map(|(_, items)| items) {
            found.push(format!("{} {}", item["sk"].as_s().unwrap(), item["secret"].as_s().unwrap().len()));
        }
        let rest = answer.unprocessed_keys.unwrap_or_default();
        left = !rest.is_empty();
        request = db.batch_get_item().set_request_items(Some(rest));
    }
    found.sort();
    outcome![serde_json::json!({ "answers": answers, "found": found })]
}
