//! The life of keys, aliases, policies and tags.

use std::time::Duration;

use aws_sdk_kms::types::{KeyState, Tag};
use serde_json::json;

use crate::fixture::{Fixture, document, refusal, root_statement};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::test]
async fn a_key_is_described_as_it_was_created() {
    let Fixture { kms, .. } = &Fixture::start().await;
    let tag = Tag::builder().tag_key("tenant").tag_value("a").build().unwrap();
    let created = kms.create_key().description("of a").tags(tag.clone()).send().await.unwrap().key_metadata.unwrap();
    assert_eq!(created.arn.as_deref(), Some(&*format!("arn:aws:kms:us-east-1:111111111111:key/{}", created.key_id)));
    for key_id in [&created.key_id, created.arn.as_ref().unwrap()] {
        let described = kms.describe_key().key_id(key_id).send().await.unwrap().key_metadata.unwrap();
        assert_eq!(described, created);
    }
    assert_eq!(created.key_state, Some(KeyState::Enabled));
    assert_eq!(created.description.as_deref(), Some("of a"));
    let tags = kms.list_resource_tags().key_id(&created.key_id).send().await.unwrap().tags.unwrap();
    assert_eq!(tags, [tag]);

    kms.update_key_description().key_id(&created.key_id).description("of b").send().await.unwrap();
    let described = kms.describe_key().key_id(&created.key_id).send().await.unwrap().key_metadata.unwrap();
    assert_eq!(described.description.as_deref(), Some("of b"));
}

#[tokio::test]
async fn a_multi_region_key_says_so_in_its_id() {
    let Fixture { kms, .. } = &Fixture::start().await;
    let key = kms.create_key().multi_region(true).send().await.unwrap().key_metadata.unwrap();
    assert!(key.key_id.starts_with("mrk-"));
    assert_eq!(key.key_id.len(), 36);
    assert_eq!(key.multi_region, Some(true));
    let data_key = kms.generate_data_key().key_id(&key.key_id).number_of_bytes(32).send().await.unwrap();
    assert_eq!(data_key.key_id, key.arn);
}

#[tokio::test]
async fn a_replica_opens_what_its_primary_sealed_and_rotates_with_it() {
    let fixture = Fixture::start().await;
    let kms = &fixture.kms;
    let primary = kms.create_key().multi_region(true).send().await.unwrap().key_metadata.unwrap();
    let replicate = |key_id: &str| kms.replicate_key().key_id(key_id).replica_region("eu-central-1").send();
    let replica = replicate(&primary.key_id).await.unwrap().replica_key_metadata.unwrap();
    assert_eq!(replica.key_id, primary.key_id);
    assert_eq!(refusal(replicate(&primary.key_id).await), "AlreadyExistsException");
    let single = kms.create_key().send().await.unwrap().key_metadata.unwrap();
    assert_eq!(refusal(replicate(&single.key_id).await), "UnsupportedOperationException");

    let frankfurt = in_region(&fixture, "eu-central-1");
    let described = frankfurt.describe_key().key_id(&primary.key_id).send().await.unwrap().key_metadata.unwrap();
    assert_eq!(described, replica);
    let family = described.multi_region_configuration.unwrap();
    assert_eq!(family.primary_key.unwrap().arn, primary.arn);
    assert_eq!(family.replica_keys.unwrap()[0].arn, replica.arn);

    kms.rotate_key_on_demand().key_id(&primary.key_id).send().await.unwrap();
    let rotate = frankfurt.rotate_key_on_demand().key_id(&primary.key_id).send().await;
    assert_eq!(refusal(rotate), "UnsupportedOperationException");
    let made = kms.generate_data_key().key_id(&primary.key_id).number_of_bytes(32).send().await.unwrap();
    // The primary's state is its own: the failover does not depend on it.
    kms.disable_key().key_id(&primary.key_id).send().await.unwrap();
    let opened = frankfurt.decrypt().key_id(&replica.key_id).ciphertext_blob(made.ciphertext_blob.unwrap());
    let opened = opened.send().await.unwrap();
    assert_eq!((opened.plaintext, opened.key_id), (made.plaintext, replica.arn));
}

