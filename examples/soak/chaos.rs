//! Injects faults while the writers write, one after the other, chosen by the seed.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tenantseal_local::Call;
use tokio::time::{Instant, sleep};

use crate::Outcome;
use crate::journal::now;
use crate::stage::{GRACE, REVALIDATION, Stage, Writer};
use crate::zipf::Zipf;

/// A suspended tenant, and the interval in which KMS certainly refuses its key (milliseconds since 1970).
#[derive(Debug, Clone)]
pub(crate) struct Suspension {
    pub(crate) tenant: usize,
    pub(crate) from: u64,
    pub(crate) to: u64,
}

/// A fault that may cost a process its cached data keys, and its interval (milliseconds since 1970).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Upheaval {
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// Whether only failed calls cost a tenant its keys; see [`Injected::failed`].
    pub(crate) by_failed_calls: bool,
}

/// The injected faults.
#[derive(Debug, Default)]
pub(crate) struct Injected {
    pub(crate) faults: BTreeMap<&'static str, u64>,
    pub(crate) suspensions: Vec<Suspension>,
    pub(crate) upheavals: Vec<Upheaval>,
    /// The calls for each tenant that a fault failed.
    failed: Arc<Mutex<HashMap<String, u64>>>,
}

/// How a fault may cost a process its cached data keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keys {
    /// It does not. For a suspended tenant, the writers' refused operations show it.
    Stay,
    /// While it lasts.
    May,
    /// By the calls that it fails, while it lasts.
    ByFailedCalls,
    /// By the calls that it fails, until there were this many or the faults are cleared.
    ByFailedCallsUntilCleared,
}

const FAULTS: [(&str, Keys); 11] = [
    ("KMS throttles", Keys::ByFailedCallsUntilCleared),
    ("STS throttles", Keys::ByFailedCallsUntilCleared),
    ("KMS and STS fail", Keys::ByFailedCalls),
    ("KMS and STS are slow", Keys::Stay),
    ("KMS and STS drop connections", Keys::ByFailedCallsUntilCleared),
    ("DynamoDB connections are reset", Keys::Stay),
    ("all servers restart", Keys::May),
    ("the servers' clock jumps", Keys::Stay),
    ("the writers' clocks jump", Keys::May),
    ("a tenant is suspended", Keys::Stay),
    ("a writer is killed", Keys::Stay),
];

impl Injected {
    /// How many calls to KMS and STS a fault has failed, by tenant.
    pub(crate) fn failed(&self) -> HashMap<String, u64> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Injects faults until `end`, pausing between them. Every fault comes once before one comes again.
    pub(crate) async fn inject(
        &mut self,
        (stage, steady, mortal): (&mut Stage, &mut Writer, &mut Writer),
        respawn: impl Fn(&Stage) -> Outcome<Writer>,
        (zipf, random): (&Zipf, &mut fastrand::Rng),
        end: Instant,
    ) -> Outcome<()> {
        let mut order = FAULTS;
        loop {
            random.shuffle(&mut order);
            for (fault, keys) in order {
                sleep(Duration::from_millis(random.u64(300..1500)).min(end.saturating_duration_since(Instant::now())))
                    .await;
                if Instant::now() >= end {
                    return Ok(());
                }
                if !steady.runs()? || !mortal.runs()? {
                    return Err("a writer ended by itself".into());
                }
                *self.faults.entry(fault).or_default() += 1;
                let from = now();
                self.one(fault, (stage, steady, mortal), &respawn, (zipf, random)).await?;
                if keys != Keys::Stay {
                    let to = if keys == Keys::ByFailedCallsUntilCleared { u64::MAX } else { now() };
                    self.upheavals.push(Upheaval { from, to, by_failed_calls: keys != Keys::May });
                }
            }
        }
    }

