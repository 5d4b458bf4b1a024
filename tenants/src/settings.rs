//! What the builder of [`Tenants`](crate::Tenants) sets.

use std::time::Duration;

/// What can be set with the builder.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) rotation_days: u32,
    pub(super) tags: Vec<(String, String)>,
    pub(super) operator: Option<String>,
    pub(super) grace: Duration,
    pub(super) settle: Duration,
    pub(super) poll: Duration,
    pub(super) pace: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            rotation_days: 365,
            tags: Vec::new(),
            operator: None,
            // KMS developer guide, "Controlling access with aliases": changes take up to five minutes to affect authorization.
            grace: Duration::from_secs(300),
            // Longer than a CreateKey may take, and than KMS needs until it lists the key.
            settle: Duration::from_secs(90),
            poll: Duration::from_secs(2),
            pace: Duration::from_millis(250),
        }
    }
}