#[tokio::test]
async fn a_disabled_key_refuses_until_it_is_enabled() {
    let fixture = Fixture::start().await;
    let kms = &fixture.kms;
    let key = fixture.key("alias/a", None).await;
    let blob = kms.encrypt().key_id(&key).plaintext(blob(b"x")).send().await.unwrap().ciphertext_blob.unwrap();
    kms.disable_key().key_id(&key).send().await.unwrap();
    assert_eq!(refusal(kms.encrypt().key_id("alias/a").plaintext(blob_of_x()).send().await), "DisabledException");
    assert_eq!(refusal(kms.decrypt().ciphertext_blob(blob.clone()).send().await), "DisabledException");
    assert_eq!(refusal(kms.rotate_key_on_demand().key_id(&key).send().await), "DisabledException");
    kms.enable_key().key_id(&key).send().await.unwrap();
    assert_eq!(kms.decrypt().ciphertext_blob(blob).send().await.unwrap().plaintext.unwrap().as_ref(), b"x");
}

#[tokio::test]
async fn a_key_pending_deletion_can_be_saved_until_its_day_and_then_is_gone() {
    let fixture = Fixture::start().await;
    let kms = &fixture.kms;
    let key = fixture.key("alias/a", None).await;
    let blob = kms.encrypt().key_id(&key).plaintext(blob(b"x")).send().await.unwrap().ciphertext_blob.unwrap();

    let scheduled = kms.schedule_key_deletion().key_id(&key).pending_window_in_days(7).send().await.unwrap();
    assert_eq!(scheduled.key_state, Some(KeyState::PendingDeletion));
    assert_eq!(refusal(kms.decrypt().ciphertext_blob(blob.clone()).send().await), "KMSInvalidStateException");
    assert_eq!(refusal(kms.enable_key().key_id(&key).send().await), "KMSInvalidStateException");
    fixture.stack.clock().advance(6 * DAY);
    kms.cancel_key_deletion().key_id(&key).send().await.unwrap();
    assert_eq!(refusal(kms.decrypt().ciphertext_blob(blob.clone()).send().await), "DisabledException");
    assert_eq!(refusal(kms.cancel_key_deletion().key_id(&key).send().await), "KMSInvalidStateException");

    kms.schedule_key_deletion().key_id(&key).pending_window_in_days(7).send().await.unwrap();
    fixture.stack.clock().advance(7 * DAY);
    assert_eq!(refusal(kms.describe_key().key_id(&key).send().await), "NotFoundException");
    assert_eq!(refusal(kms.describe_key().key_id("alias/a").send().await), "NotFoundException");
    assert_eq!(refusal(kms.decrypt().ciphertext_blob(blob.clone()).send().await), "NotFoundException");
    fixture.key("alias/a", None).await;
    let through_alias = kms.decrypt().key_id("alias/a").ciphertext_blob(blob).send().await;
    assert_eq!(refusal(through_alias), "IncorrectKeyException");
}

