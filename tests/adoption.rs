//! Tables whose items are plaintext so far are adopted tenant by tenant, while applications read and write.

mod attacks;
mod ledger;
mod migrate;
mod reads;
mod scene;
mod steps;
mod writes;
