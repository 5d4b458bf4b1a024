//! Every policy that the library prints, tried from all sides, beside the commonly copied recipe.

mod leading_keys;
mod matrix;
mod operator;
#[path = "common/pod_tags.rs"]
mod pod_tags;
mod scene;
mod trust;
