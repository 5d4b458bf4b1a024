//! Claims: how a unique lookup keeps its promise that no two items of a tenant have one value.
//!
//! DynamoDB makes keys unique, and nothing else. So each unique value has a *claim* in a table of its own, which names
//! the item that has it. A write changes the item and its claims in one transaction:
//!
//! 1. It reads the tokens that the item has.
//! 2. One transaction writes the item on the condition that these are still its tokens, stores the claims of the new
//!    tokens unless another item has them, and deletes the claims of the former ones.
//! 3. A claim that another item has is stale when that item is gone, or has another token. It is released by a
//!    transaction that checks this again, and the write begins anew. Otherwise the value is not unique.

mod actions;
mod entry;
mod plan;
mod protocol;
mod store;
mod table;

pub(crate) use entry::{Claims, Spot};
pub(crate) use plan::{Becomes, ClaimWrite, Stored, Touch, plan};
pub(crate) use protocol::{Holder, Sent, Steps, write};
pub(crate) use store::{ClaimStore, Claimed, Whose, conflict};
pub use table::ClaimsTable;
