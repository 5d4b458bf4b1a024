//! The end of an operation: its items are opened, or it fails. A failure names the items that do not open, and says
//! whether the operation has written.

use aws_smithy_runtime_api::client::orchestrator::OrchestratorError;

use super::Binding;
use super::notes::Notes;
use super::opening;
use super::operation::{Answer, Leaves};
use super::pending::{Arrived, Pending};
use crate::error::{Error, Standing, Unopened, Written};

/// Opens the items of the answer to this operation.
///
/// On any failure the answer is dropped for good: a half-opened one is neither returned nor logged.
pub(super) fn complete(pending: &Pending, binding: &Binding, answer: &mut Answer) -> Result<(), Error> {
    let mut state = pending.state();
    let Some(items) = &mut state.items else { return Ok(()) };
    let Some(Arrived { whole, mut opens, .. }) = items.arrived.take() else {
        return if answer.is_ok() { Err(items.sent_elsewhere()) } else { Ok(()) };
    };
    let taken = std::mem::replace(answer, Err(OrchestratorError::other("the answer did not open")));
    let explained = taken.as_ref().err().and_then(|error| items.operation.explain(error.as_operation_error()?));
    if let Some(error) = explained {
        return Err(error);
    }
    let (name, doubt, notes) = (pending.known().name, items.unanswered > 0, items.notes.clone());
    let standing = opening::standing(&*items.operation, &taken, doubt);
    if let Some(error) = whole {
        return Err(Error::Unopened(Unopened::whole(error, standing)));
    }
    if notes.as_ref().is_some_and(Notes::compares) {
        *answer = taken;
        return Ok(());
    }
    if let (Some(notes), Ok(_), false) = (&notes, &taken, standing.condition_failed)
        && let Some(written) = find_lost(items.operation.gives_old(), notes)
    {
        return Err(Error::Unopened(Unopened::whole(Error::AnswerLost, Standing::written(written))));
    }
    let each = notes.filter(Notes::gives_each);
    let mut taken = opening::without_keys(&*items.operation, taken, &mut opens);
    if each.is_some() || opens.failed.is_empty() {
        let mut used = Ok(Vec::new());
        if binding.audit.is_on() {
            (taken, used) = opening::used_keys(&*items.operation, &opens, taken);
        }
        // No lock is held while a user's code runs.
        drop(state);
        let told = used.and_then(|used| Ok(binding.audit.record_opens(&binding.tenant, name, &opens.keys, &used)?));
        state = pending.state();
        if let (Err(error), Some(items)) = (told, &state.items) {
            return Err(opening::close_answer(&*items.operation, &error, taken, standing));
        }
    }
    let Some(items) = &mut state.items else { return Ok(()) };
    let _entered = pending.span().enter();
    let all = each.is_none();
    let (mut opened, unopened) = opening::open(&*items.operation, binding, opens, all, taken);
    let unopened = unopened?;
    match each {
        Some(notes) => {
            let failed = unopened.into_iter().map(|(at, item)| (at, Error::Unopened(Unopened::one(item, standing))));
            notes.record_failed(failed.collect());
        }
        None => {
            let items = unopened.into_iter().map(|(_, item)| item).collect();
            if let Some(unopened) = Unopened::from_items(items, standing) {
                return Err(Error::Unopened(unopened));
            }
        }
    }
    if let Ok(output) = &mut opened
        && let Err(error) = items.operation.finish(output)
    {
        // Part of a batch is written, and nobody knows which.
        let standing = if items.operation.writes() { Standing::written(Written::Unknown) } else { standing };
        return Err(Error::Unopened(Unopened::whole(error.into(), standing)));
    }
    *answer = opened;
    Ok(())
}

/// Whether the item that a write should return was in an answer that was lost. The retry then found what the first
/// attempt had left.
fn find_lost(gives_old: Option<Leaves>, notes: &Notes) -> Option<Written> {
    // The repository has already read the item.
    if notes.keeps_raw() || !notes.is_in_doubt() {
        return None;
    }
    match gives_old? {
        Leaves::Nothing => (!notes.is_answered_with_an_item()).then_some(Written::Unknown),
        Leaves::Something => (notes.is_answered_with_an_item() && notes.may_be_own()).then_some(Written::Yes),
    }
}
