//! The typed repository, and record types that share a table and disagree on an attribute.

mod answers;
mod batches;
mod conditions;
mod customized;
mod discriminator;
mod flattened;
mod lost_answers;
mod marks;
mod misuse;
mod pages;
mod prefixed;
mod scene;
mod shapes;
mod sizes;
mod sort_key;
mod streams;
mod takes;
mod transactions;
mod updates;
mod values;
mod versions;
