//! What is measured: tenantseal, the peer in two configurations, and the bare primitives.

pub mod floor;
pub mod ours;
pub mod peer;

use futures_util::FutureExt;

use crate::item::Item;

/// A library with its keys at hand, set up for items of one shape.
pub trait Sealer: Sync {
    /// Seals one item.
    fn seal(&self, item: Item) -> Item;
    /// Opens one item.
    fn open(&self, item: Item) -> Item;
}

/// With the keys in memory nothing waits, so one poll is enough.
fn now<T, E: std::fmt::Debug>(future: impl Future<Output = Result<T, E>>) -> T {
    future.now_or_never().expect("nothing to wait for").expect("the item is well-formed and its own")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::{SHAPES, Shape, stored_size};

    fn opens_what_it_sealed(shape: Shape, sealer: &dyn Sealer) {
        let item = shape.item(1);
        let sealed = sealer.seal(item.clone());
        assert!(stored_size(&sealed) > stored_size(&item));
        for (name, value) in &item {
            let encrypted = shape.encrypted().any(|encrypted| encrypted == *name);
            assert_eq!(sealed[name] != *value, encrypted, "{name}");
        }
        assert_eq!(sealer.open(sealed), item);
    }

    #[test]
    fn tenantseal_opens_what_it_sealed() {
        SHAPES.into_iter().for_each(|shape| opens_what_it_sealed(shape, &ours::Ours::new(shape)));
    }

    #[test]
    fn the_peer_opens_what_it_sealed_with_and_without_signatures() {
        for shape in SHAPES {
            for suite in peer::Suite::ALL {
                opens_what_it_sealed(shape, &peer::Peer::new(shape, suite));
            }
        }
    }

    #[test]
    fn the_floor_decrypts_what_it_encrypted() {
        for shape in SHAPES {
            let floor = floor::Floor::new(shape);
            let opened = floor.open(floor.encrypted());
            assert_eq!(opened, floor.buffers());
            assert_ne!(floor.encrypted(), floor.buffers());
        }
    }
}
