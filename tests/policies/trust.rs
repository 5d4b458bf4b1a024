//! The trust policy: services behind EKS Pod Identity, callers with tags of their own, and the names of sessions.

use aws_sdk_kms::config::Credentials;
use aws_sdk_kms::error::ProvideErrorMetadata;
use aws_sdk_sts::types::Tag;
use aws_types::SdkConfig;
use tenantseal::keys::{KeyServiceErrorKind as Kind, Tenancy};
use tenantseal::{Error, TenantSeal};

use crate::common::{Contact, ROLE, World, contact, id};
use crate::policies::pod_tags::POD;
use crate::tenants::office::ALL;

fn tag(key: &str, value: &str) -> Tag {
    Tag::builder().key(key).value(value).build().unwrap()
}

/// The service's own role: how it is tagged, and what its session has been given on the way.
#[derive(Default)]
struct Service<'a> {
    role_tags: &'a [(&'a str, &'a str)],
    session_tags: &'a [(&'a str, &'a str)],
    transitive_tags: &'a [(&'a str, &'a str)],
}

impl Service<'_> {
    /// A session of it, in a world whose role trusts it by the policy of `tenancy`.
    async fn run(self, world: &World, tenancy: &Tenancy) -> SdkConfig {
        let account = world.stack.account("222222222222").unwrap();
        let mut role = account.role("crm-pod").permission(ALL).trust(
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"222222222222"},
                "Action":["sts:AssumeRole","sts:TagSession"]}]}"#,
        );
        for (key, value) in self.role_tags {
            role = role.tag(*key, *value);
        }
        let role = role.create().unwrap();
        let keys = world.stack.account("111111111111").unwrap().role("TenantKeys");
        keys.trust(tenancy.trust_policy(&[role.arn()])).permission(tenancy.role_policy("*")).create().unwrap();
        let mut request =
            aws_sdk_sts::Client::new(&world.app).assume_role().role_arn(role.arn()).role_session_name("pod");
        for (key, value) in self.session_tags {
            request = request.tags(tag(key, value));
        }
        for (key, value) in self.transitive_tags {
            request = request.tags(tag(key, value)).transitive_tag_keys(*key);
        }
        let session = request.send().await.unwrap().credentials.unwrap();
        let (key, secret, token) = (session.access_key_id, session.secret_access_key, session.session_token);
        world.stack.sdk_config(Credentials::new(key, secret, Some(token), None, "pod"))
    }
}

/// Writes and reads an item of a tenant as a service does.
async fn works(service: &SdkConfig, tenant: &str) -> Result<(), Error> {
    let seal = TenantSeal::builder().assume_role(ROLE).record::<Contact>().build(service).unwrap();
    let contacts = seal.tenant(&id(tenant)).records::<Contact>();
    contacts.put(&contact(tenant, "c-1")).await?;
    assert_eq!(contacts.get("c-1").await?, Some(contact(tenant, "c-1")));
    Ok(())
}

fn kind(result: Result<(), Error>) -> Kind {
    match result.unwrap_err() {
        Error::KeyService(error) => error.kind(),
        other => panic!("{other}"),
    }
}

/// What STS answers to a service that asks for a session of the role itself.
async fn asks(service: &SdkConfig, name: &str, tags: &[(&str, &str)], transitive: &[&str]) -> Result<(), String> {
    let mut request = aws_sdk_sts::Client::new(service).assume_role().role_arn(ROLE).role_session_name(name);
    for (key, value) in tags {
        request = request.tags(tag(key, value));
    }
    for key in transitive {
        request = request.transitive_tag_keys(*key);
    }
    request.send().await.map(drop).map_err(|error| error.code().unwrap().to_owned())
}

const REFUSED: &str = "AccessDenied";

