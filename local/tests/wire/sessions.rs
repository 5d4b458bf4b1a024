//! AssumeRole and GetCallerIdentity.

use std::time::{Duration, SystemTime};

use aws_sdk_sts::types::Tag;
use serde_json::json;

use crate::fixture::{
    ACCOUNT, Fixture, OTHER_ACCOUNT, ROLE, allow, credentials, data_key, document, refusal, session_policy, trust,
};

fn tag(key: &str, value: &str) -> Tag {
    Tag::builder().key(key).value(value).build().unwrap()
}

#[tokio::test]
async fn a_session_is_who_it_says() {
    let fixture = Fixture::start().await;
    let assumed = fixture.assume(ROLE).duration_seconds(900).policy(session_policy("a").to_string());
    let assumed = assumed.send().await.unwrap();
    let user = assumed.assumed_role_user.unwrap();
    assert_eq!(user.arn, format!("arn:aws:sts::{ACCOUNT}:assumed-role/TenantKeys/acme-1"));
    let session = assumed.credentials.unwrap();
    assert!(session.access_key_id.starts_with("ASIA"));
    let expires = SystemTime::try_from(session.expiration).unwrap();
    let left = expires.duration_since(SystemTime::now()).unwrap();
    assert!((Duration::from_secs(890)..=Duration::from_secs(900)).contains(&left), "{left:?}");

    let config = fixture.stack.sdk_config(credentials(fixture.assume(ROLE)).await);
    let sts = aws_sdk_sts::Client::new(&config);
    let identity = sts.get_caller_identity().send().await.unwrap();
    assert_eq!((identity.arn, identity.account), (Some(user.arn), Some(ACCOUNT.to_owned())));
    assert_eq!(identity.user_id, Some(user.assumed_role_id));
    let identity = fixture.sts.get_caller_identity().send().await.unwrap();
    assert_eq!(identity.arn.as_deref(), Some(fixture.admin.user_arn()));
}

#[tokio::test]
async fn a_session_ends_with_its_time() {
    let fixture = Fixture::start().await;
    fixture.key("alias/customer-a", None).await;
    let session = credentials(fixture.assume(ROLE).duration_seconds(900)).await;
    let kms = fixture.client(session.clone());
    fixture.stack.clock().advance(Duration::from_secs(890));
    data_key(&kms, "alias/customer-a", "a").send().await.unwrap();
    fixture.stack.clock().advance(Duration::from_secs(10));
    assert_eq!(refusal(data_key(&kms, "alias/customer-a", "a").send().await), "ExpiredTokenException");
    let sts = aws_sdk_sts::Client::new(&fixture.stack.sdk_config(session));
    assert_eq!(refusal(sts.get_caller_identity().send().await), "ExpiredToken");
}

