//! `seal` and `open` of one item in memory: time, CPU, allocations and bytes.

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

use crate::contenders::Sealer;
use crate::contenders::floor::Floor;
use crate::contenders::ours::Ours;
use crate::contenders::peer::{Peer, Suite};
use crate::item::{SHAPES, Shape, stored_size};
use crate::median;
use crate::report::{Contender, Direction, Speed};

/// How long and how often to measure.
#[derive(Clone, Copy)]
pub struct Effort {
    /// Rounds; in each, all contenders take turns.
    pub rounds: usize,
    /// The least time of one turn.
    pub turn: Duration,
}

/// The most bytes of items that are made before the clock starts, so that they stay in the caches.
const BATCH_BYTES: usize = 1 << 18;
/// The most items of one batch.
const BATCH_ITEMS: usize = 256;

/// A freed block of this size makes glibc's allocator keep what is freed, as it does in a process that has run for a
/// while. Otherwise each batch would pay for fresh pages.
const WARMING: usize = 16 << 20;

/// All shapes, both directions, and the primitives and tenantseal, with the peer or without.
pub fn measure(effort: Effort, with_peer: bool) -> Vec<Speed> {
    drop(black_box(Vec::<u8>::with_capacity(WARMING)));
    SHAPES.into_iter().flat_map(|shape| measure_shape(shape, effort, with_peer)).collect()
}

fn measure_shape(shape: Shape, effort: Effort, with_peer: bool) -> Vec<Speed> {
    eprintln!("  ({}) {}", shape.name, shape.title);
    let floor = Floor::new(shape);
    let ours = Ours::new(shape);
    let [unsigned, signed] = Suite::ALL.map(|suite| Peer::new(shape, suite));
    let mut sealers: Vec<(Contender, &dyn Sealer)> = vec![(Contender::Ours, &ours)];
    if with_peer {
        sealers.extend([
            (Contender::PeerUnsigned, &unsigned as &dyn Sealer),
            (Contender::PeerSigned, &signed as &dyn Sealer),
        ]);
    }

    let mut speeds = Vec::new();
    for direction in [Direction::Seal, Direction::Open] {
        let primitives = match direction {
            Direction::Seal => Job::new(shape, || floor.buffers(), |buffers| floor.seal(buffers)),
            Direction::Open => Job::new(shape, || floor.encrypted(), |buffers| floor.open(buffers)),
        };
        let mut jobs = vec![(Contender::Floor, primitives)];
        for &(contender, sealer) in &sealers {
            let item = shape.item(0);
            let job = match direction {
                Direction::Seal => Job::new(shape, move || item.clone(), |item| sealer.seal(item)),
                Direction::Open => {
                    let sealed = sealer.seal(item);
                    Job::new(shape, move || sealed.clone(), |item| sealer.open(item))
                }
            };
            jobs.push((contender, job));
        }
        speeds.extend(measure_jobs(shape, direction, &jobs, effort));
    }
    for (contender, sealer) in sealers {
        let item = shape.item(0);
        let added = stored_size(&sealer.seal(item.clone())) - stored_size(&item);
        for speed in speeds.iter_mut().filter(|speed| speed.contender == contender) {
            speed.bytes_added = Some(added);
        }
    }
    speeds
}

