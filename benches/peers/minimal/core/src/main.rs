//! One value sealed and opened with tenantseal-core, without AWS.

use tenantseal_core::keys::InMemoryKeyService;
use tenantseal_core::{TenantId, Vault};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let vault = Vault::builder(InMemoryKeyService::new()).build()?;
    let contact = vault.tenant(&TenantId::parse("acme")?).item("crm", ("id", "c-17"), None)?;
    let sealed = contact.seal("email", b"ada@example.org").await?;
    println!("{}", String::from_utf8_lossy(&contact.open("email", sealed).await?));
    Ok(())
}
