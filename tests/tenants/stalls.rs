//! A process that is stopped between two requests, and goes on when others have finished its operation and done something else.

use std::time::Duration;

use futures_util::future::join_all;
use tenantseal::tenants::Error;

use crate::interrupted::Interrupted;
use crate::office::Office;
use crate::steps::{Step, picture};

const AT_ONCE: usize = 12;
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

#[tokio::test]
async fn a_change_of_keys_does_not_point_the_alias_back() {
    loses(&[Step::Onboard], Step::NewKey, &[Step::Suspend, Step::Resume, Step::OnDemand]).await;
    loses(&[Step::Pool, Step::Onboard], Step::ToPool, &[Step::Suspend]).await;
    loses(&[Step::Pool, Step::OnboardShared], Step::Out, &[Step::Offboard]).await;
}

#[tokio::test]
async fn a_suspension_does_not_disable_what_has_been_resumed() {
    loses(&[Step::Onboard], Step::Suspend, &[Step::Resume]).await;
    loses(&[Step::Pool, Step::OnboardShared], Step::Suspend, &[Step::Resume]).await;
}

#[tokio::test]
async fn a_resumption_does_not_enable_what_has_been_suspended_again() {
    loses(&[Step::OnboardWide, Step::Suspend], Step::Resume, &[Step::Suspend]).await;
    loses(&[Step::Pool, Step::OnboardShared, Step::Suspend], Step::Resume, &[Step::Offboard]).await;
}

#[tokio::test]
async fn an_end_does_not_schedule_the_deletion_of_what_has_come_back() {
    loses(&[Step::OnboardWide], Step::Offboard, &[Step::Cancel, Step::Resume]).await;
    loses(&[Step::Pool, Step::OnboardShared], Step::Offboard, &[Step::Cancel, Step::Resume]).await;
    loses(&[Step::Onboard, Step::Offboard], Step::Cancel, &[Step::Offboard]).await;
}

#[tokio::test]
async fn an_onboarding_leaves_no_key_behind() {
    loses(&[], Step::OnboardWide, &[Step::Suspend]).await;
    loses(&[Step::Pool], Step::OnboardShared, &[Step::Offboard]).await;
}
