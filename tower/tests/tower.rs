//! Tokens against a local issuer, over real sockets.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "tests")]

#[path = "tower/answers.rs"]
mod answers;
#[path = "tower/attacks.rs"]
mod attacks;
#[path = "tower/claims.rs"]
mod claims;
#[path = "tower/config.rs"]
mod config;
#[path = "tower/constructor.rs"]
mod constructor;
#[path = "tower/grpc.rs"]
mod grpc;
#[path = "tower/key_sets.rs"]
mod key_sets;
#[path = "tower/lambda.rs"]
mod lambda;
#[path = "tower/local_issuer.rs"]
mod local_issuer;
#[path = "tower/logs.rs"]
mod logs;
#[path = "tower/members.rs"]
mod members;
#[path = "tower/outages.rs"]
mod outages;
#[path = "tower/peers.rs"]
mod peers;
#[path = "tower/rotation.rs"]
mod rotation;
#[path = "tower/scene.rs"]
mod scene;
#[path = "tower/streams.rs"]
mod streams;
#[path = "tower/warm.rs"]
mod warm;