#[tokio::test]
async fn a_primary_key_waits_for_its_last_replica_and_then_its_own_period() {
    let fixture = Fixture::start().await;
    let (kms, frankfurt) = (&fixture.kms, in_region(&fixture, "eu-central-1"));
    let primary = kms.create_key().multi_region(true).send().await.unwrap().key_metadata.unwrap().key_id;
    kms.replicate_key().key_id(&primary).replica_region("eu-central-1").send().await.unwrap();
    let describe = || async { kms.describe_key().key_id(&primary).send().await.unwrap().key_metadata.unwrap() };

    let scheduled = kms.schedule_key_deletion().key_id(&primary).pending_window_in_days(7).send().await.unwrap();
    assert_eq!(scheduled.key_state, Some(KeyState::PendingReplicaDeletion));
    assert_eq!((scheduled.deletion_date, scheduled.pending_window_in_days), (None, Some(7)));
    let waiting = describe().await;
    assert_eq!((waiting.deletion_date, waiting.pending_deletion_window_in_days), (None, Some(7)));
    let replicate = kms.replicate_key().key_id(&primary).replica_region("eu-west-1").send().await;
    assert_eq!(refusal(replicate), "KMSInvalidStateException");
    let again = kms.schedule_key_deletion().key_id(&primary).send().await;
    assert_eq!(refusal(again), "KMSInvalidStateException");
    // The replica is not concerned, and the primary waits for it however long that takes.
    fixture.stack.clock().advance(100 * DAY);
    frankfurt.generate_data_key().key_id(&primary).number_of_bytes(32).send().await.unwrap();
    kms.cancel_key_deletion().key_id(&primary).send().await.unwrap();
    assert_eq!(describe().await.key_state, Some(KeyState::Disabled));

    kms.schedule_key_deletion().key_id(&primary).pending_window_in_days(7).send().await.unwrap();
    frankfurt.schedule_key_deletion().key_id(&primary).pending_window_in_days(10).send().await.unwrap();
    fixture.stack.clock().advance(9 * DAY);
    assert_eq!(describe().await.key_state, Some(KeyState::PendingReplicaDeletion), "scheduled is not deleted");
    fixture.stack.clock().advance(DAY);
    assert_eq!(refusal(frankfurt.describe_key().key_id(&primary).send().await), "NotFoundException");
    let alone = describe().await;
    assert_eq!((alone.key_state, alone.deletion_date.is_some()), (Some(KeyState::PendingDeletion), true));
    fixture.stack.clock().advance(7 * DAY);
    assert_eq!(refusal(kms.describe_key().key_id(&primary).send().await), "NotFoundException");
}

#[tokio::test]
async fn an_alias_is_created_repointed_listed_and_deleted() {
    let fixture = Fixture::start().await;
    let kms = &fixture.kms;
    let first = fixture.key("alias/a", None).await;
    let second = fixture.key("alias/b", None).await;
    let again = kms.create_alias().alias_name("alias/a").target_key_id(&second).send().await;
    assert_eq!(refusal(again), "AlreadyExistsException");

    let described = |alias| kms.describe_key().key_id(alias).send();
    assert_eq!(described("alias/a").await.unwrap().key_metadata.unwrap().arn.as_ref(), Some(&first));
    kms.update_alias().alias_name("alias/a").target_key_id(&second).send().await.unwrap();
    assert_eq!(described("alias/a").await.unwrap().key_metadata.unwrap().arn.as_ref(), Some(&second));

    let listed = kms.list_aliases().key_id(&second).send().await.unwrap().aliases.unwrap();
    let names: Vec<_> = listed.iter().filter_map(|alias| alias.alias_name()).collect();
    assert_eq!(names, ["alias/a", "alias/b"]);
    kms.delete_alias().alias_name("alias/a").send().await.unwrap();
    assert_eq!(refusal(described("alias/a").await), "NotFoundException");
    assert_eq!(refusal(kms.delete_alias().alias_name("alias/a").send().await), "NotFoundException");
    let update = kms.update_alias().alias_name("alias/a").target_key_id(&second).send().await;
    assert_eq!(refusal(update), "NotFoundException");
}

#[tokio::test]
async fn names_of_aliases_are_checked() {
    let fixture = Fixture::start().await;
    let key = fixture.key("alias/a", None).await;
    let create = |name: String| fixture.kms.create_alias().alias_name(name).target_key_id(&key).send();
    for name in ["a", "alias/", "alias/a b", "alias/a*", "alias/ä", &format!("alias/{}", "x".repeat(251))] {
        assert_eq!(refusal(create(name.to_owned()).await), "ValidationException", "{name}");
    }
    assert_eq!(refusal(create("alias/aws/dynamodb".to_owned()).await), "InvalidAliasNameException");
    create(format!("alias/{}", "x".repeat(250))).await.unwrap();
    let of_alias = fixture.kms.create_alias().alias_name("alias/b").target_key_id("alias/a").send().await;
    assert_eq!(refusal(of_alias), "ValidationException");
}

