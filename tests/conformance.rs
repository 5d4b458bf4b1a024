//! One suite, run with a plain client and with a tenant's client: the results are equal, or the tenant's client refused and the
//! case says so.
//!
//! It runs on the local server, and on a second, independent one when `TENANTSEAL_SECOND_DYNAMODB` names its endpoint. There the
//! plain results of the two servers are compared as well; `conformance/differences.rs` lists where they differ, and why.
//!
//! ```text
//! pip install ministack==1.5.33 cryptography
//! BIND_HOST=127.0.0.1 IOT_MTLS_ENABLED=0 GATEWAY_PORT=4566 SERVICES=dynamodb ministack &
//! TENANTSEAL_SECOND_DYNAMODB=http://127.0.0.1:4566 cargo test --test dynamodb conformance -- --nocapture
//! ```
//!
//! `TENANTSEAL_CONFORMANCE_CASE=<part of a name>` runs some cases alone and prints their outcomes.

#![allow(missing_docs, unreachable_pub, reason = "a test has no readers but its own")]

pub mod batches;
pub mod batches_unprocessed;
pub mod case;
pub mod conditions;
pub mod control;
pub mod ctx;
pub mod deletes;
pub mod differences;
pub mod filters;
pub mod halved;
pub mod indexes;
pub mod invalid;
pub mod outcome;
pub mod projections;
pub mod puts;
pub mod queries;
pub mod run;
pub mod scans;
pub mod single_table;
pub mod suite;
pub mod tables;
pub mod transactions;
pub mod transactions_failing;
pub mod updates;
pub mod updates_encrypted;
pub mod updates_returned;
pub mod upserts;
pub mod values;

use std::collections::BTreeSet;
use std::io::Write;

use self::differences::{DIFFERENCES, Wrong};
use self::run::{Server, report};

/// Where the second server listens.
pub(crate) const SECOND: &str = "TENANTSEAL_SECOND_DYNAMODB";

#[test]
fn the_suite_has_at_least_150_cases_each_with_a_name_of_its_own() {
    let cases = suite::cases();
    let names: BTreeSet<_> = cases.iter().map(|case| &case.name).collect();
    let twice: Vec<_> =
        names.iter().filter(|name| cases.iter().filter(|case| case.name == ***name).count() > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    assert!(names.len() >= 150, "{}", names.len());
    for difference in DIFFERENCES {
        assert!(names.iter().any(|name| difference.matches(name)), "no case: {difference:?}");
        assert!(!difference.reason.is_empty());
    }
}

#[tokio::test]
async fn a_tenants_client_behaves_as_a_plain_one_on_the_local_server() {
    let outcomes = Server::local().await.run(suite::chosen()).await;
    let faults = outcomes.iter().flat_map(|outcome| outcome.faults(Wrong::Local, None)).collect();
    report("the local server", &outcomes, faults);
}

#[tokio::test]
async fn a_tenants_client_behaves_as_a_plain_one_on_a_second_server() {
    let Ok(endpoint) = std::env::var(SECOND) else {
        // Not `println!`, which the harness keeps to itself when a test succeeds.
        let skipped = format!("SKIPPED: {SECOND} is not set, so nothing was run on a second server\n");
        return std::io::stderr().write_all(skipped.as_bytes()).unwrap();
    };
    let second = Server::second(&endpoint).await.run(suite::chosen()).await;
    let local = Server::local().await.run(suite::chosen()).await;
    let mut faults = Vec::new();
    for (local, second) in local.iter().zip(&second) {
        faults.extend(second.faults(Wrong::Second, Some(local)));
        faults.extend(local.difference(second));
    }
    report("the second server", &second, faults);
}