#[tokio::test]
async fn parameters_are_checked() {
    let fixture = Fixture::start().await;
    let assume = || fixture.assume(ROLE);
    for name in ["a", "a b", "a/b", "ä1", &"x".repeat(65)] {
        assert_eq!(refusal(assume().role_session_name(name).send().await), "ValidationError", "{name}");
    }
    for seconds in [899, 43_201, -1] {
        assert_eq!(refusal(assume().duration_seconds(seconds).send().await), "ValidationError", "{seconds}");
    }
    assert_eq!(refusal(assume().duration_seconds(3601).send().await), "ValidationError", "the role's own maximum");
    let long = format!("{}{}", allow("*"), " ".repeat(2048));
    assert_eq!(refusal(assume().policy(long).send().await), "ValidationError");
    for policy in
        ["", "{", r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*","Extra":1}}"#]
    {
        assert_eq!(refusal(assume().policy(policy).send().await), "MalformedPolicyDocument");
    }
    assert_eq!(refusal(assume().tags(tag("T", "1")).tags(tag("t", "2")).send().await), "ValidationError");
    assert_eq!(refusal(assume().tags(tag("aws:T", "1")).send().await), "ValidationError");
    let large = (0..50).fold(assume(), |request, n| request.tags(tag(&format!("tag-{n}"), &"x".repeat(256))));
    assert_eq!(refusal(large.send().await), "PackedPolicyTooLarge");
    // What would limit the session must not be ignored.
    assert_eq!(refusal(assume().serial_number("mfa/device-1").send().await), "ValidationError");
    assert_eq!(refusal(fixture.sts.get_session_token().send().await), "InvalidAction");
}

#[tokio::test]
async fn a_role_says_how_long_its_sessions_may_be() {
    let fixture = Fixture::start().await;
    let role = fixture.account.role("Long").trust(trust(ACCOUNT)).max_session(Duration::from_secs(43_200));
    let role = role.permission(allow("sts:*")).create().unwrap();
    let session = credentials(fixture.assume(role.arn()).duration_seconds(43_200)).await;
    let chained = aws_sdk_sts::Client::new(&fixture.stack.sdk_config(session));
    let chained = chained.assume_role().role_arn(role.arn()).role_session_name("again");
    chained.clone().duration_seconds(3600).send().await.unwrap();
    assert_eq!(refusal(chained.duration_seconds(3601).send().await), "ValidationError");
}

#[tokio::test]
async fn the_trust_policy_decides_who_assumes_a_role() {
    let fixture = Fixture::start().await;
    let account = &fixture.account;
    let nobody = account.user("nobody").create().unwrap();
    let allowed = account.user("allowed").permission(allow("sts:AssumeRole")).create().unwrap();
    let denied =
        account.user("denied").permission(document([json!({ "Effect": "Deny", "Action": "sts:*", "Resource": "*" })]));
    let denied = denied.create().unwrap();
    let named = account.role("Named").trust(trust(nobody.user_arn())).create().unwrap();
    let rooted = account.role("Rooted").trust(trust(&account.root_arn())).create().unwrap();
    let absent = format!("arn:aws:iam::{ACCOUNT}:role/Absent");
    for (user, role, expected) in [
        (&nobody, named.arn(), true),
        (&nobody, rooted.arn(), false),
        (&allowed, named.arn(), false),
        (&allowed, rooted.arn(), true),
        (&allowed, &absent, false),
        (&denied, rooted.arn(), false),
    ] {
        let sts = aws_sdk_sts::Client::new(&fixture.stack.sdk_config(user));
        let result = sts.assume_role().role_arn(role).role_session_name("test").send().await;
        assert_eq!(result.is_ok(), expected, "{user:?} {role}");
        if !expected {
            assert_eq!(refusal(result), "AccessDenied");
        }
    }
}

#[tokio::test]
async fn another_account_needs_the_trust_policy_and_its_own() {
    let fixture = Fixture::start().await;
    let other = fixture.stack.account(OTHER_ACCOUNT).unwrap();
    let nobody = other.user("nobody").create().unwrap();
    let allowed = other.user("allowed").permission(allow("sts:AssumeRole")).create().unwrap();
    let external =
        document([json!({ "Effect": "Allow", "Principal": { "AWS": OTHER_ACCOUNT }, "Action": "sts:AssumeRole",
        "Condition": { "StringEquals": { "sts:ExternalId": "7" } } })]);
    let role = fixture.account.role("Shared").trust(external).create().unwrap();
    let assume = |user| {
        let sts = aws_sdk_sts::Client::new(&fixture.stack.sdk_config(user));
        sts.assume_role().role_arn(role.arn()).role_session_name("test")
    };
    assume(&allowed).external_id("7").send().await.unwrap();
    assert_eq!(refusal(assume(&allowed).external_id("8").send().await), "AccessDenied");
    assert_eq!(refusal(assume(&allowed).send().await), "AccessDenied");
    assert_eq!(refusal(assume(&nobody).external_id("7").send().await), "AccessDenied");
}

#[tokio::test]
async fn tags_need_a_trust_policy_that_allows_them() {
    let fixture = Fixture::start().await;
    let account = &fixture.account;
    let untagged =
        document([json!({ "Effect": "Allow", "Principal": { "AWS": ACCOUNT }, "Action": "sts:AssumeRole" })]);
    let untagged = account.role("Untagged").trust(untagged).create().unwrap();
    fixture.assume(untagged.arn()).send().await.unwrap();
    assert_eq!(refusal(fixture.assume(untagged.arn()).tags(tag("T", "1")).send().await), "AccessDenied");

    let condition = json!({ "StringLike": { "aws:RequestTag/TenantId": "t-*" },
        "ForAllValues:StringEquals": { "aws:TagKeys": ["TenantId"] } });
    let limited = document([
        json!({ "Effect": "Allow", "Principal": { "AWS": ACCOUNT }, "Action": "sts:AssumeRole" }),
        json!({ "Effect": "Allow", "Principal": { "AWS": ACCOUNT }, "Action": "sts:TagSession", "Condition": condition }),
    ]);
    let limited = account.role("Limited").trust(limited).create().unwrap();
    let assume = || fixture.assume(limited.arn());
    assume().tags(tag("TenantId", "t-1")).send().await.unwrap();
    for request in [
        assume().tags(tag("TenantId", "u-1")),
        assume().tags(tag("Other", "t-1")),
        assume().tags(tag("TenantId", "t-1")).tags(tag("Other", "1")),
    ] {
        assert_eq!(refusal(request.send().await), "AccessDenied");
    }
}

#[tokio::test]
async fn only_transitive_tags_pass_on() {
    let fixture = Fixture::start().await;
    let by_tag = |condition| {
        document([
            json!({ "Effect": "Allow", "Action": "kms:*", "Resource": "*", "Condition": { "StringEquals": condition } }),
        ])
    };
    let account = &fixture.account;
    let first = account.role("First").trust(trust(ACCOUNT)).permission(allow("sts:*")).create().unwrap();
    let second = by_tag(json!({ "kms:RequestAlias": "alias/customer-${aws:PrincipalTag/TenantId}" }));
    let second = account.role("Second").trust(trust(ACCOUNT)).permission(second).create().unwrap();
    fixture.key("alias/customer-a", None).await;
    let tagged = fixture.assume(first.arn()).tags(tag("TenantId", "a"));
    for (request, expected) in [(tagged.clone(), false), (tagged.transitive_tag_keys("TenantId"), true)] {
        let sts = aws_sdk_sts::Client::new(&fixture.stack.sdk_config(credentials(request).await));
        let chained = sts.assume_role().role_arn(second.arn()).role_session_name("second");
        let kms = fixture.client(credentials(chained).await);
        assert_eq!(data_key(&kms, "alias/customer-a", "a").send().await.is_ok(), expected);
    }
}

/// STS as a session of a role that may call it, with these tags, all of them transitive.
async fn chained(fixture: &Fixture, tags: &[(&str, &str)]) -> aws_sdk_sts::Client {
    let first = fixture.account.role("First").trust(trust(ACCOUNT)).permission(allow("sts:*")).create().unwrap();
    let request = tags.iter().fold(fixture.assume(first.arn()), |request, (key, value)| {
        request.tags(tag(key, value)).transitive_tag_keys(*key)
    });
    aws_sdk_sts::Client::new(&fixture.stack.sdk_config(credentials(request).await))
}

#[tokio::test]
async fn a_tag_that_is_inherited_as_transitive_is_not_passed_again() {
    let fixture = Fixture::start().await;
    let second = fixture.account.role("Second").trust(trust(ACCOUNT)).create().unwrap();
    let sts = chained(&fixture, &[("TenantId", "a")]).await;
    let assume = || sts.assume_role().role_arn(second.arn()).role_session_name("second");
    assume().send().await.unwrap();
    assume().tags(tag("Team", "x")).send().await.unwrap();
    for again in [tag("TenantId", "b"), tag("TenantId", "a"), tag("tenantid", "b")] {
        assert_eq!(refusal(assume().tags(again.clone()).send().await), "ValidationError", "{again:?}");
    }
}

#[tokio::test]
async fn inherited_tags_are_request_tags() {
    let fixture = Fixture::start().await;
    let role = |condition| {
        let trusts = json!({ "Effect": "Allow", "Principal": { "AWS": ACCOUNT },
            "Action": ["sts:AssumeRole", "sts:TagSession"], "Condition": condition });
        fixture.account.role("Second").trust(document([trusts])).create().unwrap()
    };
    let sts = chained(&fixture, &[("Team", "x")]).await;
    for (condition, expected) in [
        (json!({ "ForAllValues:StringEquals": { "aws:TagKeys": ["TenantId"] } }), false),
        (json!({ "ForAllValues:StringEquals": { "aws:TagKeys": ["TenantId", "Team"] } }), true),
        (json!({ "ForAllValues:StringEquals": { "sts:TransitiveTagKeys": ["Other"] } }), false),
        (json!({ "StringEquals": { "aws:RequestTag/Team": "x" } }), true),
        (json!({ "StringEquals": { "aws:PrincipalTag/Team": "x", "aws:RequestTag/TenantId": "a" } }), true),
        (json!({ "StringEquals": { "aws:PrincipalTag/TenantId": "${aws:RequestTag/TenantId}" } }), false),
        (json!({ "StringEqualsIfExists": { "aws:PrincipalTag/TenantId": "${aws:RequestTag/TenantId}" } }), true),
    ] {
        let role = role(condition.clone());
        let request = sts.assume_role().role_arn(role.arn()).role_session_name("tenant-a").tags(tag("TenantId", "a"));
        assert_eq!(request.send().await.is_ok(), expected, "{condition}");
    }
}

#[tokio::test]
async fn a_trust_policy_binds_the_session_name_to_a_tag() {
    let fixture = Fixture::start().await;
    let statement = |actions: &[&str], condition: &serde_json::Value| json!({ "Effect": "Allow", "Principal": { "AWS": ACCOUNT }, "Action": actions, "Condition": condition });
    let named = |name: &str| json!({ "StringEquals": { "sts:RoleSessionName": name } });
    let bound = named("tenant-${aws:RequestTag/TenantId}");
    let apart = |name| document([statement(&["sts:AssumeRole"], &name), statement(&["sts:TagSession"], &json!({}))]);
    for (trust, name, expected) in [
        (apart(bound.clone()), "tenant-a", true),
        (apart(bound.clone()), "tenant-b", false),
        (apart(bound.clone()), "tenant-A", false),
        (apart(named("tenant-a")), "tenant-a", true),
        (apart(named("tenant-${aws:RequestTag/Other}")), "tenant-a", false),
        // The name is no condition key of TagSession.
        (document([statement(&["sts:AssumeRole", "sts:TagSession"], &bound)]), "tenant-a", false),
    ] {
        let role = fixture.account.role("Second").trust(&trust).create().unwrap();
        let request = fixture.sts.assume_role().role_arn(role.arn()).role_session_name(name).tags(tag("TenantId", "a"));
        assert_eq!(request.send().await.is_ok(), expected, "{trust} {name}");
    }
}

#[tokio::test]
async fn inherited_tags_count_towards_the_packed_size() {
    let fixture = Fixture::start().await;
    let second = fixture.account.role("Second").trust(trust(ACCOUNT)).create().unwrap();
    #[expect(deprecated, reason = "the stack's STS answers as it did before SessionTokenUtilization")]
    let size = async |tags: &[(&str, &str)], policy: Option<String>| {
        let sts = chained(&fixture, tags).await;
        let request = sts.assume_role().role_arn(second.arn()).role_session_name("second").set_policy(policy);
        request.tags(tag("TenantId", "a")).send().await.map(|answer| answer.packed_policy_size.unwrap())
    };
    // The tags of a pod of EKS. AWS was seen to make 61 percent of them, and 74 of longer ones.
    let pod = [
        ("eks-cluster-arn", "arn:aws:eks:us-west-2:222222222222:cluster/eksworkshop-eksctl"),
        ("eks-cluster-name", "eksworkshop-eksctl"),
        ("kubernetes-namespace", "app1"),
        ("kubernetes-service-account", "default"),
        ("kubernetes-pod-name", "app1-v1-56b9f94b4-dvd5c"),
        ("kubernetes-pod-uid", "376f3cff-44fe-4a00-b9d4-970555f311d3"),
    ];
    let alone = size(&[], None).await.unwrap();
    let behind = size(&pod, None).await.unwrap();
    assert!((58..=74).contains(&(behind - alone)), "{alone} {behind}");
    size(&pod, Some(session_policy("a").to_string())).await.unwrap();
    let long = format!("{}{}", allow("*"), " ".repeat(1900));
    size(&[], Some(long.clone())).await.unwrap();
    assert_eq!(refusal(size(&pod, Some(long)).await), "PackedPolicyTooLarge");
}

#[tokio::test]
async fn credentials_that_are_not_known_are_refused() {
    let fixture = Fixture::start().await;
    let unknown = aws_sdk_sts::config::Credentials::new("AKIAUNKNOWN", "secret", None, None, "test");
    let sts = aws_sdk_sts::Client::new(&fixture.stack.sdk_config(unknown));
    assert_eq!(refusal(sts.get_caller_identity().send().await), "InvalidClientTokenId");
}
