//! Counting, recording, delaying and failing calls.

use std::time::{Duration, Instant};

use aws_sdk_kms::error::SdkError;
use tenantseal_local::{Outcome, Service};

use crate::fixture::{Fixture, ROLE, alias, data_key, refusal, session_policy};

#[tokio::test]
async fn calls_are_counted_and_recorded_with_their_outcome() {
    let fixture = Fixture::start().await;
    let key = fixture.key(&alias("a"), None).await;
    fixture.stack.calls().reset();
    let kms = fixture.session(Some(session_policy("a"))).await;
    data_key(&kms, &alias("a"), "a").send().await.unwrap();
    data_key(&kms, &key, "a").send().await.unwrap_err();

    let calls = fixture.stack.calls();
    assert_eq!((calls.count("AssumeRole"), calls.count("GenerateDataKey"), calls.count("Decrypt")), (1, 2, 0));
    assert_eq!(calls.counts()[&(Service::Kms, "GenerateDataKey".to_owned())], 2);
    let [assume, made, refused] = &calls.records()[..] else { panic!("{:?}", calls.records()) };
    assert_eq!(assume.call.service, Service::Sts);
    assert_eq!(assume.call.principal.as_deref(), Some(fixture.admin.user_arn()));
    assert_eq!(assume.call.session_name.as_deref(), Some("acme-1"));
    assert_eq!(assume.call.resource.as_deref(), Some(ROLE));
    assert_eq!(made.outcome, Outcome::Answered);
    assert_eq!(made.call.key_id, Some(alias("a")));
    assert_eq!(made.call.resource.as_ref(), Some(&key));
    assert_eq!(made.call.session_name.as_deref(), Some("acme-1"));
    assert_eq!(made.call.encryption_context["tenant"], "a");
    assert_eq!(refused.outcome, Outcome::Refused("AccessDeniedException".to_owned()));
    assert_eq!(refused.call.key_id.as_ref(), Some(&key));
    let of_a = [("tenant".to_owned(), "a".to_owned())].into();
    assert_eq!(calls.answered("GenerateDataKey"), [(of_a, 1)].into());
    calls.reset();
    assert!(calls.counts().is_empty() && calls.records().is_empty() && calls.answered("GenerateDataKey").is_empty());
}

#[tokio::test]
async fn a_call_fails_as_often_as_it_is_told_to() {
    let fixture = Fixture::start().await;
    fixture.key("alias/a", None).await;
    let kms = &fixture.kms;
    fixture.stack.faults().on("GenerateDataKey").times(2).fail("ThrottlingException", 400);
    for _ in 0..2 {
        assert_eq!(refusal(data_key(kms, "alias/a", "a").send().await), "ThrottlingException");
    }
    data_key(kms, "alias/a", "a").send().await.unwrap();
    assert_eq!(fixture.stack.calls().count("GenerateDataKey"), 3);

    fixture.stack.faults().on("AssumeRole").fail("RegionDisabledException", 403);
    assert_eq!(refusal(fixture.assume(ROLE).send().await), "RegionDisabledException");
    fixture.stack.faults().clear();
    fixture.assume(ROLE).send().await.unwrap();
}

#[tokio::test]
async fn a_fault_can_mean_one_tenant_only() {
    let fixture = Fixture::start().await;
    fixture.key(&alias("a"), None).await;
    fixture.key(&alias("b"), None).await;
    let kms = &fixture.kms;
    let of_a = |call: &tenantseal_local::Call| call.key_id == Some(alias("a"));
    fixture.stack.faults().on("*").when(of_a).fail("KeyUnavailableException", 500);
    assert_eq!(refusal(data_key(kms, &alias("a"), "a").send().await), "KeyUnavailableException");
    data_key(kms, &alias("b"), "b").send().await.unwrap();
}

#[tokio::test]
async fn a_delayed_call_is_served_late() {
    let fixture = Fixture::start().await;
    fixture.key("alias/a", None).await;
    let delay = Duration::from_millis(50);
    fixture.stack.faults().on("GenerateDataKey").delay(delay);
    let begun = Instant::now();
    data_key(&fixture.kms, "alias/a", "a").send().await.unwrap();
    assert!(begun.elapsed() >= delay);
}

