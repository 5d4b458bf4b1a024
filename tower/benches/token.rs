//! What the check of a token costs when the keys are there: `cargo bench -p tenantseal-tower --bench token`.
//!
//! `--features aws-lc-rs` measures AWS-LC instead of RustCrypto. It prints times, and what is allocated.

#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

#[path = "../tests/tower/local_issuer.rs"]
#[allow(dead_code, unreachable_pub, reason = "a part of it is used")]
mod local_issuer;
#[path = "../tests/tower/scene.rs"]
#[allow(dead_code, unreachable_pub, reason = "a part of it is used")]
mod scene;

use divan::{AllocProfiler, Bencher};
use futures_util::FutureExt;
use scene::{TestKey, World, headers};
use tenantseal_tower::Algorithm;

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

fn check(bencher: Bencher<'_, '_>, key: TestKey) {
    let all = [Algorithm::Rs256, Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa];
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let world = runtime.block_on(World::build(key, |builder, issuer| builder.issuer(issuer).algorithms(all)));
    let headers = headers(&world.token());
    bencher.bench_local(|| world.tenants.verify(&headers).now_or_never().unwrap().unwrap());
}

#[divan::bench]
fn rs256(bencher: Bencher<'_, '_>) {
    check(bencher, TestKey::rsa_a());
}

#[divan::bench]
fn es256(bencher: Bencher<'_, '_>) {
    check(bencher, TestKey::p256_a());
}

#[divan::bench]
fn es384(bencher: Bencher<'_, '_>) {
    check(bencher, TestKey::p384());
}

#[divan::bench]
fn ed25519(bencher: Bencher<'_, '_>) {
    check(bencher, TestKey::ed25519());
}

/// What somebody sends who has no token.
#[divan::bench]
fn what_is_no_token(bencher: Bencher<'_, '_>) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let world = runtime.block_on(World::start());
    let headers = headers("x.y.z");
    bencher.bench_local(|| world.tenants.verify(&headers).now_or_never().unwrap().unwrap_err());
}
