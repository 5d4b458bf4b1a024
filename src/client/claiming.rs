//! The claims of unique values that go with a transaction of the repository.
//!
//! The repository says in its [`Notes`](super::Notes) what it has read. A caller of the client has no way to say this.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_dynamodb::types::TransactWriteItem;

use crate::claims::{ClaimWrite, Claims, Stored, Touch, plan};
use crate::error::{Error, Refusal};

/// What the repository knows of a transaction's items and claims. Clones share what was sent.
#[derive(Clone)]
pub(crate) struct Claiming(Arc<Parts>);

struct Parts {
    /// What is stored before each action.
    stored: Vec<Stored>,
    /// The former claims that are not deleted.
    left: BTreeSet<String>,
    /// The writes of claims that were sent.
    sent: Mutex<Vec<ClaimWrite>>,
}

impl Claiming {
    pub(crate) fn new(stored: Vec<Stored>, left: BTreeSet<String>) -> Self {
        Self(Arc::new(Parts { stored, left, sent: Mutex::default() }))
    }

    /// The writes of claims that were sent, in the order of their actions.
    pub(crate) fn sent(&self) -> Vec<ClaimWrite> {
        self.0.sent.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn stored(&self) -> &[Stored] {
        &self.0.stored
    }

    /// Adds to a transaction the writes of claims that these changes need.
    pub(super) fn write(
        &self,
        claims: Claims<'_>,
        touched: &[Touch],
        items: &mut Vec<TransactWriteItem>,
    ) -> Result<(), Error> {
        let writes = plan(claims.tenant, touched, &self.0.left)?;
        let actions = items.len() + writes.len();
        if actions > MOST_ACTIONS {
            return Err(Refusal::TooManyClaims { actions }.into());
        }
        for write in &writes {
            items.push(claims.action(write)?);
        }
        *self.0.sent.lock().unwrap_or_else(PoisonError::into_inner) = writes;
        Ok(())
    }
}

/// The most actions of a transaction (API reference).
const MOST_ACTIONS: usize = 100;
