//! A small fleet over some hours, in the simulation whose results docs/simulation states.

#[path = "../examples/simulation/fleet.rs"]
mod fleet;
#[path = "../examples/simulation/key_service.rs"]
mod key_service;
#[path = "../examples/simulation/memory.rs"]
mod memory;
#[path = "../examples/simulation/traffic.rs"]
mod traffic;

use std::collections::HashSet;
use std::time::Duration;

use self::fleet::{Outcome, Settings, run};
use self::traffic::{Load, Request};

const HOUR: Duration = Duration::from_secs(3_600);
const ROTATION: Duration = Duration::from_secs(4 * 3_600);
const REVALIDATION: Duration = Duration::from_secs(15 * 60);

fn load(seed: u64) -> Load {
    Load { tenants: 100, processes: 6, length: 12 * HOUR, visits: 200, seed }
}

fn settings(key_table: bool) -> Settings {
    Settings { rotation: ROTATION, revalidation: REVALIDATION, key_table, routed: None }
}

#[expect(clippy::unwrap_used, reason = "an operation that fails fails the test")]
async fn simulate(seed: u64, settings: &Settings) -> (Vec<Request>, Outcome) {
    let load = load(seed);
    let requests = load.requests();
    let outcome = run(&load, &requests, settings).await.unwrap();
    (requests, outcome)
}

fn kms(outcome: &Outcome) -> u64 {
    outcome.counts.generate + outcome.counts.decrypt
}

#[tokio::test(start_paused = true)]
async fn with_a_key_table_the_fleet_makes_one_data_key_per_tenant_and_period() {
    let (_, shared) = simulate(1, &settings(true)).await;
    let (_, alone) = simulate(1, &settings(false)).await;
    // One more only where the key was made ahead, for a period in which nobody wrote any more.
    let ahead = shared.counts.generate - shared.written_periods;
    assert!(ahead < shared.written_periods / 10, "{} of {}", shared.counts.generate, shared.written_periods);
    assert_eq!(shared.counts.table_writes, 2 * shared.counts.generate, "a record and a pointer");
    assert!(shared.counts.table_reads >= shared.counts.generate);
    assert!(alone.counts.generate > 2 * shared.counts.generate, "each of 6 processes makes its own");
    assert_eq!((alone.counts.table_reads, alone.counts.table_writes), (0, 0));
    assert!(kms(&shared) < kms(&alone));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_asked_for_that_the_traffic_and_the_clocks_do_not_explain() {
    let (requests, outcome) = simulate(2, &settings(false)).await;
    assert_eq!(outcome.requests, requests.len() as u64);
    assert!(outcome.opened > outcome.sealed && outcome.sealed > 0);
    // Each write may need a key made, and each item that is read one unwrapped; a lease in use is renewed at most once per three
    // quarters of its time, and after its last use once more.
    let pairs = u64::from(load(2).tenants * load(2).processes);
    let renewals = (12 * HOUR).as_secs() / (REVALIDATION * 3 / 4).as_secs();
    assert!(outcome.counts.generate <= outcome.sealed + pairs * 4);
    assert!(outcome.counts.decrypt <= outcome.opened + pairs * renewals);
    assert!(kms(&outcome) < outcome.sealed + outcome.opened, "fewer than without a cache");
    assert!(outcome.waited <= outcome.requests && outcome.waited <= kms(&outcome));
    assert_eq!(outcome.counts.hourly.iter().sum::<u64>(), kms(&outcome));
    // A session serves for 50 minutes at least, and nothing calls KMS without one.
    let sessions = outcome.counts.assume_role;
    assert!((1..=kms(&outcome)).contains(&sessions) && sessions <= pairs * (12 * 60 / 50 + 1));
}

#[tokio::test(start_paused = true)]
async fn who_asks_less_often_or_meets_fewer_tenants_calls_less() {
    let often = Settings { revalidation: Duration::from_secs(5 * 60), ..settings(false) };
    let seldom = Settings { revalidation: HOUR, ..settings(false) };
    let routed = Settings { routed: Some(2), ..settings(false) };
    let (_, usual) = simulate(3, &settings(false)).await;
    let calls = [often, seldom, routed].map(async |settings| kms(&simulate(3, &settings).await.1));
    let [often, seldom, routed] = calls;
    let (often, seldom, routed) = (often.await, seldom.await, routed.await);
    assert!(often > kms(&usual) && kms(&usual) > seldom, "{often} {} {seldom}", kms(&usual));
    assert!(routed < kms(&usual), "{routed}");
}

#[tokio::test(start_paused = true)]
async fn a_seed_repeats_the_traffic_and_all_but_the_jitter_of_leases() {
    let (one, first) = simulate(4, &settings(true)).await;
    let (same, second) = simulate(4, &settings(true)).await;
    let (other, _) = simulate(5, &settings(true)).await;
    assert_eq!(one, same);
    assert_ne!(one, other);
    let exact = |outcome: &Outcome| (outcome.requests, outcome.sealed, outcome.opened, outcome.written_periods);
    assert_eq!(exact(&first), exact(&second));
    assert!(kms(&first).abs_diff(kms(&second)) * 50 <= kms(&first), "{} {}", kms(&first), kms(&second));
}

#[test]
fn traffic_is_skewed_over_tenants_and_over_the_day() {
    let load = Load { tenants: 100, processes: 1, length: 24 * HOUR, visits: 5_000, seed: 6 };
    let requests = load.requests();
    assert!(requests.is_sorted_by_key(|request| request.at));
    let of = |tenant: u32| requests.iter().filter(|request| request.tenant == tenant).count();
    assert!(of(0) > of(1) && of(1) > of(9) && of(9) > of(99));
    assert!(requests.iter().map(|request| request.tenant).collect::<HashSet<_>>().len() > 90);
    let at = |hour: u64| requests.iter().filter(|request| request.at.as_secs() / 3_600 == hour).count();
    assert!(at(14) > 5 * at(2));
    let writes = requests.iter().filter(|request| request.writes).count();
    assert!((requests.len() / 6..requests.len() / 4).contains(&writes));
}