#[tokio::test]
async fn a_key_has_at_most_fifty_aliases() {
    let fixture = Fixture::start().await;
    let key = fixture.key("alias/a", None).await;
    let create = |n| fixture.kms.create_alias().alias_name(format!("alias/a/{n}")).target_key_id(&key).send();
    for n in 1..50 {
        create(n).await.unwrap();
    }
    assert_eq!(refusal(create(50).await), "LimitExceededException");
}

#[tokio::test]
async fn lists_come_page_by_page() {
    let fixture = Fixture::start().await;
    let mut expected = Vec::new();
    for n in 0..7 {
        expected.push(format!("alias/{n}"));
        fixture.key(&expected[n], None).await;
    }
    let mut pages = fixture.kms.list_aliases().into_paginator().page_size(3).send();
    let (mut names, mut lengths) = (Vec::new(), Vec::new());
    while let Some(page) = pages.next().await {
        let page = page.unwrap().aliases.unwrap();
        lengths.push(page.len());
        names.extend(page.into_iter().filter_map(|alias| alias.alias_name));
    }
    assert_eq!(lengths, [3, 3, 1]);
    assert_eq!(names, expected);

    let mut pages = fixture.kms.list_keys().into_paginator().page_size(7).send();
    assert_eq!(pages.next().await.unwrap().unwrap().keys.unwrap().len(), 7);
    assert!(pages.next().await.is_none(), "a full last page is the last one");
    let foreign = fixture.kms.list_keys().marker("not a marker").send().await;
    assert_eq!(refusal(foreign), "InvalidMarkerException");
}

#[tokio::test]
async fn tags_are_set_replaced_and_removed() {
    let fixture = Fixture::start().await;
    let kms = &fixture.kms;
    let key = fixture.key("alias/a", None).await;
    let tag = |key: &str, value: &str| Tag::builder().tag_key(key).tag_value(value).build().unwrap();
    kms.tag_resource().key_id(&key).tags(tag("x", "1")).tags(tag("y", "1")).send().await.unwrap();
    kms.tag_resource().key_id(&key).tags(tag("x", "2")).send().await.unwrap();
    kms.untag_resource().key_id(&key).tag_keys("y").tag_keys("z").send().await.unwrap();
    let listed = kms.list_resource_tags().key_id(&key).send().await.unwrap();
    assert_eq!(listed.tags(), [tag("x", "2")]);
    let reserved = kms.tag_resource().key_id(&key).tags(tag("aws:x", "1")).send().await;
    assert_eq!(refusal(reserved), "TagException");
}

#[tokio::test]
async fn a_policy_that_locks_its_author_out_is_refused_unless_forced() {
    let fixture = Fixture::start().await;
    let kms = &fixture.kms;
    // The often-copied policy that has only the data statement.
    let lockout = document([json!({ "Effect": "Allow", "Principal": { "AWS": crate::fixture::ROLE },
        "Action": ["kms:GenerateDataKey", "kms:Decrypt"], "Resource": "*" })]);
    let lockout = lockout.to_string();
    let create = kms.create_key().policy(&lockout);
    assert_eq!(refusal(create.clone().send().await), "MalformedPolicyDocumentException");
    create.bypass_policy_lockout_safety_check(true).send().await.unwrap();

    let key = fixture.key("alias/a", None).await;
    let put = kms.put_key_policy().key_id(&key).policy(&lockout);
    assert_eq!(refusal(put.clone().send().await), "MalformedPolicyDocumentException");
    put.bypass_policy_lockout_safety_check(true).send().await.unwrap();
    assert_eq!(refusal(kms.get_key_policy().key_id(&key).send().await), "AccessDeniedException");
}

