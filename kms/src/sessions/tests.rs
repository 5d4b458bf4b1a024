//! Which sessions are kept.

use super::*;

fn id(tenant: &str) -> TenantId {
    TenantId::parse(tenant).unwrap()
}

fn session(key: &str) -> Session {
    let credentials = Credentials::new(key, "secret", None, None, "test");
    let now = Clock::new(std::sync::Arc::new(tenantseal_core::time::SystemTimeSource)).now();
    Session { credentials, granted: now, usable_for: LIFETIME, request_id: None }
}

impl Kept {
    fn grant(&self, tenant: &str) {
        self.put(&id(tenant), &session(tenant), || true);
    }

    fn has(&self, tenant: &str) -> bool {
        self.get(&id(tenant), |_| true).is_some()
    }
}

#[test]
fn a_tenant_that_is_new_finds_room_however_busy_the_others_are() {
    let kept = Kept::new(10, 10);
    for at in 0..10 {
        kept.grant(&format!("busy-{at}"));
        kept.prove(&id(&format!("busy-{at}")));
    }
    for _ in 0..100 {
        assert!((0..10).all(|at| kept.has(&format!("busy-{at}"))));
    }
    kept.grant("new");
    kept.prove(&id("new"));
    kept.proven.run_pending_tasks();
    assert!(kept.has("new"));
}

#[test]
fn sessions_with_which_kms_never_answered_push_out_one_another_alone() {
    let kept = Kept::new(10, 10);
    for at in 0..10 {
        kept.grant(&format!("real-{at}"));
        kept.prove(&id(&format!("real-{at}")));
    }
    for at in 0..1_000 {
        kept.grant(&format!("nobody-{at}"));
    }
    kept.proven.run_pending_tasks();
    kept.unproven.run_pending_tasks();
    assert!((0..10).all(|at| kept.has(&format!("real-{at}"))));
    assert!(kept.unproven.entry_count() <= 10);
}

#[test]
fn who_proves_a_session_that_was_forgotten_does_not_bring_it_back() {
    let kept = Kept::new(10, 10);
    kept.grant("acme");
    kept.remove(&id("acme"), |session| session.credentials.access_key_id() == "another");
    assert!(kept.has("acme"));
    kept.remove(&id("acme"), |_| true);
    kept.prove(&id("acme"));
    assert!(!kept.has("acme"));
    kept.put(&id("acme"), &session("late"), || false);
    assert!(!kept.has("acme"));
}
