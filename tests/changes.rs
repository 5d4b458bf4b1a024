//! Changes of streams and exports: every shape, several tenants in a batch, and records that somebody has tampered with.

mod batch;
mod hostile;
mod scene;
mod shapes;
