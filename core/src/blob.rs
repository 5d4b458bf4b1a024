//! Blobs: byte strings of any length, sealed in chunks (docs/FORMAT.md, section 14). Synchronous, and knows no store.
//!
//! A blob is a header and chunks of 65,536 bytes. [`BlobSealer`] makes them of plaintext in any split, and
//! [`BlobOpener`] gives out the authentic chunks of stored bytes in any split. [`Extent`] says where a range of the
//! plaintext lies among the stored bytes.
//!
//! [`BlobVault`](crate::BlobVault) has the data keys. This seals a stream for any store:
//!
//! ```
//! use tenantseal_core::blob::BlobHeader;
//! use tenantseal_core::keys::InMemoryKeyService;
//! use tenantseal_core::{TenantId, Vault};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let vault = Vault::builder(InMemoryKeyService::new()).build()?;
//! let report = vault.tenant(&TenantId::parse("acme")?).blob("documents", "acme/reports/2026.pdf");
//!
//! let mut sealer = report.seal().await?;
//! let mut stored = sealer.header().to_vec();
//! for piece in [&b"%PDF-"[..], b"2.0"] {
//!     sealer.push(piece, &mut stored)?;
//! }
//! sealer.finish(&mut stored)?;
//!
//! let header = BlobHeader::parse(&stored)?.ok_or("the header is longer than this")?;
//! let (mut rest, mut plaintext) = (&stored[header.len()..], Vec::new());
//! let mut opener = report.open(&header).await?.into_opener();
//! while let Some(chunk) = opener.push(&mut rest)? {
//!     plaintext.extend_from_slice(&chunk);
//! }
//! plaintext.extend_from_slice(&opener.finish()?);
//! assert_eq!(plaintext, b"%PDF-2.0");
//! # Ok(())
//! # }
//! ```

mod chunks;
mod extent;
mod fault;
mod header;
mod identity;
mod key;
mod stamp;

pub use chunks::{BlobOpener, BlobSealer};
pub use extent::{Extent, Span};
pub use fault::BlobFault;
pub use header::BlobHeader;
#[doc(hidden)]
pub use identity::BlobIdentity;
pub use key::OpenedBlob;
pub use stamp::{InvalidStamp, Stamp};

/// How many bytes of plaintext a chunk holds; the last one holds 1 to as many, or none where it is the only one.
pub const CHUNK_LEN: usize = 65_536;
/// How many bytes a full chunk takes where it is stored: ciphertext and tag.
pub const SEALED_CHUNK_LEN: usize = CHUNK_LEN + crate::crypto::TAG_LEN;
/// The most chunks of a blob: 256 TiB.
pub const MAX_CHUNKS: u64 = 1 << 32;
