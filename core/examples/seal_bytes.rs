//! Seals and opens bytes without AWS: `cargo run -p tenantseal-core --example seal_bytes`.
//!
//! The store here is a map, and the key service lives in memory. A real service uses its own store, and
//! `tenantseal_kms::KmsKeyService`.

#![allow(clippy::unwrap_used, reason = "an example")]

use std::collections::BTreeMap;
use std::error::Error;

use tenantseal_core::keys::InMemoryKeyService;
use tenantseal_core::{TenantId, Vault};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let vault = Vault::builder(InMemoryKeyService::new()).context("env", "example").build()?;
    let (acme, globex) = (TenantId::parse("acme")?, TenantId::parse("globex")?);
    let mut store: BTreeMap<&str, Vec<u8>> = BTreeMap::new();

    let note = vault.tenant(&acme).item("notes", ("id", "n-1"), None)?;
    store.insert("n-1", note.seal("text", b"call Ada on Monday").await?);
    let stored = &store["n-1"];
    println!("stored: {} bytes, the first few are {:02x?}", stored.len(), &stored[..8]);

    let text = note.open("text", stored.clone()).await?;
    println!("acme reads: {}", String::from_utf8(text)?);

    // No other tenant and no other item opens it.
    let foreign = vault.tenant(&globex).item("notes", ("id", "n-1"), None)?;
    println!("globex reads: {}", foreign.open("text", stored.clone()).await.unwrap_err());
    let moved = vault.tenant(&acme).item("notes", ("id", "n-2"), None)?;
    println!("moved to n-2: {}", moved.open("text", stored.clone()).await.unwrap_err());
    Ok(())
}