    async fn one(
        &mut self,
        fault: &str,
        (stage, steady, mortal): (&mut Stage, &mut Writer, &mut Writer),
        respawn: impl Fn(&Stage) -> Outcome<Writer>,
        (zipf, random): (&Zipf, &mut fastrand::Rng),
    ) -> Outcome<()> {
        let faults = stage.stack.faults();
        // Counts the calls that a fault fails.
        let counter = Arc::clone(&self.failed);
        let on = |operation: &str, times: usize| {
            let failed = Arc::clone(&counter);
            let counts = move |call: &Call| {
                let session = || call.session_name.as_deref().and_then(|name| name.strip_prefix("tenant-"));
                let tenant = call.encryption_context.get("tenant").map(String::as_str).or_else(session);
                let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                *failed.entry(tenant.unwrap_or_default().to_owned()).or_default() += 1;
                true
            };
            faults.on(operation).times(times).when(counts)
        };
        match fault {
            "KMS throttles" => {
                for operation in ["GenerateDataKey", "Decrypt"] {
                    on(operation, random.usize(1..20)).fail("ThrottlingException", 400);
                }
            }
            "STS throttles" => on("AssumeRole", random.usize(1..20)).fail("Throttling", 400),
            "KMS and STS fail" => {
                for operation in ["GenerateDataKey", "Decrypt", "AssumeRole"] {
                    on(operation, usize::MAX).fail("KMSInternalException", 500);
                }
                // Sometimes within the grace, sometimes beyond it.
                sleep(Duration::from_millis(random.u64(1000..8000))).await;
                faults.clear();
                self.cleared();
            }
            "KMS and STS are slow" => {
                faults.on("*").delay(Duration::from_millis(random.u64(50..500)));
                sleep(Duration::from_secs(2)).await;
                faults.clear();
                self.cleared();
            }
            "KMS and STS drop connections" => on("*", random.usize(1..20)).disconnect(),
            "DynamoDB connections are reset" => {
                for _ in 0..5 {
                    stage.relay.cut();
                    sleep(Duration::from_millis(random.u64(1..200))).await;
                }
            }
            "all servers restart" => stage.stack.restart(Duration::from_millis(random.u64(10..1500))).await?,
            // An hour ends sessions, a day ends data keys.
            "the servers' clock jumps" => stage.stack.clock().advance(Duration::from_secs(random.u64(60..100_000))),
            "the writers' clocks jump" => {
                for writer in [steady, mortal] {
                    writer.clock(random.i64(-100_000..200_000))?;
                }
            }
            "a tenant is suspended" => self.suspend(stage, (zipf, random)).await?,
            _ => {
                mortal.kill()?;
                sleep(Duration::from_millis(random.u64(100..300))).await;
                *mortal = respawn(stage)?;
            }
        }
        Ok(())
    }

    /// Clears all faults: none of them fails a call from here on.
    fn cleared(&mut self) {
        let now = now();
        self.upheavals.iter_mut().for_each(|upheaval| upheaval.to = upheaval.to.min(now));
    }

    /// Suspends some tenants, most of them busy, for longer than any lease and grace.
    async fn suspend(&mut self, stage: &Stage, (zipf, random): (&Zipf, &mut fastrand::Rng)) -> Outcome<()> {
        let tenants: std::collections::BTreeSet<_> = (0..4).map(|_| zipf.draw(random)).collect();
        for &tenant in &tenants {
            stage.administrator.disable_key().key_id(&stage.keys[tenant]).send().await?;
            self.suspensions.push(Suspension { tenant, from: now(), to: u64::MAX });
        }
        sleep(REVALIDATION + GRACE + Duration::from_millis(random.u64(1500..4000))).await;
        for tenant in tenants {
            let to = now();
            self.suspensions
                .iter_mut()
                .filter(|one| one.tenant == tenant && one.to == u64::MAX)
                .for_each(|one| one.to = to);
            stage.administrator.enable_key().key_id(&stage.keys[tenant]).send().await?;
        }
        Ok(())
    }
}
