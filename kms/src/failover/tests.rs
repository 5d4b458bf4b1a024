//! The model of several Regions, by the clock: who is asked, and who sees an error.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tenantseal_core::keys::Clock;
use tenantseal_core::tenant::TenantId;
use tenantseal_core::time::TimeSource;

use super::{Failover, Left, Verdict, Word};

#[derive(Debug)]
struct Standing;

impl TimeSource for Standing {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }
}

fn over(regions: &[&str]) -> Failover {
    Failover::new(regions.iter().map(|region| (*region).to_owned()).collect(), Clock::new(Arc::new(Standing)))
}

/// What one caller gets, and the calls that it took: the place of each Region, and its word.
fn ask(failover: &Failover, tenant: &TenantId, world: impl Fn(usize) -> Word) -> (Option<Word>, Vec<(usize, Word)>) {
    let (mut walk, mut calls) = (failover.walk(tenant, true), Vec::new());
    while let Some(turn) = walk.next() {
        let word = world(turn.region);
        calls.push((turn.region, word));
        if walk.hear(word, || "no answer".to_owned()) == Verdict::Final {
            return (Some(word), calls);
        }
    }
    (None, calls)
}

/// What 20 tenants, or one, got in `seconds`, with 10 calls a second, and how often each Region said what.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    /// By what the caller got; `None` where no Region could answer.
    answers: BTreeMap<String, u32>,
    calls: BTreeMap<(usize, String), u32>,
}

impl Seen {
    fn answers(&self, of: &str) -> u32 {
        self.answers.get(of).copied().unwrap_or_default()
    }

    fn calls(&self, region: usize, word: Word) -> u32 {
        self.calls.get(&(region, format!("{word:?}"))).copied().unwrap_or_default()
    }
}

async fn run(
    failover: &Failover,
    tenants: usize,
    seconds: u32,
    world: impl Fn(usize, usize, f64) -> Word,
) -> Vec<Seen> {
    let mut seen: Vec<Seen> = (0..tenants).map(|_| Seen::default()).collect();
    for step in 0..seconds * 10 {
        let (who, at) = (step as usize % tenants, f64::from(step) / 10.0);
        let tenant = TenantId::parse(&format!("t-{who}")).unwrap();
        let (answer, calls) = ask(failover, &tenant, |region| world(region, who, at));
        let answer = answer.map_or_else(|| "unavailable".to_owned(), |word| format!("{word:?}"));
        *seen[who].answers.entry(answer).or_default() += 1;
        for (region, word) in calls {
            *seen[who].calls.entry((region, format!("{word:?}"))).or_default() += 1;
        }
        tokio::time::advance(Duration::from_millis(100)).await;
    }
    seen
}

fn total(seen: &[Seen], of: impl Fn(&Seen) -> u32) -> u32 {
    seen.iter().map(of).sum()
}

const TWO: [&str; 2] = ["near", "far"];

#[tokio::test(start_paused = true)]
async fn a_region_that_is_out_costs_few_calls_and_no_caller_an_error() {
    let failover = over(&TWO);
    let out = |region, _, at| if region == 0 && 30.0 < at && at < 90.0 { Word::Out } else { Word::Done };
    let seen = run(&failover, 20, 150, out).await;
    assert_eq!(total(&seen, |seen| seen.answers("Done")), 1_500);
    let failed = total(&seen, |seen| seen.calls(0, Word::Out));
    assert!((3..=20).contains(&failed), "{failed} failed calls in a minute");
    // The first probe after the outage brings everyone back.
    let near = total(&seen, |seen| seen.calls(0, Word::Done));
    assert!(near > 300 + 250, "{near}");
}

