//! Each tenant's boundary from the wrong side, and the rules by which policies combine.

use aws_sdk_kms::{Client as Kms, config::Credentials, primitives::Blob, types::Tag};
use serde_json::{Value, json};

use crate::fixture::{
    ACCOUNT, Fixture, OTHER_ACCOUNT, ROLE, alias, allow, credentials, data_key, document, key_policy, refusal,
    root_statement, session_policy, trust,
};

const DENIED: &str = "AccessDeniedException";

async fn wrapped(kms: &Kms, tenant: &str) -> Blob {
    data_key(kms, &alias(tenant), tenant).send().await.unwrap().ciphertext_blob.unwrap()
}

#[tokio::test]
async fn a_tenant_uses_its_own_key_by_its_alias_and_by_nothing_else() {
    let fixture = Fixture::start().await;
    let a = fixture.tenant_key("a").await;
    let kms = &fixture.tenant("a").await;
    let blob = wrapped(kms, "a").await;
    let decrypt = || kms.decrypt().ciphertext_blob(blob.clone()).encryption_context("tenant", "a");
    let alias_arn = format!("arn:aws:kms:us-east-1:{ACCOUNT}:alias/customer-a");
    for key_id in [&alias("a"), &alias_arn] {
        decrypt().key_id(key_id).send().await.unwrap();
    }
    let key_id = a.rsplit('/').next().unwrap();
    for key_id in [Some(a.as_str()), Some(key_id), None] {
        assert_eq!(refusal(decrypt().set_key_id(key_id.map(str::to_owned)).send().await), DENIED, "{key_id:?}");
    }
}

#[tokio::test]
async fn a_tenant_is_refused_on_another_tenants_key_however_it_is_named() {
    let fixture = Fixture::start().await;
    fixture.tenant_key("a").await;
    let b = fixture.tenant_key("b").await;
    let blob = wrapped(&fixture.tenant("b").await, "b").await;
    let kms = &fixture.tenant("a").await;
    for key_id in [Some(alias("b")), Some(b), None] {
        for tenant in ["a", "b"] {
            let decrypt = kms.decrypt().set_key_id(key_id.clone()).encryption_context("tenant", tenant);
            assert_eq!(refusal(decrypt.ciphertext_blob(blob.clone()).send().await), DENIED);
        }
        if let Some(key_id) = &key_id {
            assert_eq!(refusal(data_key(kms, key_id, "a").send().await), DENIED);
            assert_eq!(refusal(data_key(kms, key_id, "b").dry_run(true).send().await), DENIED);
        }
    }
    let swapped = kms.decrypt().key_id(alias("a")).encryption_context("tenant", "a").ciphertext_blob(blob).send().await;
    assert_eq!(refusal(swapped), "IncorrectKeyException", "B's data key under A's name");
}

#[tokio::test]
async fn the_encryption_context_is_part_of_the_permission() {
    let fixture = Fixture::start().await;
    fixture.tenant_key("a").await;
    let kms = &fixture.tenant("a").await;
    assert_eq!(refusal(data_key(kms, &alias("a"), "b").send().await), DENIED);
    let without = kms.generate_data_key().key_id(alias("a")).number_of_bytes(32).send().await;
    assert_eq!(refusal(without), DENIED);
    let further = data_key(kms, &alias("a"), "a").encryption_context("record", "c-1").send().await;
    further.unwrap();
}

#[tokio::test]
async fn without_a_session_policy_the_role_reaches_tenants_by_own_aliases_only() {
    let fixture = Fixture::start().await;
    fixture.tenant_key("a").await;
    let b = fixture.tenant_key("b").await;
    let kms = &fixture.session(None).await;
    data_key(kms, &alias("a"), "a").send().await.unwrap();
    data_key(kms, &alias("b"), "b").send().await.unwrap();
    assert_eq!(refusal(data_key(kms, &alias("b"), "a").send().await), DENIED);
    assert_eq!(refusal(data_key(kms, &b, "b").send().await), DENIED);
    let admin = &fixture.kms;
    assert_eq!(refusal(data_key(admin, &alias("a"), "a").send().await), DENIED, "administration has no data access");
}

#[tokio::test]
async fn the_default_root_statement_makes_a_broad_role_effective_on_every_key() {
    let fixture = Fixture::start().await;
    fixture.key(&alias("a"), None).await;
    let kms = &fixture.session(None).await;
    data_key(kms, &alias("a"), "anyone").send().await.unwrap();
}

