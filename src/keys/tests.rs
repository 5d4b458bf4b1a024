//! The cache alone, on a paused clock: who asks when, what is used for how long, and what leaves memory.

mod aliases;
mod clocks;
mod contradictions;
mod fairness;
mod fleet;
mod memory;
mod outage;
mod quotas;
mod refusals;
mod scene;
