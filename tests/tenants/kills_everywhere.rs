//! Operations in every tier, killed after each request that changes something and run again: they end as if nothing had happened.

use tenantseal_tenants::{Entry, Operation};

use crate::tenants::interrupted::Interrupted;
use crate::tenants::office::Office;
use crate::tenants::steps::{Step, picture};

async fn goes_on_after_any_change(before: &'static [Step], step: Step) {
    let undisturbed = ends_after(before, step, usize::MAX).await;
    assert!(undisturbed.1, "it ended");
    for after in 1.. {
        let (end, ended) = ends_after(before, step, after).await;
        assert_eq!(end, undisturbed.0, "{step:?} after {after} changes");
        if ended {
            return;
        }
    }
}

/// What there is when the step is killed after its n-th request and run again, and whether it ended before.
async fn ends_after(before: &[Step], step: Step, requests: usize) -> (String, bool) {
    let (office, registry) = Office::with_table().await;
    let tenants = office.builder(registry).build(&office.admin).unwrap();
    Step::perform_all(before, &tenants).await;
    let process = Interrupted::after_changes(requests);
    let its = process.tenants(&office);
    let ended = tokio::select! {
        result = step.perform(&its) => { result.unwrap(); true }
        () = process.served() => false,
    };
    let history = tenants.registry().history(&step.whom()).await.unwrap();
    let rotating = |entry: &Entry| entry.pending.as_ref().is_some_and(|pending| pending.operation == Operation::Rotate);
    // A rotation on demand that is done is not begun again.
    let done = step == Step::OnDemand && history.iter().any(rotating) && !history.last().is_some_and(rotating);
    if !done {
        step.perform(&tenants).await.unwrap_or_else(|error| panic!("{step:?} after {requests}: {error}"));
    }
    (picture(&office, &tenants).await, ended)
}

#[tokio::test]
async fn onboardings_with_replicas_and_on_shared_keys() {
    goes_on_after_any_change(&[], Step::OnboardWide).await;
    goes_on_after_any_change(&[], Step::WidePool).await;
    goes_on_after_any_change(&[Step::WidePool], Step::OnboardShared).await;
}

#[tokio::test]
async fn changes_of_keys_with_replicas_and_between_the_tiers() {
    goes_on_after_any_change(&[Step::OnboardWide], Step::NewKey).await;
    goes_on_after_any_change(&[Step::Pool, Step::Onboard], Step::ToPool).await;
    goes_on_after_any_change(&[Step::WidePool, Step::OnboardShared], Step::Out).await;
}

#[tokio::test]
async fn suspensions_and_resumptions() {
    const MOVED: [Step; 3] = [Step::WidePool, Step::OnboardWide, Step::ToPool];
    const SUSPENDED: [Step; 4] = [MOVED[0], MOVED[1], MOVED[2], Step::Suspend];
    goes_on_after_any_change(&MOVED, Step::Suspend).await;
    goes_on_after_any_change(&SUSPENDED, Step::Resume).await;
}

#[tokio::test]
async fn ends_and_their_cancellations() {
    const MOVED: [Step; 3] = [Step::WidePool, Step::OnboardWide, Step::ToPool];
    const ENDED: [Step; 4] = [MOVED[0], MOVED[1], MOVED[2], Step::Offboard];
    goes_on_after_any_change(&MOVED, Step::Offboard).await;
    goes_on_after_any_change(&ENDED, Step::Cancel).await;
}

#[tokio::test]
async fn rotations_on_demand_of_keys_with_replicas() {
    goes_on_after_any_change(&[Step::OnboardWide], Step::OnDemand).await;
}