#[tokio::test]
async fn a_key_policy_that_names_the_role_is_limited_by_the_session_policy() {
    let fixture = Fixture::start().await;
    let role =
        json!({ "Effect": "Allow", "Principal": { "AWS": ROLE }, "Action": "kms:GenerateDataKey", "Resource": "*" });
    fixture.key("alias/other", Some(document([root_statement(), role]))).await;
    data_key(&fixture.session(None).await, "alias/other", "a").send().await.unwrap();
    assert_eq!(refusal(data_key(&fixture.tenant("a").await, "alias/other", "a").send().await), DENIED);
}

#[tokio::test]
async fn a_key_policy_that_names_the_session_overrides_the_session_policy() {
    let fixture = Fixture::start().await;
    let statements = [
        json!({ "Effect": "Allow", "Principal": { "AWS": format!("arn:aws:sts::{ACCOUNT}:assumed-role/TenantKeys/acme-1") },
            "Action": "kms:GenerateDataKey", "Resource": "*" }),
        json!({ "Effect": "Allow", "Principal": "*", "Action": "kms:GenerateDataKey", "Resource": "*",
            "Condition": { "ArnEquals": { "aws:PrincipalArn": ROLE } } }),
    ];
    for (n, statement) in statements.into_iter().enumerate() {
        let alias = format!("alias/gap-{n}");
        fixture.key(&alias, Some(document([root_statement(), statement]))).await;
        // The gap to know: tenant A's session policy does not mention this key.
        let kms = &fixture.tenant("a").await;
        data_key(kms, &alias, "a").send().await.unwrap();
        let denial = json!({ "Effect": "Deny", "Action": "kms:*", "Resource": "*" });
        let kms = &fixture.session(Some(document([denial]))).await;
        assert_eq!(refusal(data_key(kms, &alias, "a").send().await), DENIED, "an explicit denial still counts");
    }
}

#[tokio::test]
async fn an_explicit_denial_wins_wherever_it_stands() {
    let fixture = Fixture::start().await;
    let deny = json!({ "Effect": "Deny", "Action": "kms:Encrypt", "Resource": "*" });
    let allow_all = json!({ "Effect": "Allow", "Action": "kms:*", "Resource": "*" });
    let encrypt = |kms: Kms| async move { kms.encrypt().key_id("alias/a").plaintext(Blob::new("x")).send().await };

    let mut in_key_policy = deny.clone();
    in_key_policy["Principal"] = json!("*");
    fixture.key("alias/a", Some(document([root_statement(), in_key_policy]))).await;
    assert_eq!(refusal(encrypt(fixture.kms.clone()).await), DENIED);
    fixture.kms.delete_alias().alias_name("alias/a").send().await.unwrap();

    fixture.key("alias/a", None).await;
    encrypt(fixture.kms.clone()).await.unwrap();
    let user = fixture.account.user("limited").permission(document([allow_all.clone()])).permission(document([deny]));
    assert_eq!(refusal(encrypt(fixture.client(&user.create().unwrap())).await), DENIED);
    let message = encrypt(fixture.client(&fixture.account.user("nobody").create().unwrap())).await.unwrap_err();
    let message = format!("{:?}", message.into_service_error());
    assert!(message.contains("because no identity-based policy allows the kms:Encrypt action"), "{message}");
}

#[tokio::test]
async fn session_tags_fill_in_variables_and_a_missing_tag_matches_nothing() {
    let fixture = Fixture::start().await;
    let data = json!({ "Effect": "Allow", "Action": "kms:*", "Resource": "*", "Condition": { "StringEquals": {
        "kms:RequestAlias": "alias/customer-${aws:PrincipalTag/TenantId}" } } });
    let role = fixture.account.role("Tagged").trust(trust(ACCOUNT)).permission(document([data])).create().unwrap();
    fixture.key(&alias("a"), None).await;
    fixture.key(&alias("b"), None).await;
    let tagged = |value: &str| {
        let tag = aws_sdk_sts::types::Tag::builder().key("TenantId").value(value).build().unwrap();
        fixture.assume(role.arn()).tags(tag)
    };
    let kms = fixture.client(credentials(tagged("a")).await);
    data_key(&kms, &alias("a"), "a").send().await.unwrap();
    assert_eq!(refusal(data_key(&kms, &alias("b"), "b").send().await), DENIED);
    for request in [fixture.assume(role.arn()), tagged("*"), tagged("")] {
        let kms = fixture.client(credentials(request).await);
        assert_eq!(refusal(data_key(&kms, &alias("a"), "a").send().await), DENIED);
    }
}

