//! Buffers that are used again: large ones are dear to get from the operating system, and dear to clear.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;

/// How many buffers wait to be used again.
const MOST_IDLE: usize = 4;

/// The buffers of one upload or one body. They hold what was in them: who takes one overwrites it.
#[derive(Default)]
pub(crate) struct Buffers(Arc<Mutex<Vec<Vec<u8>>>>);

impl Buffers {
    /// A buffer that is used no more, or an empty one.
    pub(crate) fn take(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// The first `len` bytes of a buffer, which comes back when nobody holds them any more.
    pub(crate) fn lend(&self, bytes: Vec<u8>, len: usize) -> Bytes {
        Bytes::from_owner(Lent { bytes, len, home: Arc::downgrade(&self.0) })
    }
}

struct Lent {
    bytes: Vec<u8>,
    len: usize,
    /// None when the upload or the body has ended.
    home: Weak<Mutex<Vec<Vec<u8>>>>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(home) = self.home.upgrade() {
            let mut idle = home.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < MOST_IDLE {
                idle.push(std::mem::take(&mut self.bytes));
            }
        }
    }
}

impl fmt::Debug for Buffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Buffers(..)")
    }
}
