//! Random interleavings of a fleet: calls take random times, answers are lost, processes die, the alias is re-pointed
//! on the way, and names are in dispute. One lookup key in each, and never 2 definitions of a name.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use super::*;

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators").
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// The key table as one process reaches it.
#[derive(Debug)]
struct Link {
    table: Arc<Table>,
    random: Arc<Mutex<Random>>,
    dead: Arc<AtomicBool>,
}

impl Link {
    /// Waits for a random time; for ever when the process is dead.
    async fn pass(&self) {
        let wait = self.random.lock().unwrap().below(30);
        tokio::time::sleep(Duration::from_millis(wait)).await;
        if self.dead.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
    }

    /// One answer in 10 is lost.
    fn arrives(&self) -> Result<(), KeyTableError> {
        match self.random.lock().unwrap().below(10) {
            0 => Err(KeyTableError::new("keys", Kind::Unavailable)),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl KeyTable for Link {
    fn name(&self) -> &str {
        "keys"
    }

    async fn get(&self, partition: &str, entry: &str) -> Result<Option<Vec<u8>>, KeyTableError> {
        self.pass().await;
        let answer = self.table.get(partition, entry).await;
        self.pass().await;
        self.arrives().and(answer)
    }

    async fn compare_and_swap(
        &self,
        partition: &str,
        entry: &str,
        expected: Option<&[u8]>,
        record: &[u8],
    ) -> Result<Swap, KeyTableError> {
        self.pass().await;
        let answer = self.table.compare_and_swap(partition, entry, expected, record).await;
        self.pass().await;
        self.arrives().and(answer)
    }

    async fn check(&self) -> Result<(), KeyTableError> {
        Ok(())
    }
}

/// What a process ends with: the lookup key, by a token of the lookup that all declare, or a refusal; `None` when it
/// died.
type Outcome = Option<Result<String, Kind>>;

async fn run(seed: u64, refused: &mut usize, died: &mut usize) {
    let random = Arc::new(Mutex::new(Random(seed)));
    let draw = |bound| random.lock().unwrap().below(bound);
    let fleet = Fleet::default();
    let email = |bits| lookup("email", 1, bits);
    let choices =
        [vec![email(128)], vec![email(128), lookup("phone", 1, 128)], vec![lookup("phone", 1, 128)], vec![email(12)]];
    let processes: Vec<_> =
        (0..2 + draw(4)).map(|_| (usize::try_from(draw(4)).unwrap(), draw(4) == 0, draw(200))).collect();
    let repointed = tokio::time::sleep(Duration::from_millis(draw(300)));
    let running = processes.iter().map(|(choice, dies, at)| {
        let dead = Arc::<AtomicBool>::default();
        let link = Link { table: Arc::clone(&fleet.table), random: Arc::clone(&random), dead: Arc::clone(&dead) };
        let scene = Scene::configured(Arc::clone(&fleet.kms), |config| {
            config.shared = Some(SharedKeys::new(Arc::new(link), "us-east-1"));
            let all = choices[*choice].iter().cloned().chain([lookup("all", 1, 128)]);
            config.lookups = DeclaredLookups::new(all.collect()).unwrap();
        });
        async move {
            let uses = async {
                tokio::time::sleep(Duration::from_millis(*at / 4)).await;
                loop {
                    match scene.token_under("acme", "all", 1).await {
                        Err(Kind::Unavailable) => {}
                        outcome => return outcome,
                    }
                }
            };
            let dying = async {
                tokio::time::sleep(Duration::from_millis(if *dies { *at } else { u64::MAX / 2_000_000 })).await;
                dead.store(true, Ordering::SeqCst);
            };
            tokio::select! {
                outcome = uses => Some(outcome),
                () = dying => None,
            }
        }
    });
    let (outcomes, ()) = tokio::join!(join_all(running), async {
        repointed.await;
        fleet.repoint();
    });
    check(seed, &fleet, &choices, &processes, &outcomes).await;
    *refused += outcomes.iter().flatten().filter(|outcome| outcome.is_err()).count();
    *died += outcomes.iter().filter(|outcome| outcome.is_none()).count();
}

async fn check(
    seed: u64,
    fleet: &Fleet,
    choices: &[Vec<DeclaredLookup>],
    processes: &[(usize, bool, u64)],
    outcomes: &[Outcome],
) {
    // Whoever comes later finds what all have used.
    let later = fleet.declaring(vec![lookup("all", 1, 128)]).token_under("acme", "all", 1).await.unwrap();
    assert_eq!(fleet.table.lookups().len(), 1, "seed {seed}");
    assert_eq!(fleet.kek("acme", 1), kek(1), "seed {seed}");
    let mut definitions = BTreeMap::new();
    for ((choice, ..), outcome) in processes.iter().zip(outcomes) {
        match outcome {
            Some(Ok(token)) => {
                assert_eq!(*token, later, "seed {seed}: two lookup keys");
                for lookup in &choices[*choice] {
                    let other = definitions.insert(&lookup.name, &lookup.definition);
                    assert!(other.is_none_or(|other| *other == lookup.definition), "seed {seed}: two definitions");
                }
            }
            Some(Err(Kind::LookupRedefined { .. })) => {}
            Some(Err(other)) => panic!("seed {seed}: {other}"),
            None => {}
        }
    }
    // What was let through is recorded.
    for (name, definition) in definitions {
        let other = if definition.bits() == 128 { 12 } else { 128 };
        let otherwise = fleet.declaring(vec![lookup(name, 1, other)]);
        let refused = otherwise.token_under("acme", name, 1).await;
        assert!(matches!(refused, Err(Kind::LookupRedefined { .. })), "seed {seed}: {name}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_interleaving_has_one_lookup_key_and_one_definition_of_a_name() {
    let (mut refused, mut died) = (0, 0);
    let runs = std::env::var("TENANTSEAL_MODEL_RUNS").map_or(300, |runs| runs.parse().unwrap());
    for seed in 0..runs {
        run(seed, &mut refused, &mut died).await;
    }
    println!("{runs} interleavings: {refused} processes refused for a name defined otherwise, {died} died");
    assert!(refused > 0 && died > 0, "{refused} refused, {died} died");
}
