//! Which sessions are cached.

use super::*;

fn id(tenant: &str) -> TenantId {
    TenantId::parse(tenant).unwrap()
}

fn session(key: &str) -> Session {
    let credentials = Credentials::new(key, "secret", None, None, "test");
    let now = Clock::new(std::sync::Arc::new(tenantseal_core::time::SystemTimeSource)).now();
    Session { credentials, granted: now, usable_for: LIFETIME, request_id: None }
}

impl SessionCache {
    fn grant(&self, tenant: &str) {
        self.put(&id(tenant), &session(tenant), || true);
    }

    fn has(&self, tenant: &str) -> bool {
        self.get(&id(tenant), |_| true).is_some()
    }
}

#[test]
fn a_tenant_that_is_new_finds_room_however_busy_the_others_are() {
    let cache = SessionCache::new(10, 10);
    for at in 0..10 {
        cache.grant(&format!("busy-{at}"));
        cache.prove(&id(&format!("busy-{at}")));
    }
    for _ in 0..100 {
        assert!((0..10).all(|at| cache.has(&format!("busy-{at}"))));
    }
    cache.grant("new");
    cache.prove(&id("new"));
    cache.proven.run_pending_tasks();
    assert!(cache.has("new"));
}

#[test]
fn sessions_with_which_kms_never_answered_push_out_one_another_alone() {
    let cache = SessionCache::new(10, 10);
    for at in 0..10 {
        cache.grant(&format!("real-{at}"));
        cache.prove(&id(&format!("real-{at}")));
    }
    for at in 0..1_000 {
        cache.grant(&format!("nobody-{at}"));
    }
    cache.proven.run_pending_tasks();
    cache.unproven.run_pending_tasks();
    assert!((0..10).all(|at| cache.has(&format!("real-{at}"))));
    assert!(cache.unproven.entry_count() <= 10);
}

#[test]
fn who_proves_a_session_that_was_forgotten_does_not_bring_it_back() {
    let cache = SessionCache::new(10, 10);
    cache.grant("acme");
    cache.remove(&id("acme"), |session| session.credentials.access_key_id() == "another");
    assert!(cache.has("acme"));
    cache.remove(&id("acme"), |_| true);
    cache.prove(&id("acme"));
    assert!(!cache.has("acme"));
    cache.put(&id("acme"), &session("late"), || false);
    assert!(!cache.has("acme"));
}
