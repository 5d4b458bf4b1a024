//! There is no way to a tenant but by a token.

#[path = "../../../tests/common/must_not_compile.rs"]
mod must_not_compile;

use std::path::Path;
use std::str::FromStr;

use serde::de::DeserializeOwned;
use tenantseal_tower::VerifiedTenant;

use self::must_not_compile::must_not_compile;

#[test]
fn a_handler_cannot_be_reached_without_a_verified_tenant() {
    let project = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    must_not_compile(project, "tower", "tower/tests/ui", &["tenantseal", "tenantseal_tower"]);
}

/// Does not compile where a [`VerifiedTenant`] has one of these traits: then two implementations would be meant.
const _: fn() = || {
    trait Unless<A> {
        fn it_is_there() {}
    }
    impl<T> Unless<()> for T {}
    macro_rules! not {
        ($trait:ident) => {{
            struct Other;
            impl<T: $trait> Unless<Other> for T {}
            <VerifiedTenant as Unless<_>>::it_is_there();
        }};
    }
    not!(DeserializeOwned);
    not!(FromStr);
    not!(Default);
};
