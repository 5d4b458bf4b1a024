//! Where key records lie.

/// Where the key record lies of what is sealed for a table. Decided where the table is deployed, not by its records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyRecordPlacement {
    /// In the item, which opens by itself.
    #[default]
    Item,
    /// More demanding: in the key table, to which the item refers: a compact table.
    KeyTable,
}
