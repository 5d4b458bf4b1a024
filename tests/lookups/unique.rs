//! No two items of a tenant have one value of a unique lookup, whoever writes, dies or lies.

mod hostile;
mod kills;
mod refusals;
mod scene;
mod tables;
mod writes;
