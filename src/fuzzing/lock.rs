//! The lock file, which people edit and merge.

use crate::schema::Lock;

/// A fault quotes no more of a file than a line of text.
const LONGEST_FAULT: usize = 400;

/// What a lock file says has one text, and differs from itself in nothing. What it restores is a lock again.
pub fn lock(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let lock = match Lock::parse(text) {
        Ok(lock) => lock,
        Err(fault) => return assert!(fault.to_string().chars().count() < LONGEST_FAULT),
    };
    assert_eq!(Lock::parse(&lock.to_string()).as_ref(), Ok(&lock));
    assert!(lock.compare(&lock).is_empty());
    let reading = lock.clone().for_reading();
    assert_eq!(lock.compare(&reading).is_empty(), lock == reading);
    let Ok(schemas) = reading.schemas() else { return };
    let restored = Lock::of(&schemas).expect("each table stands once");
    assert!(restored.tables().eq(lock.tables()));
    let again = restored.schemas().expect("what a schema was locked as restores");
    assert_eq!(Lock::of(&again).as_ref(), Ok(&restored));
}
