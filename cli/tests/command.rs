//! The command as people and machines run it: the real binary against a real local stack, in a pipe and in a terminal.
#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

#[path = "command/bad_input.rs"]
mod bad_input;
#[path = "command/compact.rs"]
mod compact;
#[path = "command/doctor.rs"]
mod doctor;
#[path = "command/dry_run.rs"]
mod dry_run;
#[path = "command/elsewhere.rs"]
mod elsewhere;
#[path = "command/hostile.rs"]
mod hostile;
#[path = "command/lookup.rs"]
mod lookup;
#[path = "command/lookup_keys.rs"]
mod lookup_keys;
#[path = "command/lookup_show.rs"]
mod lookup_show;
#[path = "command/lookup_verify.rs"]
mod lookup_verify;
#[path = "command/migrate.rs"]
mod migrate;
#[path = "command/open.rs"]
mod open;
#[path = "command/overtaken.rs"]
mod overtaken;
#[path = "command/pipe.rs"]
mod pipe;
#[path = "../../tests/common/pod_tags.rs"]
mod pod_tags;
#[path = "command/pods.rs"]
mod pods;
#[path = "command/proofs.rs"]
mod proofs;
#[path = "command/redact.rs"]
mod redact;
#[path = "command/samples.rs"]
mod samples;
#[path = "command/sandbox.rs"]
mod sandbox;
#[path = "command/schema.rs"]
mod schema;
#[path = "command/settings.rs"]
mod settings;
#[path = "command/sweep.rs"]
mod sweep;
#[path = "command/terminal.rs"]
mod terminal;
#[path = "command/transcript.rs"]
mod transcript;
#[path = "command/world.rs"]
mod world;
