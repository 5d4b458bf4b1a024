//! Where key records lie.

/// Where the key records of a table's items lie. The deployment of a table decides this, not its records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyRecordPlacement {
    /// In the item, which opens by itself.
    #[default]
    Item,
    /// In the key table, to which the item refers: the table is *compact*. More demanding than `Item`.
    KeyTable,
}
