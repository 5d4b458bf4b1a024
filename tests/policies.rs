//! Every policy that the library prints, tried from all sides, beside the commonly copied recipe.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;
#[path = "policies/leading_keys.rs"]
mod leading_keys;
#[path = "policies/matrix.rs"]
mod matrix;
#[path = "tenants/office.rs"]
#[allow(dead_code, reason = "shared with another test binary")]
mod office;
#[path = "policies/operator.rs"]
mod operator;
#[path = "common/pod_tags.rs"]
mod pod_tags;
#[path = "policies/scene.rs"]
mod scene;
#[path = "policies/trust.rs"]
mod trust;
