//! Compares KMS's answers for each tenant with the number that journals and faults explain.
//!
//! A process requests the keys that it has not cached. The cache of a tenant is empty at the start, after 3 seconds
//! without a seal or an open (the lease may have ended unused), after a refusal, and after a fault that outlasts a
//! lease or moves the clock. Each time the process may make one data key to seal with and one that wraps the tenant's
//! lookup key. It may unwrap the fleet's data key, the one of the lookup key, and each that the tenant's items name,
//! once, and none that was not made. In between it renews a lease when 3/4 of it are over. A process that asks more often has lost a key
//! that it may use.

use std::collections::HashMap;

use tenantseal_local::Stack;

use crate::chaos::{Injected, Upheaval};
use crate::journal::{Fate, History, Operation};
use crate::stage::REVALIDATION;

/// The number of KMS's answers for a tenant that are explained.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Bound {
    /// Data keys made.
    pub(crate) made: u64,
    /// Data keys unwrapped.
    pub(crate) unwrapped: u64,
}

/// What a writer did for one tenant between start and end.
#[derive(Debug, Default)]
struct Life {
    first: u64,
    last: u64,
    /// When a data key was last certainly in use.
    held: Option<u64>,
    /// How often its cache may have been empty.
    without: u64,
    /// How many data keys the items that it sealed or opened can name.
    named: u64,
}

/// The number of KMS's answers for each tenant, of one operation.
pub(crate) fn answers(stack: &Stack, operation: &str) -> HashMap<String, u64> {
    let mut answers = HashMap::new();
    for (mut context, count) in stack.calls().answered(operation) {
        *answers.entry(context.remove("tenant").unwrap_or_default()).or_default() += count;
    }
    answers
}

/// The explained answers for each tenant, given how many data keys were `made`. Also returns the number of tenants,
/// summed over all writer processes.
pub(crate) fn explained(
    histories: &[History],
    injected: &Injected,
    made: &HashMap<String, u64>,
) -> (HashMap<String, Bound>, u64) {
    let failed = injected.failed();
    let mut lives: HashMap<(usize, u64, &str), Life> = HashMap::new();
    for (writer, history) in histories.iter().enumerate() {
        for operation in history.operations.values() {
            lives.entry((writer, operation.life, &operation.tenant)).or_default().operates(operation);
        }
    }
    let mut bounds: HashMap<String, Bound> = HashMap::new();
    for ((_, _, tenant), life) in &lives {
        let met = |by_failed_calls: bool| {
            let met = injected.upheavals.iter().filter(|fault| fault.by_failed_calls == by_failed_calls);
            met.filter(|fault| life.meets(fault)).count() as u64
        };
        let lost = met(false) + met(true).min(failed.get(*tenant).copied().unwrap_or_default());
        let without = life.without + lost;
        let bound = bounds.entry((*tenant).to_owned()).or_default();
        bound.made += 2 * without;
        let made = made.get(*tenant).copied().unwrap_or_default();
        bound.unwrapped += life.renewals() + without * life.named.saturating_add(2).min(made);
    }
    (bounds, lives.len() as u64)
}

impl Life {
    fn operates(&mut self, operation: &Operation) {
        let Operation { kind, begun, took, fate, .. } = operation;
        let ended = begun + u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.first = if self.first == 0 { *begun } else { self.first.min(*begun) };
        self.last = self.last.max(ended);
        if matches!(fate, Some(Fate::NotSent(_))) {
            self.held = None;
            return;
        }
        // A request that is refused before it is sent, or only deletes, needs no key.
        let needs_a_key = !kind.starts_with("foreign") && !kind.starts_with("delete");
        if needs_a_key && self.held.is_none_or(|held| ended >= held + millis(REVALIDATION)) {
            self.without += 1;
        }
        match fate {
            Some(Fate::Acknowledged(0)) => {}
            Some(Fate::Acknowledged(items)) => {
                self.held = self.held.max(Some(*begun));
                // An item that was put and then updated names two.
                self.named = self.named.saturating_add(2 * *items as u64);
            }
            // It may have read everything.
            _ => self.named = u64::MAX,
        }
    }

    fn meets(&self, fault: &Upheaval) -> bool {
        fault.from <= self.last && fault.to >= self.first
    }

    /// A lease is renewed when three quarters of it are over.
    fn renewals(&self) -> u64 {
        (self.last - self.first) / (millis(REVALIDATION) * 3 / 4) + 1
    }
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
