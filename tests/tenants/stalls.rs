//! A process that is stopped between two requests, and goes on when others have finished its operation and done something else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use aws_smithy_async::time::TimeSource;
use futures_util::future::join_all;
use tenantseal_tenants::{DynamoDbRegistry, Error};

use crate::common::wire::{Reaction, Wire};
use crate::tenants::interrupted::Interrupted;
use crate::tenants::office::Office;
use crate::tenants::steps::{Step, picture};

const AT_ONCE: usize = 24;
/// Longer than what the registry has said is believed.
const STOPPED: Duration = Duration::from_millis(2_100);

/// Stops the process after each request on which something depends.
async fn loses(before: &'static [Step], step: Step, since: &'static [Step]) {
    let mut stopped = 0;
    for first in (1..).step_by(AT_ONCE) {
        let ends = join_all((first..first + AT_ONCE).map(|after| stalled(before, step, since, after))).await;
        stopped += ends.iter().flatten().filter(|begun| **begun).count();
        if ends.contains(&None) {
            break;
        }
    }
    assert!(stopped >= 3, "{step:?} was stopped {stopped} times while it was under way");
}

/// Whether the step had begun when it was stopped after so many requests; `None` when it has fewer.
async fn stalled(before: &[Step], step: Step, since: &[Step], requests: usize) -> Option<bool> {
    let (office, registry) = Office::with_table().await;
    let tenants = office.builder(registry).build(&office.admin).unwrap();
    Step::perform_all(before, &tenants).await;
    let process = Interrupted::after_turns(requests);
    let its = process.tenants(&office);
    let mut run = Box::pin(step.perform(&its));
    tokio::select! {
        result = &mut run => { result.unwrap(); return None }
        () = process.served() => {}
    }
    let entry = tenants.registry().get(&step.whom()).await.unwrap();
    if entry.is_none_or(|entry| entry.pending.is_none()) {
        // It has not begun, or has ended: what it does from now on is nothing unfinished.
        return Some(false);
    }
    // Another process takes it up and ends it, and then something else happens.
    step.perform(&tenants).await.unwrap();
    Step::perform_all(since, &tenants).await;
    let left = picture(&office, &tenants).await;
    tokio::time::sleep(STOPPED).await;
    process.release();
    match run.await {
        Err(Error::Overtaken(tenant)) => assert_eq!(tenant, step.whom()),
        other => panic!("{step:?}, stopped after {requests} requests: {other:?}"),
    }
    assert_eq!(picture(&office, &tenants).await, left, "{step:?}, stopped after {requests} requests");
    Some(true)
}

/// A wall clock that can be set ahead: by as much as a machine was stopped.
#[derive(Debug, Clone, Default)]
struct Ahead(Arc<AtomicU64>);

impl TimeSource for Ahead {
    fn now(&self) -> SystemTime {
        SystemTime::now() + Duration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

#[tokio::test]
async fn a_process_that_was_stopped_in_a_call_does_not_repeat_it() {
    let (office, registry) = Office::with_table().await;
    let tenants = office.builder(registry).build(&office.admin).unwrap();
    Step::Onboard.perform(&tenants).await.unwrap();
    let ahead = Ahead::default();
    let clock = ahead.clone();
    let wire = Wire::scripted(move |sent, _| {
        if sent.operation != "DisableKey" {
            return Reaction::Forward;
        }
        clock.0.store(24 * 60 * 60, Ordering::SeqCst);
        Reaction::Answer(500, r#"{"__type":"KMSInternalException"}"#.to_owned())
    });
    let config = office.admin.to_builder().http_client(wire.clone()).time_source(ahead).build();
    let stopped = office.builder(DynamoDbRegistry::new(&config, "tenants")).build(&config).unwrap();
    let Err(Error::Aws(error)) = Step::Suspend.perform(&stopped).await else { panic!() };
    assert_eq!((error.action(), wire.bodies("DisableKey").len()), ("kms:DisableKey", 1));
}

#[tokio::test]
async fn a_change_of_keys_does_not_point_the_alias_back() {
    tokio::join!(
        loses(&[Step::Onboard], Step::NewKey, &[Step::Suspend, Step::Resume, Step::OnDemand]),
        loses(&[Step::Pool, Step::Onboard], Step::ToPool, &[Step::Suspend]),
        loses(&[Step::Pool, Step::OnboardShared], Step::Out, &[Step::Offboard]),
    );
}

#[tokio::test]
async fn a_suspension_does_not_disable_what_has_been_resumed() {
    tokio::join!(
        loses(&[Step::Onboard], Step::Suspend, &[Step::Resume]),
        loses(&[Step::Pool, Step::OnboardShared], Step::Suspend, &[Step::Resume]),
    );
}

#[tokio::test]
async fn a_resumption_does_not_enable_what_has_been_suspended_again() {
    tokio::join!(
        loses(&[Step::OnboardWide, Step::Suspend], Step::Resume, &[Step::Suspend]),
        loses(&[Step::Pool, Step::OnboardShared, Step::Suspend], Step::Resume, &[Step::Offboard]),
    );
}

#[tokio::test]
async fn an_end_does_not_schedule_the_deletion_of_what_has_come_back() {
    tokio::join!(
        loses(&[Step::OnboardWide], Step::Offboard, &[Step::Cancel, Step::Resume]),
        loses(&[Step::Pool, Step::OnboardShared], Step::Offboard, &[Step::Cancel, Step::Resume]),
        loses(&[Step::Onboard, Step::Offboard], Step::Cancel, &[Step::Offboard]),
    );
}

#[tokio::test]
async fn an_onboarding_leaves_no_key_behind() {
    tokio::join!(
        loses(&[], Step::OnboardWide, &[Step::Suspend]),
        loses(&[Step::Pool], Step::OnboardShared, &[Step::Offboard]),
    );
}
