//! There is no way to a tenant but by a token.

use std::str::FromStr;

use serde::de::DeserializeOwned;
use tenantseal_tower::VerifiedTenant;

#[test]
fn a_handler_cannot_be_reached_without_a_verified_tenant() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
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