#[tokio::test]
async fn only_identity_policies_see_the_keys_aliases_and_tags() {
    let fixture = Fixture::start().await;
    let condition = json!({ "ForAnyValue:StringEquals": { "kms:ResourceAliases": "alias/a" },
        "StringEquals": { "aws:ResourceTag/tenant": "a" } });
    let identity = document([json!({ "Effect": "Allow", "Action": "kms:*", "Resource": "*", "Condition": condition })]);
    let user = fixture.client(&fixture.account.user("reader").permission(identity).create().unwrap());
    let in_key_policy = json!({ "Effect": "Allow", "Principal": "*", "Action": "kms:GenerateDataKey", "Resource": "*",
        "Condition": condition });
    let key = fixture.key("alias/a", Some(document([root_statement(), in_key_policy]))).await;
    assert_eq!(refusal(data_key(&user, &key, "a").send().await), DENIED);
    let tag = Tag::builder().tag_key("tenant").tag_value("a").build().unwrap();
    fixture.kms.tag_resource().key_id(&key).tags(tag).send().await.unwrap();
    // The key's ARN will do: the aliases are the key's, not the request's.
    data_key(&user, &key, "a").send().await.unwrap();
    let stranger = fixture.client(&fixture.account.user("stranger").create().unwrap());
    assert_eq!(refusal(data_key(&stranger, &key, "a").send().await), DENIED);
}

#[tokio::test]
async fn encryption_context_keys_are_a_set() {
    let fixture = Fixture::start().await;
    let exactly = document([json!({ "Effect": "Allow", "Action": "kms:*", "Resource": "*", "Condition": {
        "ForAllValues:StringEquals": { "kms:EncryptionContextKeys": ["tenant", "record"] },
        "ForAnyValue:StringEquals": { "kms:EncryptionContextKeys": "tenant" } } })]);
    fixture.key("alias/a", None).await;
    let user = fixture.client(&fixture.account.user("exact").permission(exactly).create().unwrap());
    data_key(&user, "alias/a", "a").send().await.unwrap();
    data_key(&user, "alias/a", "a").encryption_context("record", "1").send().await.unwrap();
    let more = data_key(&user, "alias/a", "a").encryption_context("more", "1").send().await;
    assert_eq!(refusal(more), DENIED);
    let none = user.generate_data_key().key_id("alias/a").number_of_bytes(32).send().await;
    assert_eq!(refusal(none), DENIED);
}

#[tokio::test]
async fn another_account_needs_both_the_key_policy_and_its_own() {
    let fixture = Fixture::start().await;
    let other = fixture.stack.account(OTHER_ACCOUNT).unwrap();
    let share = json!({ "Effect": "Allow", "Principal": { "AWS": OTHER_ACCOUNT }, "Action": "kms:GenerateDataKey",
        "Resource": "*" });
    let shared = fixture.key("alias/shared", Some(document([root_statement(), share]))).await;
    let private = fixture.key("alias/private", None).await;
    let allowed = fixture.client(&other.user("allowed").permission(allow("kms:*")).create().unwrap());
    let limited = fixture.client(&other.user("limited").create().unwrap());
    let alias_arn = format!("arn:aws:kms:us-east-1:{ACCOUNT}:alias/shared");

    for key_id in [&shared, &alias_arn] {
        data_key(&allowed, key_id, "a").send().await.unwrap();
        assert_eq!(refusal(data_key(&limited, key_id, "a").send().await), DENIED);
    }
    assert_eq!(refusal(data_key(&allowed, &private, "a").send().await), DENIED);
    let absent = format!("arn:aws:kms:us-east-1:{ACCOUNT}:key/absent");
    assert_eq!(refusal(data_key(&allowed, &absent, "a").send().await), DENIED, "absence is not revealed");
    let bare = data_key(&allowed, "alias/shared", "a").send().await;
    assert_eq!(refusal(bare), "NotFoundException", "a bare alias is one of the caller's account");
    let id = shared.rsplit('/').next().unwrap();
    assert_eq!(refusal(data_key(&allowed, id, "a").send().await), "NotFoundException");
}