#[tokio::test]
async fn a_service_behind_eks_pod_identity_works_for_every_tenant() {
    let world = World::start(&["acme", "globex"]).await;
    let pod = Service { transitive_tags: &POD, ..Service::default() }.run(&world, &world.tenancy).await;
    works(&pod, "acme").await.unwrap();
    works(&pod, "globex").await.unwrap();
    let none = world.tenancy.clone().inheriting(&[]).unwrap();
    let pod = Service { transitive_tags: &POD, ..Service::default() }.run(&world, &none).await;
    assert_eq!(kind(works(&pod, "acme").await), Kind::Denied);
}

#[tokio::test]
async fn other_inherited_tags_are_refused_until_the_trust_policy_names_them() {
    let world = World::start(&["acme"]).await;
    let service = || Service { transitive_tags: &[("Team", "crm")], ..Service::default() };
    let pod = service().run(&world, &world.tenancy).await;
    assert_eq!(kind(works(&pod, "acme").await), Kind::Denied);
    let pod = service().run(&world, &world.tenancy.clone().inheriting(&["Team"]).unwrap()).await;
    works(&pod, "acme").await.unwrap();
    // Tags that are not inherited stay behind.
    let pod = Service { session_tags: &[("Purpose", "crm")], ..Service::default() };
    let pod = pod.run(&world, &world.tenancy.clone().inheriting(&[]).unwrap()).await;
    works(&pod, "acme").await.unwrap();
}

#[tokio::test]
async fn a_caller_that_inherits_a_tenant_gets_no_session_for_another() {
    let world = World::start(&["acme", "globex"]).await;
    let service = Service { transitive_tags: &[("TenantId", "globex")], ..Service::default() };
    let pod = service.run(&world, &world.tenancy).await;
    // AWS lets nobody pass an inherited tag again, so the library works for no tenant.
    assert_eq!(kind(works(&pod, "acme").await), Kind::Unexpected);
    assert_eq!(kind(works(&pod, "globex").await), Kind::Unexpected);
    for name in ["tenant-acme", "tenant-globex"] {
        assert_eq!(asks(&pod, name, &[], &[]).await, Err(REFUSED.to_owned()), "{name}");
        assert_eq!(asks(&pod, name, &[("TenantId", "acme")], &[]).await, Err("ValidationError".to_owned()), "{name}");
    }
}

#[tokio::test]
async fn a_service_that_has_a_tenants_tag_is_bound_to_that_tenant() {
    let world = World::start(&["acme", "globex"]).await;
    let tagged = &[("TenantId", "acme")];
    for service in
        [Service { role_tags: tagged, ..Service::default() }, Service { session_tags: tagged, ..Service::default() }]
    {
        let service = service.run(&world, &world.tenancy).await;
        works(&service, "acme").await.unwrap();
        assert_eq!(kind(works(&service, "globex").await), Kind::Denied);
    }
}

#[tokio::test]
async fn a_session_bears_the_name_of_its_tenant_and_no_other() {
    let world = World::start(&[]).await;
    let service = Service::default().run(&world, &world.tenancy).await;
    let acme: &[_] = &[("TenantId", "acme")];
    // As releases before named it.
    asks(&service, "tenant-acme", acme, &[]).await.unwrap();
    for name in ["tenant-globex", "tenant-ACME", "tenant-acme2", "tenant-", "acme", "crm-service", "tenant-*"] {
        let refused = asks(&service, name, acme, &[]).await.unwrap_err();
        assert!([REFUSED, "ValidationError"].contains(&&*refused), "{name}: {refused}");
    }
    for (name, tags) in [
        ("tenant-acme", &[][..]),
        ("tenant-acme", &[("TenantId", "globex")]),
        ("tenant-", &[("TenantId", "")]),
        ("tenant-acme", &[("Team", "acme")]),
        ("tenant-acme", &[("TenantId", "acme"), ("Team", "crm")]),
    ] {
        assert_eq!(asks(&service, name, tags, &[]).await, Err(REFUSED.to_owned()), "{name} {tags:?}");
    }
    // The tenant is not handed on to roles that a session might assume.
    assert_eq!(asks(&service, "tenant-acme", acme, &["TenantId"]).await, Err(REFUSED.to_owned()));
}
