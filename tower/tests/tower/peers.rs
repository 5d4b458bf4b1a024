//! Tokens and key sets of other libraries: PyJWT and jose.

use std::io::Write;
use std::process::Stdio;

use serde::Deserialize;
use serde_json::Value;
use tenantseal_tower::{Algorithm, TenantFromJwt};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::local_issuer::LocalIssuer;
use crate::scene::{AUDIENCE, Clock, NOW, aws, headers, seal, trusted};

/// What a peer prints.
#[derive(Deserialize)]
struct Printed {
    keys: Vec<Value>,
    tokens: Vec<PeerToken>,
}

#[derive(Deserialize)]
struct PeerToken {
    name: String,
    token: String,
    accepted: bool,
}

const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::Rs256,
    Algorithm::Rs384,
    Algorithm::Rs512,
    Algorithm::Ps256,
    Algorithm::Ps384,
    Algorithm::Ps512,
    Algorithm::Es256,
    Algorithm::Es384,
    Algorithm::EdDsa,
];

#[allow(clippy::explicit_write, reason = "the harness captures what eprintln! prints")]
fn skip(test: &str, how: &str) {
    writeln!(std::io::stderr(), "SKIPPED {test}: {how}, or run .ci/peers").unwrap();
}

/// Runs a program that reads its source from its input, with the arguments of both peers.
async fn run(mut command: Command, source: &str) -> Printed {
    command.args(["https://issuer.test", AUDIENCE, &NOW.to_string()]).kill_on_drop(true);
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    process.stdin.take().unwrap().write_all(source.as_bytes()).await.unwrap();
    let output = process.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

async fn judge(printed: Printed) {
    let issuer = LocalIssuer::start("issuer", &printed.keys).await;
    let aws = aws(&Clock::default(), &[&issuer]);
    let tenants = TenantFromJwt::new(seal(&aws)).issuer(trusted(&issuer)).algorithms(ALGORITHMS);
    let tenants = tenants.build(&aws).await.unwrap();
    for PeerToken { name, token, accepted } in &printed.tokens {
        let verified = tenants.verify(&headers(token)).await;
        assert_eq!(verified.is_ok(), *accepted, "{name}: {verified:?}");
    }
    assert!(printed.tokens.iter().filter(|token| token.accepted).count() >= 12);
    assert!(printed.tokens.iter().filter(|token| !token.accepted).count() >= 24);
}

#[tokio::test]
async fn tokens_by_pyjwt_are_judged_as_meant() {
    let Some(python) = std::env::var_os("TENANTSEAL_PYTHON") else {
        return skip("tokens by PyJWT", "set TENANTSEAL_PYTHON to a Python with PyJWT and cryptography");
    };
    let mut command = Command::new(python);
    command.env_clear().args(["-B", "-"]);
    judge(run(command, include_str!("peers/pyjwt_tokens.py")).await).await;
}

#[tokio::test]
async fn tokens_by_jose_are_judged_as_meant() {
    let Some(folder) = std::env::var_os("TENANTSEAL_JOSE") else {
        assert!(std::env::var_os("TENANTSEAL_REQUIRE_NODE").is_none(), "jose is missing: TENANTSEAL_JOSE says where");
        return skip("tokens by jose", "set TENANTSEAL_JOSE to a folder with node_modules/jose");
    };
    let mut command = Command::new("node");
    command.args(["--input-type=module", "-"]).current_dir(folder);
    judge(run(command, include_str!("peers/jose_tokens.mjs")).await).await;
}