#[tokio::test]
async fn an_open_key_policy_opens_no_other_account_by_itself() {
    let fixture = Fixture::start().await;
    let anyone = json!({ "Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*" });
    let key = fixture.key("alias/open", Some(document([anyone]))).await;
    let other = fixture.stack.account(OTHER_ACCOUNT).unwrap();
    let nobody = fixture.client(&other.user("nobody").create().unwrap());
    assert_eq!(refusal(data_key(&nobody, &key, "a").send().await), DENIED);
    let nobody = fixture.client(&fixture.account.user("nobody").create().unwrap());
    data_key(&nobody, &key, "a").send().await.unwrap();
}

#[tokio::test]
async fn the_request_alias_matches_a_foreign_alias_of_the_same_name() {
    let fixture = Fixture::start().await;
    let other = fixture.stack.account(OTHER_ACCOUNT).unwrap();
    let foreign = fixture.client(&other.user("admin").permission(allow("*")).create().unwrap());
    let open =
        document([json!({ "Effect": "Allow", "Principal": { "AWS": [ACCOUNT, OTHER_ACCOUNT] }, "Action": "kms:*",
        "Resource": "*" })]);
    let key = foreign.create_key().policy(open.to_string()).send().await.unwrap().key_metadata.unwrap();
    foreign.create_alias().alias_name(alias("a")).target_key_id(key.key_id).send().await.unwrap();
    let foreign_alias = format!("arn:aws:kms:us-east-1:{OTHER_ACCOUNT}:alias/customer-a");

    let anywhere = json!({ "Effect": "Allow", "Action": "kms:*", "Resource": "*",
        "Condition": { "StringEquals": { "kms:RequestAlias": alias("a") } } });
    let role =
        fixture.account.role("Anywhere").trust(trust(ACCOUNT)).permission(document([anywhere])).create().unwrap();
    let kms = fixture.client(credentials(fixture.assume(role.arn())).await);
    let made = data_key(&kms, &foreign_alias, "a").send().await.unwrap();
    assert_eq!(made.key_id, key.arn, "the data key lies under a foreign key");
    // The resource of the recommended policies is what keeps it at home.
    let kms = fixture.tenant("a").await;
    assert_eq!(refusal(data_key(&kms, &foreign_alias, "a").send().await), DENIED);
}

#[tokio::test]
async fn aliases_need_permission_on_the_alias_and_on_the_key() {
    let fixture = Fixture::start().await;
    let key = fixture.key("alias/a", None).await;
    let on = |resource: &str| document([json!({ "Effect": "Allow", "Action": "kms:*Alias", "Resource": resource })]);
    let user = |name: &str, resources: &[&str]| {
        let user = fixture.account.user(name);
        let user = resources.iter().fold(user, |user, resource| user.permission(on(resource)));
        fixture.client(&user.create().unwrap())
    };
    let (on_alias, on_key) = ("arn:aws:kms:*:*:alias/mine-*", "arn:aws:kms:*:*:key/*");
    for incomplete in [&[][..], &[on_alias], &[on_key]] {
        let kms = user("incomplete", incomplete);
        let create = kms.create_alias().alias_name("alias/mine-1").target_key_id(&key).send().await;
        assert_eq!(refusal(create), DENIED, "{incomplete:?}");
    }
    let kms = user("complete", &[on_alias, on_key]);
    kms.create_alias().alias_name("alias/mine-1").target_key_id(&key).send().await.unwrap();
    kms.update_alias().alias_name("alias/mine-1").target_key_id(&key).send().await.unwrap();
    kms.delete_alias().alias_name("alias/mine-1").send().await.unwrap();
    let others = kms.create_alias().alias_name("alias/yours-1").target_key_id(&key).send().await;
    assert_eq!(refusal(others), DENIED);
    assert_eq!(refusal(kms.delete_alias().alias_name("alias/a").send().await), DENIED);
}