/// Rounds in which every job takes its turn, on one thread and then on two, so that a noisy machine disturbs all alike.
fn measure_jobs(
    shape: Shape,
    direction: Direction,
    jobs: &[(Contender, Job<'_>)],
    effort: Effort,
) -> impl Iterator<Item = Speed> {
    let mut one: Vec<Vec<Sample>> = vec![Vec::new(); jobs.len()];
    let mut two = one.clone();
    for round in 0..=effort.rounds {
        for turn in 0..jobs.len() {
            let at = (turn + round) % jobs.len();
            let samples = (jobs[at].1.on_this_thread(effort.turn), jobs[at].1.on_two_threads(effort.turn));
            // The first round warms up.
            if round > 0 {
                one[at].push(samples.0);
                two[at].push(samples.1);
            }
        }
    }
    let cpu = |at: usize| one[at].iter().map(|sample: &Sample| sample.cpu);
    let ours = jobs.iter().position(|(contender, _)| *contender == Contender::Ours).expect("it is measured");
    let speeds: Vec<Speed> = (0..jobs.len())
        .map(|at| Speed {
            item: shape.name.to_owned(),
            title: shape.title.to_owned(),
            direction,
            contender: jobs[at].0,
            cpu_us: 1e6 * median(cpu(at)),
            wall_us: 1e6 * median(one[at].iter().map(|sample| sample.wall)),
            per_second: median(one[at].iter().map(|sample| sample.wall.recip())),
            per_second_two_threads: median(two[at].iter().map(|sample| sample.wall.recip())),
            cpu_of_ours: median(cpu(at).zip(cpu(ours)).map(|(this, ours)| this / ours)),
            allocations: jobs[at].1.allocations(),
            bytes_added: None,
        })
        .collect();
    speeds.into_iter()
}

/// Seconds per operation. With two threads, `wall` is the time between two operations of both together.
#[derive(Clone, Copy)]
struct Sample {
    cpu: f64,
    wall: f64,
}

/// Something to be timed. Inputs are made before the clock starts, results dropped after it stops, a batch at a time.
struct Job<'a> {
    batch: Box<dyn Fn(usize) -> Clocks + Sync + 'a>,
    allocations: Box<dyn Fn() -> u64 + Sync + 'a>,
    length: usize,
}

#[derive(Clone, Copy, Default)]
struct Clocks {
    operations: usize,
    cpu: Duration,
    wall: Duration,
}

impl<'a> Job<'a> {
    fn new<I, O>(
        shape: Shape,
        input: impl Fn() -> I + Sync + Clone + 'a,
        work: impl Fn(I) -> O + Sync + Copy + 'a,
    ) -> Self {
        let counted = input.clone();
        let allocations = move || {
            let input = counted();
            allocation_counter::measure(|| drop(black_box(work(input)))).count_total
        };
        let batch = move |operations: usize| {
            let inputs: Vec<I> = (0..operations).map(|_| input()).collect();
            let mut results = Vec::with_capacity(operations);
            let (begun, cpu) = (Instant::now(), thread_cpu());
            results.extend(inputs.into_iter().map(|input| black_box(work(black_box(input)))));
            Clocks { operations, cpu: thread_cpu() - cpu, wall: begun.elapsed() }
        };
        let length = (BATCH_BYTES / stored_size(&shape.item(0))).clamp(1, BATCH_ITEMS);
        Self { batch: Box::new(batch), allocations: Box::new(allocations), length }
    }

    /// Repeats batches until they have taken `least`.
    fn repeat(&self, least: Duration) -> Clocks {
        let mut total = Clocks::default();
        // Nothing counts allocations while the clocks run.
        allocation_counter::opt_out(|| {
            let one = (self.batch)(1).wall.as_nanos().max(1);
            let length = usize::try_from(least.as_nanos() / one).unwrap_or(1).clamp(1, self.length);
            while total.wall < least {
                let Clocks { operations, cpu, wall } = (self.batch)(length);
                total.operations += operations;
                total.cpu += cpu;
                total.wall += wall;
            }
        });
        total
    }

    fn on_this_thread(&self, least: Duration) -> Sample {
        let Clocks { operations, cpu, wall } = self.repeat(least);
        Sample { cpu: cpu.as_secs_f64() / operations as f64, wall: wall.as_secs_f64() / operations as f64 }
    }

    fn on_two_threads(&self, least: Duration) -> Sample {
        let start = Barrier::new(2);
        let both = thread::scope(|scope| {
            let work = || {
                start.wait();
                self.repeat(least)
            };
            let other = scope.spawn(work);
            [work(), other.join().expect("the work does not panic")]
        });
        let operations: usize = both.iter().map(|clocks| clocks.operations).sum();
        let cpu: f64 = both.iter().map(|clocks| clocks.cpu.as_secs_f64()).sum();
        let rate: f64 = both.iter().map(|clocks| clocks.operations as f64 / clocks.wall.as_secs_f64()).sum();
        Sample { cpu: cpu / operations as f64, wall: rate.recip() }
    }

    /// The allocations of one operation on a warm thread.
    fn allocations(&self) -> u64 {
        (self.allocations)()
    }
}

fn thread_cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("every thread has this clock").into()
}