#[tokio::test(start_paused = true)]
async fn one_tenants_timeouts_open_no_circuit_for_the_others() {
    let failover = over(&TWO);
    let seen =
        run(&failover, 20, 120, |region, who, _| if region == 0 && who == 3 { Word::Out } else { Word::Done }).await;
    for (who, seen) in seen.iter().enumerate() {
        assert_eq!(seen.answers("Done"), 60);
        assert_eq!(seen.calls(1, Word::Done), if who == 3 { 60 } else { 0 }, "{who}");
    }
    // Nor when nobody else asks in between.
    let (one, other) = (TenantId::parse("t-3").unwrap(), TenantId::parse("t-4").unwrap());
    for _ in 0..5 {
        ask(&failover, &one, |region| if region == 0 { Word::Out } else { Word::Done });
    }
    assert_eq!(ask(&failover, &other, |_| Word::Done).1, [(0, Word::Done)]);
}

#[tokio::test(start_paused = true)]
async fn a_single_tenant_opens_the_circuit_too() {
    let failover = over(&TWO);
    let seen = run(&failover, 1, 30, |region, _, _| if region == 0 { Word::Out } else { Word::Done }).await;
    assert_eq!(seen[0].answers("Done"), 300);
    assert!((3..=20).contains(&seen[0].calls(0, Word::Out)), "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_a_region_has_refused_is_not_served_by_a_farther_one() {
    let failover = over(&TWO);
    // The suspension has reached the near Region alone, which goes out later.
    let world = |region, who, at| match region {
        0 if at > 20.0 => Word::Out,
        0 if who == 3 && at > 10.0 => Word::Revoked,
        _ => Word::Done,
    };
    let seen = run(&failover, 20, 60, world).await;
    assert_eq!(seen[3].calls(1, Word::Done), 0);
    assert_eq!(seen[3].answers("Done"), 5, "before it was suspended");
    assert_eq!(seen[3].answers("Revoked"), 5);
    assert_eq!(seen[3].answers("unavailable"), 20);
    assert!(seen.iter().enumerate().all(|(who, seen)| who == 3 || seen.answers("Done") == 30));
}

#[tokio::test(start_paused = true)]
async fn of_three_regions_none_behind_a_refusal_serves_the_tenant() {
    let failover = over(&["near", "second", "third"]);
    let world = |region, who, at| match region {
        0 if at > 20.0 => Word::Out,
        1 if at > 35.0 => Word::Out,
        0 | 1 if who == 3 && at > 10.0 => Word::Revoked,
        _ => Word::Done,
    };
    let seen = run(&failover, 20, 60, world).await;
    assert_eq!(seen[3].calls(2, Word::Done), 0);
    assert_eq!(seen[3].answers("Done"), 5);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_by_a_far_region_ends_when_the_near_one_has_a_key() {
    let failover = over(&TWO);
    let world = |region, who, at| match region {
        0 if 10.0 < at && at < 30.0 => Word::Out,
        1 if who == 3 => Word::Revoked,
        _ => Word::Done,
    };
    let seen = run(&failover, 20, 120, world).await;
    assert_eq!(seen[3].answers("Revoked") + seen[3].answers("unavailable"), 60 - seen[3].answers("Done"));
    // The near Region's probe comes within 30 s, and then this tenant's own call.
    assert!(seen[3].answers("Done") >= 5 + 28, "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn a_region_without_a_replica_revokes_nobody() {
    let failover = over(&TWO);
    let world = |region, who, at| match region {
        0 if at > 10.0 => Word::Out,
        1 if who == 3 => Word::Refused,
        _ => Word::Done,
    };
    let seen = run(&failover, 20, 60, world).await;
    assert_eq!((seen[3].answers("Done"), seen[3].answers("unavailable")), (5, 25), "never refused");
    // Where its key has worked, a refusal is one.
    let tenant = TenantId::parse("t-5").unwrap();
    assert_eq!(ask(&failover, &tenant, |_| Word::Refused).0, Some(Word::Refused));
}

#[tokio::test(start_paused = true)]
async fn throttling_is_no_outage() {
    let failover = over(&TWO);
    let seen = run(&failover, 20, 60, |region, _, _| if region == 0 { Word::Throttled } else { Word::Done }).await;
    assert_eq!(total(&seen, |seen| seen.answers("Throttled")), 600);
    assert_eq!(total(&seen, |seen| seen.calls(1, Word::Done)), 0);
}

#[tokio::test(start_paused = true)]
async fn when_all_regions_are_out_the_last_is_still_asked() {
    let failover = over(&TWO);
    let seen = run(&failover, 20, 90, |_, _, at| if 30.0 < at && at < 60.0 { Word::Out } else { Word::Done }).await;
    let asked = total(&seen, |seen| seen.calls(0, Word::Out) + seen.calls(1, Word::Out));
    assert_eq!(total(&seen, |seen| seen.answers("unavailable")), 299);
    assert!(asked >= 299, "each call asks somebody: {asked}");
    assert_eq!(total(&seen, |seen| seen.answers("Done")), 601);
}

#[tokio::test(start_paused = true)]
async fn a_region_that_fails_every_other_call_costs_no_caller_an_error() {
    let failover = over(&TWO);
    let flaps =
        |region, _, at: f64| if region == 0 && (at * 10.0).rem_euclid(2.0) < 0.5 { Word::Out } else { Word::Done };
    let seen = run(&failover, 20, 120, flaps).await;
    assert_eq!(total(&seen, |seen| seen.answers("Done")), 1_200);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_dropped_is_made_by_the_next_caller() {
    let failover = over(&TWO);
    let tenant = TenantId::parse("acme").unwrap();
    for _ in 0..3 {
        ask(&failover, &tenant, |region| if region == 0 { Word::Out } else { Word::Done });
    }
    assert_eq!(ask(&failover, &tenant, |_| Word::Done).1, [(1, Word::Done)], "the circuit is open");
    tokio::time::advance(Duration::from_secs(31)).await;
    let mut probe = failover.walk(&tenant, true);
    assert_eq!(probe.next().unwrap().region, 0);
    assert_eq!(ask(&failover, &tenant, |_| Word::Done).1, [(1, Word::Done)], "one probe at a time");
    drop(probe);
    assert_eq!(ask(&failover, &tenant, |_| Word::Done).1, [(0, Word::Done)]);
}

#[tokio::test(start_paused = true)]
async fn a_former_keys_refusal_says_nothing_of_the_tenant() {
    let failover = over(&TWO);
    let tenant = TenantId::parse("acme").unwrap();
    assert_eq!(ask(&failover, &tenant, |_| Word::Done).0, Some(Word::Done));
    let mut former = failover.walk(&tenant, false);
    former.next().unwrap();
    assert_eq!(former.hear(Word::Revoked, String::new), Verdict::Final);
    let out = ask(&failover, &tenant, |region| if region == 0 { Word::Out } else { Word::Done });
    assert_eq!(out.0, Some(Word::Done), "the far Region may serve it");
}

#[tokio::test(start_paused = true)]
async fn it_is_said_why_each_region_was_left() {
    let failover = over(&["near", "second", "third"]);
    let tenant = TenantId::parse("acme").unwrap();
    let mut walk = failover.walk(&tenant, true);
    walk.next().unwrap();
    walk.hear(Word::Out, || "no answer in 1 s".to_owned());
    walk.next().unwrap();
    walk.hear(Word::Refused, || "AccessDeniedException".to_owned());
    walk.next().unwrap();
    walk.hear(Word::Out, || "refused connections".to_owned());
    assert!(walk.next().is_none());
    let left: Vec<_> = walk.left().map(|(region, why)| format!("{region}: {why}")).collect();
    assert_eq!(
        left,
        [
            "near: no answer in 1 s",
            "second: AccessDeniedException, and no key of the tenant has worked there",
            "third: refused connections"
        ]
    );
    assert!(matches!(walk.left().next(), Some((_, Left::Out(_)))));
}