#[tokio::test]
async fn a_hanging_call_holds_up_no_other_and_ends_with_its_fault() {
    let fixture = Fixture::start().await;
    fixture.key("alias/a", None).await;
    let kms = fixture.kms.clone();
    fixture.stack.faults().on("GenerateDataKey").hang();
    let hanging = tokio::spawn(async move { data_key(&kms, "alias/a", "a").send().await });
    while fixture.stack.calls().count("GenerateDataKey") == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    fixture.kms.describe_key().key_id("alias/a").send().await.unwrap();
    assert!(!hanging.is_finished());
    let records = fixture.stack.calls().records();
    assert!(
        records.iter().any(|record| record.call.operation == "GenerateDataKey" && record.outcome == Outcome::Pending)
    );
    fixture.stack.faults().clear();
    hanging.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_connection_can_break_off() {
    let fixture = Fixture::start().await;
    fixture.key("alias/a", None).await;
    fixture.stack.faults().on("GenerateDataKey").disconnect();
    let error = data_key(&fixture.kms, "alias/a", "a").send().await.unwrap_err();
    assert!(!matches!(error, SdkError::ServiceError(_)), "{error:?}");
    let last = fixture.stack.calls().records().pop().unwrap();
    assert_eq!(last.outcome, Outcome::Dropped);
}

#[tokio::test]
async fn calls_beyond_a_rate_are_throttled_and_later_ones_go_through() {
    let fixture = Fixture::start().await;
    fixture.key(&alias("a"), None).await;
    let kms = fixture.session(Some(session_policy("a"))).await;
    fixture.stack.faults().on("GenerateDataKey").beyond(5).fail("ThrottlingException", 400);
    let used = || data_key(&kms, &alias("a"), "a").send();
    let burst = |calls: usize| futures_util::future::join_all((0..calls).map(|_| used()));
    let started = Instant::now();
    let served = burst(40).await.into_iter().filter_map(Result::ok).count();
    // A bucket of five, and five a second.
    let most = 5 + usize::try_from((started.elapsed() * 5).as_secs()).unwrap();
    assert!((5..=most).contains(&served), "{served} calls went through in {:?}", started.elapsed());
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(burst(5).await.into_iter().all(|result| result.is_ok()));
}

#[tokio::test]
async fn the_most_calls_in_flight_are_known() {
    let fixture = Fixture::start().await;
    fixture.key(&alias("a"), None).await;
    let kms = fixture.session(Some(session_policy("a"))).await;
    fixture.stack.faults().on("GenerateDataKey").delay(Duration::from_millis(200));
    fixture.stack.calls().reset();
    let five = (0..5).map(|_| data_key(&kms, &alias("a"), "a").send());
    for made in futures_util::future::join_all(five).await {
        made.unwrap();
    }
    assert_eq!(fixture.stack.calls().most_in_flight(), 5);
    fixture.stack.calls().reset();
    data_key(&kms, &alias("a"), "a").send().await.unwrap();
    assert_eq!(fixture.stack.calls().most_in_flight(), 1);
}

#[tokio::test]
async fn a_changed_alias_is_known_after_the_delay() {
    let fixture = Fixture::start().await;
    let minute = Duration::from_secs(60);
    fixture.stack.propagate_aliases_within(5 * minute);
    let first = fixture.key(&alias("a"), None).await;
    let kms = fixture.session(Some(session_policy("a"))).await;
    let used = || async { data_key(&kms, &alias("a"), "a").send().await };
    assert_eq!(refusal(used().await), "NotFoundException");
    fixture.stack.clock().advance(5 * minute);
    assert_eq!(used().await.unwrap().key_id, Some(first.clone()));

    let second = fixture.key(&alias("b"), None).await;
    let admin = fixture.client(&fixture.admin);
    admin.update_alias().alias_name(alias("a")).target_key_id(&second).send().await.unwrap();
    assert_eq!(used().await.unwrap().key_id, Some(first));
    fixture.stack.clock().advance(5 * minute);
    assert_eq!(used().await.unwrap().key_id, Some(second.clone()));

    admin.delete_alias().alias_name(alias("a")).send().await.unwrap();
    assert_eq!(used().await.unwrap().key_id, Some(second));
    fixture.stack.clock().advance(5 * minute);
    assert_eq!(refusal(used().await), "NotFoundException");
}

#[tokio::test]
async fn a_region_that_is_out_keeps_no_other_from_answering() {
    let fixture = Fixture::start().await;
    let abroad = |region: &'static str| {
        let config = fixture.stack.sdk_config(&fixture.admin).into_builder();
        aws_sdk_kms::Client::new(&config.region(aws_sdk_kms::config::Region::new(region)).build())
    };
    let (frankfurt, ireland) = (abroad("eu-central-1"), abroad("eu-west-1"));
    fixture.stack.faults().on("*").in_region("eu-central-1").fail("KMSInvalidStateException", 400);
    assert_eq!(refusal(frankfurt.list_keys().send().await), "KMSInvalidStateException");
    assert_eq!(refusal(frankfurt.create_key().send().await), "KMSInvalidStateException");
    ireland.list_keys().send().await.unwrap();
    fixture.kms.list_keys().send().await.unwrap();
    fixture.assume(ROLE).send().await.unwrap();
    // One operation of one Region, so many times.
    fixture.stack.faults().clear();
    fixture.stack.faults().on("ListKeys").in_region("eu-west-1").times(1).fail("KMSInvalidStateException", 400);
    frankfurt.list_keys().send().await.unwrap();
    ireland.list_aliases().send().await.unwrap();
    assert_eq!(refusal(ireland.list_keys().send().await), "KMSInvalidStateException");
    ireland.list_keys().send().await.unwrap();
}
