//! No two items of a tenant have one value of a unique lookup, whoever writes, dies or lies.

mod hostile;
mod kills;
mod primary_keys;
mod refusals;
mod scene;
mod stale_reads;
mod sweep;
mod sweep_histories;
mod sweep_meets;
mod tables;
mod types;
mod writes;
