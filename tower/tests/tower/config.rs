//! Configurations that would let somebody in, and what the error says of them.

use std::collections::BTreeSet;

use serde_json::json;
use tenantseal_tower::{ConfigError, FetchError, Issuer, Selector, TenantFromJwt, Tenants};

use crate::local_issuer::{Answer, LocalIssuer};
use crate::scene::{Clock, TestKey, aws, seal, trusted};

async fn build(
    issuers: impl IntoIterator<Item = Issuer>,
    reached: &[&LocalIssuer],
) -> Result<TenantFromJwt, ConfigError> {
    let aws = aws(&Clock::default(), reached);
    let builder = TenantFromJwt::new(seal(&aws));
    issuers.into_iter().fold(builder, |builder, issuer| builder.issuer(issuer)).build(&aws).await
}

#[tokio::test]
async fn a_configuration_that_lets_others_in_is_not_built() {
    let local = LocalIssuer::start("issuer", &[TestKey::p256_a().jwk()]).await;
    let issuer = || local.url();
    let bare = || Issuer::new(local.url());
    let whole = || trusted(&local);
    let set = |tenants: [&str; 0]| Tenants::OneOf(tenants.iter().map(|_| unreachable!()).collect::<BTreeSet<_>>());
    let wrong = [
        (vec![], ConfigError::NoIssuer),
        (vec![bare().tenant_claim(["t"])], ConfigError::NoAudience { issuer: issuer() }),
        (vec![bare().audience("crm")], ConfigError::NoTenantClaim { issuer: issuer() }),
        (vec![bare().audience("crm").tenant_claim::<String>([])], ConfigError::NoTenantClaim { issuer: issuer() }),
        (vec![whole().member_of(["orgs"], Selector::Header("x-org"))], ConfigError::NoTenantClaim { issuer: issuer() }),
        (vec![whole().tenants(set([]))], ConfigError::NoTenants { issuer: issuer() }),
        (vec![whole().tenants(Tenants::Prefix(String::new()))], ConfigError::NoTenants { issuer: issuer() }),
        (
            vec![whole(), Issuer::new("https://other.test").audience("crm").tenant_claim(["t"])],
            ConfigError::TenantsUnsaid { issuer: issuer() },
        ),
        (
            vec![whole().tenants(Tenants::Any), whole().tenants(Tenants::Any)],
            ConfigError::IssuerTwice { issuer: issuer() },
        ),
        (
            vec![Issuer::new("http://issuer.test").audience("crm").tenant_claim(["t"])],
            ConfigError::NotHttps { issuer: "http://issuer.test".to_owned() },
        ),
        (vec![whole().jwks_uri("http://issuer.test/keys")], ConfigError::NotHttps { issuer: issuer() }),
        (
            vec![bare().audience("crm").member_of(["orgs"], Selector::Header("x org"))],
            ConfigError::NotAHeader { issuer: issuer(), name: "x org" },
        ),
    ];
    for (issuers, error) in wrong {
        assert_eq!(build(issuers, &[&local]).await.unwrap_err(), error);
    }
    assert_eq!(local.fetches(), 0, "nothing is fetched for what is not built");
    let aws = aws(&Clock::default(), &[&local]);
    let none = TenantFromJwt::new(seal(&aws)).issuer(whole()).algorithms([]).build(&aws).await;
    assert_eq!(none.unwrap_err(), ConfigError::NoAlgorithm);
    assert!(build([whole()], &[&local]).await.is_ok());
}

#[tokio::test]
async fn a_path_through_what_users_write_themselves_is_not_built() {
    let local = LocalIssuer::start("issuer", &[TestKey::p256_a().jwk()]).await;
    let names = [
        "user_metadata",
        "User-Metadata",
        "https://example.com/user_metadata",
        "urn:x:userMetadata",
        "unsafe_metadata",
        "unsafeMetadata",
    ];
    for name in names {
        for path in [vec![name, "tenant"], vec!["claims", name, "tenant"], vec![name]] {
            let bare = || Issuer::new(local.url()).audience("crm");
            let error = ConfigError::WrittenByUsers { issuer: local.url(), name: name.to_owned() };
            assert_eq!(build([bare().tenant_claim(path.clone())], &[&local]).await.unwrap_err(), error);
            let several = bare().member_of(path, Selector::Header("x-org"));
            assert_eq!(build([several], &[&local]).await.unwrap_err(), error);
        }
    }
    for name in ["app_metadata", "public_metadata", "user", "metadata"] {
        assert!(build([Issuer::new(local.url()).audience("crm").tenant_claim([name])], &[&local]).await.is_ok());
    }
}

#[tokio::test]
async fn keys_that_cannot_be_fetched_at_the_start_are_an_error_unless_optional() {
    let local = LocalIssuer::start("issuer", &[TestKey::p256_a().jwk()]).await;
    local.answer(Answer::Status(500));
    let error = build([trusted(&local)], &[&local]).await.unwrap_err();
    assert_eq!(error, ConfigError::Keys { issuer: local.url(), source: FetchError::Status(500) });
    assert!(build([trusted(&local).optional_at_start()], &[&local]).await.is_ok());
    let unreachable = build([trusted(&local)], &[]).await.unwrap_err();
    assert_eq!(unreachable, ConfigError::Keys { issuer: local.url(), source: FetchError::Unreachable });
}

#[tokio::test]
async fn discovery_must_name_the_issuer_and_keys_over_https() {
    let local = LocalIssuer::start("issuer", &[TestKey::p256_a().jwk()]).await;
    let keys = "https://issuer.test/keys";
    for (document, source) in [
        (json!({ "issuer": "https://issuer.test/", "jwks_uri": keys }), FetchError::OtherIssuer),
        (json!({ "issuer": "https://other.test", "jwks_uri": keys }), FetchError::OtherIssuer),
        (json!({ "jwks_uri": keys }), FetchError::NotADiscoveryDocument),
        (json!({ "issuer": ["https://issuer.test"], "jwks_uri": keys }), FetchError::NotADiscoveryDocument),
        (json!({ "issuer": "https://issuer.test" }), FetchError::NotADiscoveryDocument),
        (json!([]), FetchError::NotADiscoveryDocument),
        (json!({ "issuer": "https://issuer.test", "jwks_uri": "http://issuer.test/keys" }), FetchError::NotHttps),
        (json!({ "issuer": "https://issuer.test", "jwks_uri": "/keys" }), FetchError::NotHttps),
        (json!({ "issuer": "https://issuer.test", "jwks_uri": "https://" }), FetchError::NotHttps),
        (json!({ "issuer": "https://issuer.test", "jwks_uri": "file:///etc/keys" }), FetchError::NotHttps),
    ] {
        local.discovery(document.clone());
        let error = build([trusted(&local)], &[&local]).await.unwrap_err();
        assert_eq!(error, ConfigError::Keys { issuer: local.url(), source }, "{document}");
        assert_eq!(local.fetches(), 0, "{document}");
    }
    // Where the address is configured, nobody asks the document.
    assert!(build([trusted(&local).jwks_uri(keys)], &[&local]).await.is_ok());
}
