//! What the builder of [`Tenants`](crate::Tenants) sets.

use std::time::Duration;

/// What can be set with the builder.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) rotation_days: u32,
    pub(super) tags: Vec<(String, String)>,
    pub(super) operator: Option<String>,
    pub(super) alias_grace_period: Duration,
    pub(super) create_key_grace_period: Duration,
    pub(super) poll_interval: Duration,
    pub(super) request_interval: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            rotation_days: 365,
            tags: Vec::new(),
            operator: None,
            // KMS developer guide, "Controlling access with aliases": changes take up to 5 minutes to affect
            // authorization.
            alias_grace_period: Duration::from_secs(300),
            // Longer than a CreateKey may take, and than KMS needs until it lists the key.
            create_key_grace_period: Duration::from_secs(90),
            poll_interval: Duration::from_secs(2),
            request_interval: Duration::from_millis(250),
        }
    }
}