#[tokio::test]
async fn a_policy_reads_back_as_it_was_written() {
    let fixture = Fixture::start().await;
    let kms = &fixture.kms;
    let key = fixture.key("alias/a", None).await;
    let default = kms.get_key_policy().key_id(&key).send().await.unwrap().policy.unwrap();
    assert!(default.contains("arn:aws:iam::111111111111:root") && default.contains("kms:*"));

    let policy = format!("{:#}", document([root_statement()]));
    kms.put_key_policy().key_id(&key).policy_name("default").policy(&policy).send().await.unwrap();
    assert_eq!(kms.get_key_policy().key_id(&key).send().await.unwrap().policy, Some(policy));
    let unknown = document([json!({ "Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*",
        "Condition": { "StringIs": { "kms:RequestAlias": "alias/a" } } })]);
    let put = kms.put_key_policy().key_id(&key).policy(unknown.to_string()).send().await;
    assert_eq!(refusal(put), "MalformedPolicyDocumentException");
    assert_eq!(kms.list_key_policies().key_id(&key).send().await.unwrap().policy_names(), ["default"]);
}

#[tokio::test]
async fn automatic_rotation_is_switched_on_and_off() {
    let fixture = Fixture::start().await;
    let kms = &fixture.kms;
    let key = fixture.key("alias/a", None).await;
    let status = || async { kms.get_key_rotation_status().key_id(&key).send().await.unwrap() };
    assert!(!status().await.key_rotation_enabled);
    kms.enable_key_rotation().key_id(&key).rotation_period_in_days(90).send().await.unwrap();
    assert_eq!(status().await.rotation_period_in_days, Some(90));
    kms.disable_key_rotation().key_id(&key).send().await.unwrap();
    assert!(!status().await.key_rotation_enabled);
    let short = kms.enable_key_rotation().key_id(&key).rotation_period_in_days(89).send().await;
    assert_eq!(refusal(short), "ValidationException");
}

#[tokio::test]
async fn keys_of_other_regions_are_elsewhere() {
    let fixture = Fixture::start().await;
    let key = fixture.key("alias/a", None).await;
    let frankfurt = in_region(&fixture, "eu-central-1");
    for key_id in [key.as_str(), "alias/a"] {
        assert_eq!(refusal(frankfurt.describe_key().key_id(key_id).send().await), "NotFoundException");
    }
    let own = frankfurt.create_key().send().await.unwrap().key_metadata.unwrap();
    assert!(own.arn.unwrap().starts_with("arn:aws:kms:eu-central-1:111111111111:key/"));
}

#[tokio::test]
async fn what_the_stack_does_not_know_it_says() {
    let fixture = Fixture::start().await;
    let kms = &fixture.kms;
    let key = fixture.key("alias/a", None).await;
    assert_eq!(refusal(kms.get_public_key().key_id(&key).send().await), "UnknownOperationException");
    let other = kms.create_key().key_spec(aws_sdk_kms::types::KeySpec::Rsa2048).send().await;
    assert_eq!(refusal(other), "UnsupportedOperationException");
    assert_eq!(refusal(kms.describe_key().key_id("no-such-key").send().await), "NotFoundException");
    assert_eq!(refusal(kms.describe_key().key_id("arn:aws:s3:::bucket").send().await), "InvalidArnException");
    assert_eq!(refusal(kms.enable_key().key_id("alias/a").send().await), "NotFoundException");
}

fn in_region(fixture: &Fixture, region: &'static str) -> aws_sdk_kms::Client {
    let config = fixture.stack.sdk_config(&fixture.admin).into_builder();
    aws_sdk_kms::Client::new(&config.region(aws_sdk_kms::config::Region::new(region)).build())
}

fn blob(bytes: &[u8]) -> aws_sdk_kms::primitives::Blob {
    aws_sdk_kms::primitives::Blob::new(bytes)
}

fn blob_of_x() -> aws_sdk_kms::primitives::Blob {
    blob(b"x")
}
