//! The cache alone, on a paused clock: who asks when, what is used for how long, and what leaves memory.

mod aliases;
mod clocks;
mod contradictions;
mod fairness;
mod fleet;
mod lookups;
mod memory;
mod outage;
mod pins;
mod quotas;
mod refusals;
mod scene;
mod seals;