#[tokio::test]
async fn re_encryption_needs_permission_on_both_keys() {
    let fixture = Fixture::start().await;
    let b = fixture.key(&alias("b"), None).await;
    fixture.key(&alias("a"), None).await;
    let blob = wrapped(&fixture.kms, "a").await;
    let re_encrypt = |kms: &Kms| {
        kms.re_encrypt()
            .ciphertext_blob(blob.clone())
            .source_key_id(alias("a"))
            .source_encryption_context("tenant", "a")
    };
    re_encrypt(&fixture.kms).destination_key_id(&b).send().await.unwrap();
    let statement = |action: &str| json!({ "Effect": "Allow", "Action": action, "Resource": "*" });
    for action in ["kms:ReEncryptFrom", "kms:ReEncryptTo"] {
        let user = fixture.account.user("half").permission(document([statement(action)])).create().unwrap();
        let result = re_encrypt(&fixture.client(&user)).destination_key_id(&b).send().await;
        assert_eq!(refusal(result), DENIED, "{action} alone");
    }
    // The session policy of a tenant allows neither, so it cannot move a data key to another tenant.
    let result = re_encrypt(&fixture.tenant("a").await).destination_key_id(alias("b")).send().await;
    assert_eq!(refusal(result), DENIED);
}

#[tokio::test]
async fn tags_at_creation_need_a_permission_of_their_own() {
    let fixture = Fixture::start().await;
    let permission = |actions: Value| document([json!({ "Effect": "Allow", "Action": actions, "Resource": "*" })]);
    let tag = Tag::builder().tag_key("tenant").tag_value("a").build().unwrap();
    let creator = fixture.account.user("creator").permission(permission(json!("kms:CreateKey"))).create().unwrap();
    let creator = fixture.client(&creator);
    creator.create_key().send().await.unwrap();
    assert_eq!(refusal(creator.create_key().tags(tag.clone()).send().await), DENIED);
    let tagger = permission(json!(["kms:CreateKey", "kms:TagResource"]));
    let tagger = fixture.client(&fixture.account.user("tagger").permission(tagger).create().unwrap());
    tagger.create_key().tags(tag).send().await.unwrap();
}

#[tokio::test]
async fn credentials_that_are_not_known_are_refused() {
    let fixture = Fixture::start().await;
    fixture.key("alias/a", None).await;
    let describe = |kms: Kms| async move { kms.describe_key().key_id("alias/a").send().await };
    let unknown = Credentials::new("AKIAUNKNOWN", "secret", None, None, "test");
    assert_eq!(refusal(describe(fixture.client(unknown)).await), "UnrecognizedClientException");

    let session = credentials(fixture.assume(ROLE)).await;
    let (id, secret) = (session.access_key_id(), session.secret_access_key());
    for token in [None, Some("another token".to_owned())] {
        let stolen = Credentials::new(id, secret, token, None, "test");
        assert_eq!(refusal(describe(fixture.client(stolen)).await), "UnrecognizedClientException");
    }
    let admin = Credentials::new(fixture.admin.id(), fixture.admin.secret(), Some("token".to_owned()), None, "test");
    assert_eq!(refusal(describe(fixture.client(admin)).await), "UnrecognizedClientException");
}

#[tokio::test]
async fn a_replaced_role_judges_its_sessions_anew() {
    let fixture = Fixture::start().await;
    fixture.key(&alias("a"), Some(document([root_statement()]))).await;
    let kms = fixture.session(Some(session_policy("a"))).await;
    data_key(&kms, &alias("a"), "a").send().await.unwrap();
    // The way to revoke sessions in the console: deny whatever was issued before now.
    let revoked = json!({ "Effect": "Deny", "Action": "*", "Resource": "*",
        "Condition": { "DateLessThan": { "aws:TokenIssueTime": "2999-01-01T00:00:00Z" } } });
    let role = fixture.account.role("TenantKeys").trust(trust(ACCOUNT)).permission(allow("kms:*"));
    role.permission(document([revoked])).create().unwrap();
    assert_eq!(refusal(data_key(&kms, &alias("a"), "a").send().await), DENIED);
}

#[tokio::test]
async fn the_recommended_key_policy_passes_the_lockout_check() {
    let fixture = Fixture::start().await;
    let key = fixture.tenant_key("a").await;
    let put = fixture.kms.put_key_policy().key_id(&key).policy(key_policy("b").to_string());
    put.send().await.unwrap();
    assert_eq!(refusal(data_key(&fixture.tenant("a").await, &alias("a"), "a").send().await), DENIED);
}
