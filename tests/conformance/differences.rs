//! Where the servers differ from each other or from DynamoDB: the local one (dynoxide 3.2), the second one (ministack 1.5.33), or
//! both. Which is right is a matter of the Amazon DynamoDB Developer Guide and API Reference.

/// Cases in which a server is wrong.
#[derive(Debug)]
pub struct Difference {
    /// A case, or several: `*` stands for any text.
    pub case: &'static str,
    pub wrong: Wrong,
    /// What is wrong, and why.
    pub reason: &'static str,
    pub tenant: Tenant,
}

/// Which server is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    Local,
    Second,
    /// Both in the same way.
    Both,
}

/// What the tenant's client brings on the server that is wrong, where it does not refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tenant {
    /// What a plain client gets there.
    AsPlain,
    /// What a plain client gets on the local server, which is right.
    AsLocal,
    /// These steps, which are right.
    Brings(&'static str),
}

impl Difference {
    /// The one that is listed for a case.
    pub fn of(case: &str) -> Option<&'static Self> {
        DIFFERENCES.iter().find(|difference| difference.matches(case))
    }

    pub fn matches(&self, case: &str) -> bool {
        match self.case.split_once('*') {
            None => self.case == case,
            Some((before, after)) => {
                case.len() >= before.len() + after.len() && case.starts_with(before) && case.ends_with(after)
            }
        }
    }
}

pub const DIFFERENCES: &[Difference] = &[];
