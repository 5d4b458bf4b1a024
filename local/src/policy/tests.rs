use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Context, Kind, MalformedPolicy, Policy, Principal, Question, Verdict, Via};

const KEY: &str = "arn:aws:kms:us-east-1:111111111111:key/k-1";

fn session() -> Principal {
    Principal {
        account: "111111111111".to_owned(),
        arn: "arn:aws:sts::111111111111:assumed-role/TenantKeys/a-1".to_owned(),
        identity: "arn:aws:iam::111111111111:role/TenantKeys".to_owned(),
    }
}

fn judge(policy: &Policy, context: &Context) -> Verdict {
    judge_action(policy, "kms:Decrypt", KEY, context)
}

fn judge_action(policy: &Policy, action: &str, resource: &str, context: &Context) -> Verdict {
    policy.judge(Question { principal: &session(), action, resource, context })
}

/// An identity policy of one statement that allows everything, with these elements in place of its own.
fn statement(elements: Value) -> Result<Policy, MalformedPolicy> {
    let mut statement = json!({ "Effect": "Allow", "Action": "*", "Resource": "*" });
    for (name, value) in elements.as_object().unwrap() {
        statement[name] = value.clone();
        if let Some(replaced) = name.strip_prefix("Not") {
            statement.as_object_mut().unwrap().remove(replaced);
        }
    }
    Policy::parse(&json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string(), Kind::Identity)
}

fn holds(condition: Value, context: &Context) -> bool {
    judge(&statement(json!({ "Condition": condition })).unwrap(), context).permits()
}

fn context() -> Context {
    let mut context = Context::default();
    context.set("kms:RequestAlias", "alias/customer-a");
    context.set("kms:EncryptionContext:Tenant", "a");
    context.set("aws:PrincipalTag/TenantId", "a");
    context.set("aws:PrincipalTag/Star", "*");
    context.set("aws:PrincipalTag/Colons", "x:y");
    context.set("aws:PrincipalArn", "arn:aws:iam::111111111111:role/TenantKeys");
    context.set("aws:SecureTransport", "true");
    context.set("aws:CurrentTime", "2026-08-01T12:00:00Z");
    context.set("kms:Days", "30");
    context.set_many("kms:EncryptionContextKeys", ["tenant".to_owned(), "purpose".to_owned()]);
    context
}

#[test]
fn conditions_hold_as_the_user_guide_says() {
    let cases = [
        // Strings.
        (json!({"StringEquals": {"kms:RequestAlias": "alias/customer-a"}}), true),
        (json!({"StringEquals": {"kms:RequestAlias": ["alias/x", "alias/customer-a"]}}), true),
        (json!({"StringEquals": {"kms:RequestAlias": "alias/customer-*"}}), false),
        (json!({"StringEquals": {"kms:RequestAlias": "alias/Customer-a"}}), false),
        (json!({"StringEqualsIgnoreCase": {"kms:RequestAlias": "ALIAS/Customer-A"}}), true),
        (json!({"StringNotEqualsIgnoreCase": {"kms:RequestAlias": "ALIAS/Customer-A"}}), false),
        (json!({"StringLike": {"kms:RequestAlias": "alias/customer-*"}}), true),
        (json!({"StringLike": {"kms:RequestAlias": "alias/customer-?"}}), true),
        (json!({"StringLike": {"kms:RequestAlias": "alias/customer-??"}}), false),
        (json!({"StringLike": {"kms:RequestAlias": "customer-a"}}), false),
        (json!({"StringNotEquals": {"kms:RequestAlias": "alias/customer-b"}}), true),
        (json!({"StringNotEquals": {"kms:RequestAlias": ["alias/customer-b", "alias/customer-a"]}}), false),
        (json!({"StringNotLike": {"kms:RequestAlias": "alias/customer-*"}}), false),
        // Key names ignore case, their values do not.
        (json!({"StringEquals": {"KMS:requestalias": "alias/customer-a"}}), true),
        (json!({"StringEquals": {"kms:EncryptionContext:tenant": "a"}}), true),
        (json!({"StringEquals": {"kms:EncryptionContext:tenant": "A"}}), false),
        // All operators and all keys must hold.
        (json!({"StringEquals": {"kms:RequestAlias": "alias/customer-a", "kms:EncryptionContext:tenant": "b"}}), false),
        (
            json!({"StringEquals": {"kms:RequestAlias": "alias/customer-a"}, "Bool": {"aws:SecureTransport": "false"}}),
            false,
        ),
        // Absent keys.
        (json!({"StringEquals": {"kms:Absent": "x"}}), false),
        (json!({"StringLike": {"kms:Absent": "*"}}), false),
        (json!({"StringNotEquals": {"kms:Absent": "x"}}), true),
        (json!({"StringNotLike": {"kms:Absent": "*"}}), true),
        (json!({"StringEqualsIfExists": {"kms:Absent": "x"}}), true),
        (json!({"StringEqualsIfExists": {"kms:RequestAlias": "x"}}), false),
        (json!({"StringNotEqualsIfExists": {"kms:Absent": "x"}}), true),
        (json!({"Null": {"kms:Absent": "true"}}), true),
        (json!({"Null": {"kms:Absent": false}}), false),
        (json!({"Null": {"kms:RequestAlias": "false"}}), true),
        (json!({"Null": {"kms:EncryptionContextKeys": "false"}}), true),
        (json!({"Bool": {"kms:Absent": "false"}}), false),
        // Variables.
        (json!({"StringEquals": {"kms:EncryptionContext:tenant": "${aws:PrincipalTag/TenantId}"}}), true),
        (json!({"StringEquals": {"kms:RequestAlias": "alias/customer-${aws:principaltag/tenantid}"}}), true),
        (json!({"StringLike": {"kms:RequestAlias": "*-${aws:PrincipalTag/TenantId}"}}), true),
        (json!({"StringLike": {"kms:RequestAlias": "alias/${aws:PrincipalTag/Star}"}}), false),
        (json!({"StringLike": {"aws:PrincipalTag/Star": "${aws:PrincipalTag/Star}"}}), true),
        (json!({"StringLike": {"aws:PrincipalTag/Star": "${*}"}}), true),
        (json!({"StringLike": {"kms:RequestAlias": "${*}"}}), false),
        (json!({"StringLike": {"kms:RequestAlias": "${?}"}}), false),
        (json!({"StringEquals": {"kms:RequestAlias": "${aws:PrincipalTag/Absent}"}}), false),
        (json!({"StringLike": {"kms:RequestAlias": "*${aws:PrincipalTag/Absent}"}}), false),
        (json!({"StringLike": {"kms:RequestAlias": "alias/customer-${aws:PrincipalTag/Absent, 'a'}"}}), true),
        (json!({"StringNotEquals": {"kms:RequestAlias": "${aws:PrincipalTag/Absent}"}}), true),
        (json!({"StringEquals": {"kms:RequestAlias": "${kms:EncryptionContextKeys}"}}), false),
        // ARNs are compared part by part.
        (json!({"ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::111111111111:role/*"}}), true),
        (json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/TenantKeys"}}), true),
        (json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:*:role/TenantKeys"}}), false),
        (json!({"ArnLike": {"aws:PrincipalArn": "*"}}), true),
        (json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::${aws:PrincipalTag/Colons}:role/*"}}), false),
        (json!({"ArnLike": {"kms:RequestAlias": "*"}}), false),
        (json!({"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::222222222222:role/*"}}), true),
        (json!({"ArnNotEquals": {"aws:PrincipalArn": "arn:aws:iam::111111111111:role/TenantKeys"}}), false),
        // Other types.
        (json!({"Bool": {"aws:SecureTransport": true}}), true),
        (json!({"Bool": {"aws:SecureTransport": "TRUE"}}), true),
        (json!({"NumericLessThanEquals": {"kms:Days": 30}}), true),
        (json!({"NumericLessThan": {"kms:Days": "30"}}), false),
        (json!({"NumericNotEquals": {"kms:Days": "30"}}), false),
        (json!({"NumericEquals": {"kms:RequestAlias": "30"}}), false),
        (json!({"DateLessThan": {"aws:CurrentTime": "2026-08-02"}}), true),
        (json!({"DateGreaterThan": {"aws:CurrentTime": "2026-08-01T14:00:00+02:00"}}), false),
        // Several values.
        (json!({"ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["tenant", "purpose", "more"]}}), true),
        (json!({"ForAllValues:StringEquals": {"kms:EncryptionContextKeys": "tenant"}}), false),
        (json!({"ForAnyValue:StringEquals": {"kms:EncryptionContextKeys": "tenant"}}), true),
        (json!({"ForAnyValue:StringLike": {"kms:EncryptionContextKeys": "ten*"}}), true),
        (json!({"ForAnyValue:StringEquals": {"kms:EncryptionContextKeys": "other"}}), false),
        (json!({"ForAllValues:StringNotEquals": {"kms:EncryptionContextKeys": "other"}}), true),
        (json!({"ForAllValues:StringNotEquals": {"kms:EncryptionContextKeys": "tenant"}}), false),
        (json!({"ForAnyValue:StringNotEquals": {"kms:EncryptionContextKeys": "tenant"}}), true),
        (json!({"ForAllValues:StringEquals": {"kms:Absent": "x"}}), true),
        (json!({"ForAnyValue:StringEquals": {"kms:Absent": "x"}}), false),
        (json!({"ForAnyValue:StringNotEquals": {"kms:Absent": "x"}}), false),
        (json!({"ForAnyValue:StringEqualsIfExists": {"kms:Absent": "x"}}), true),
        (json!({"ForAnyValue:StringEquals": {"kms:RequestAlias": "alias/customer-a"}}), true),
        // Several values without a set prefix mean nothing, and allow nothing.
        (json!({"StringEquals": {"kms:EncryptionContextKeys": ["tenant", "purpose"]}}), false),
        (json!({"StringNotEquals": {"kms:EncryptionContextKeys": "other"}}), false),
    ];
    for (condition, expected) in cases {
        assert_eq!(holds(condition.clone(), &context()), expected, "{condition}");
    }
}

#[test]
fn an_undefined_condition_denies() {
    let policy = statement(json!({
        "Effect": "Deny", "Condition": {"StringEquals": {"kms:EncryptionContextKeys": "nothing"}} }));
    assert!(judge(&policy.unwrap(), &context()).denied);
}

#[test]
fn a_key_given_twice_in_different_case_has_no_single_value() {
    let mut context = Context::default();
    context.add("kms:EncryptionContext:tenant", "a");
    context.add("kms:EncryptionContext:Tenant", "b");
    assert!(!holds(json!({"StringEquals": {"kms:EncryptionContext:tenant": "a"}}), &context));
    assert!(!holds(json!({"StringEquals": {"kms:EncryptionContext:tenant": "b"}}), &context));
}

#[test]
fn variables_are_plain_text_before_the_version_of_2012() {
    for version in [json!("2008-10-17"), Value::Null] {
        let mut document = json!({ "Version": version, "Statement": { "Effect": "Allow", "Action": "*", "Resource": "*",
            "Condition": {"StringEquals": {"kms:EncryptionContext:tenant": "${aws:PrincipalTag/TenantId}"}} } });
        if version.is_null() {
            document.as_object_mut().unwrap().remove("Version");
        }
        let policy = Policy::parse(&document.to_string(), Kind::Identity).unwrap();
        assert!(!judge(&policy, &context()).permits());
        let mut literal = Context::default();
        literal.set("kms:EncryptionContext:tenant", "${aws:PrincipalTag/TenantId}");
        assert!(judge(&policy, &literal).permits());
    }
}

#[test]
fn actions_and_resources_match_by_their_patterns() {
    let cases = [
        (json!({"Action": "kms:Decrypt"}), true),
        (json!({"Action": "KMS:decrypt"}), true),
        (json!({"Action": ["kms:Encrypt", "kms:De*"]}), true),
        (json!({"Action": "kms:Decryp?"}), true),
        (json!({"Action": "kms:DecryptAll"}), false),
        (json!({"Action": "sts:*"}), false),
        (json!({"NotAction": "kms:Decrypt"}), false),
        (json!({"NotAction": ["kms:Encrypt", "kms:Create*"]}), true),
        (json!({"Resource": KEY}), true),
        (json!({"Resource": "arn:aws:kms:*:111111111111:key/*"}), true),
        (json!({"Resource": "arn:aws:kms:us-east-1:222222222222:key/*"}), false),
        (json!({"Resource": "arn:aws:kms:us-east-1:111111111111:alias/*"}), false),
        (json!({"Resource": "arn:aws:kms"}), true),
        (json!({"Resource": "arn:aws:kms:us-east-1:111111111111:key/${aws:PrincipalTag/Star}"}), false),
        (json!({"Resource": "arn:aws:kms:us-east-1:111111111111:key/${aws:PrincipalTag/Absent}"}), false),
        (json!({"NotResource": "arn:aws:kms:us-east-1:222222222222:key/*"}), true),
        (json!({"NotResource": KEY}), false),
    ];
    for (elements, expected) in cases {
        let policy = statement(elements.clone()).unwrap();
        assert_eq!(judge(&policy, &context()).permits(), expected, "{elements}");
    }
}

#[test]
fn a_denial_outweighs_every_permission() {
    let policy = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Action": "*", "Resource": "*" },
        { "Effect": "Deny", "Action": "kms:Decrypt", "Resource": "*" } ] });
    let policy = Policy::parse(&policy.to_string(), Kind::Identity).unwrap();
    assert!(!judge(&policy, &context()).permits());
    assert!(judge_action(&policy, "kms:Encrypt", KEY, &context()).permits());
}

#[test]
fn principals_mean_the_caller_in_their_own_ways() {
    let cases = [
        (json!("*"), Some(Via::Anyone)),
        (json!({"AWS": "*"}), Some(Via::Anyone)),
        (json!({"AWS": "111111111111"}), Some(Via::Account)),
        (json!({"AWS": "arn:aws:iam::111111111111:root"}), Some(Via::Account)),
        (json!({"AWS": "arn:aws:iam::111111111111:role/TenantKeys"}), Some(Via::Name)),
        (json!({"AWS": "arn:aws:sts::111111111111:assumed-role/TenantKeys/a-1"}), Some(Via::Session)),
        (json!({"AWS": ["222222222222", "arn:aws:iam::111111111111:role/TenantKeys"]}), Some(Via::Name)),
        (json!({"AWS": "222222222222"}), None),
        (json!({"AWS": "arn:aws:iam::222222222222:role/TenantKeys"}), None),
        (json!({"AWS": "arn:aws:iam::111111111111:role/Other"}), None),
        (json!({"AWS": "arn:aws:iam::111111111111:user/TenantKeys"}), None),
        (json!({"AWS": "arn:aws:sts::111111111111:assumed-role/TenantKeys/b-1"}), None),
        (json!({"Service": "dynamodb.amazonaws.com"}), None),
    ];
    for (principal, expected) in cases {
        let policy = json!({ "Version": "2012-10-17", "Statement": {
            "Effect": "Allow", "Principal": principal, "Action": "kms:*", "Resource": "*" } });
        let policy = Policy::parse(&policy.to_string(), Kind::Key).unwrap();
        assert_eq!(judge(&policy, &context()).allowed, Vec::from_iter(expected), "{principal}");
    }
}

#[test]
fn what_is_not_understood_is_malformed() {
    let defects = [
        json!({"Effect": "allow"}),
        json!({"Effect": "Permit"}),
        json!({"Action": "Decrypt"}),
        json!({"Action": []}),
        json!({"Action": 5}),
        json!({"Resource": "key/1"}),
        json!({"Resource": []}),
        json!({"Resource": "arn:aws:kms:${aws:PrincipalTag"}),
        json!({"Principal": "*"}),
        json!({"NotPrincipal": {"AWS": "*"}}),
        json!({"Comment": "x"}),
        json!({"Condition": {"StringMatches": {"kms:RequestAlias": "x"}}}),
        json!({"Condition": {"stringequals": {"kms:RequestAlias": "x"}}}),
        json!({"Condition": {"ForSomeValues:StringEquals": {"kms:RequestAlias": "x"}}}),
        json!({"Condition": {"IpAddress": {"aws:SourceIp": "127.0.0.1"}}}),
        json!({"Condition": {"NullIfExists": {"kms:RequestAlias": "true"}}}),
        json!({"Condition": {"StringEquals": {"RequestAlias": "x"}}}),
        json!({"Condition": {"StringEquals": "x"}}),
        json!({"Condition": {"StringEquals": {"kms:RequestAlias": {"a": "b"}}}}),
        json!({"Condition": {"Bool": {"aws:SecureTransport": "yes"}}}),
        json!({"Condition": {"Null": {"aws:SecureTransport": "1"}}}),
        json!({"Condition": {"NumericEquals": {"kms:Days": "many"}}}),
        json!({"Condition": {"DateLessThan": {"aws:CurrentTime": "tomorrow"}}}),
        json!({"Condition": {"StringEquals": {"kms:RequestAlias": "${}"}}}),
        json!({"Condition": {"StringEquals": {"kms:RequestAlias": "${a:b, c}"}}}),
    ];
    for defect in defects {
        assert!(statement(defect.clone()).is_err(), "{defect}");
    }
    let allow = r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#;
    for text in [
        String::new(),
        "{}".to_owned(),
        "[]".to_owned(),
        format!(r#"{{"Version":"2020-01-01","Statement":{allow}}}"#),
        format!(r#"{{"Version":"2012-10-17","Statements":{allow}}}"#),
        format!(r#"{{"Version":"2012-10-17","Statement":{allow}}} more"#),
        format!(r#"{{"Version":"2012-10-17","Statement":{allow},"Statement":{allow}}}"#),
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Resource":"*"}}"#.to_owned(),
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*"}}"#.to_owned(),
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","NotAction":"x:y","Resource":"*"}}"#
            .to_owned(),
        // A second operator of the same name would replace the first.
        r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{
            "StringEquals":{"kms:RequestAlias":"x"},"StringEquals":{"kms:CallerAccount":"1"}}}}"#
            .to_owned(),
    ] {
        assert!(Policy::parse(&text, Kind::Identity).is_err(), "{text}");
    }
}

#[test]
fn only_key_and_trust_policies_name_principals() {
    let parse = |principal: Option<Value>, resource: bool, kind| {
        let mut statement = json!({ "Effect": "Allow", "Action": "*" });
        if let Some(principal) = principal {
            statement["Principal"] = principal;
        }
        if resource {
            statement["Resource"] = json!("*");
        }
        Policy::parse(&json!({ "Statement": statement }).to_string(), kind)
    };
    assert!(parse(Some(json!("*")), true, Kind::Key).is_ok());
    assert!(parse(Some(json!("*")), false, Kind::Trust).is_ok());
    assert!(parse(None, true, Kind::Key).is_err());
    assert!(parse(None, false, Kind::Trust).is_err());
    assert!(parse(Some(json!("*")), false, Kind::Key).is_err());
    assert!(parse(Some(json!("*")), true, Kind::Trust).is_err());
    for invalid in [
        json!("111111111111"),
        json!({}),
        json!({"AWS": []}),
        json!({"Aws": "*"}),
        json!({"AWS": "1111"}),
        json!({"AWS": "arn:aws:iam::111111111111:role/*"}),
        json!({"AWS": "arn:aws:iam::111111111111:group/x"}),
        json!({"AWS": "arn:aws:iam::*:root"}),
        json!({"AWS": "arn:aws:sts::111111111111:assumed-role/TenantKeys"}),
    ] {
        assert!(parse(Some(invalid.clone()), true, Kind::Key).is_err(), "{invalid}");
    }
}

proptest! {
    /// A tag's value matches itself and nothing else, whatever characters it contains.
    #[test]
    fn the_value_of_a_variable_is_never_a_pattern(tag in "[a*?$:{}]{0,6}", alias in "[a*?$:{}]{0,6}") {
        let mut context = Context::default();
        context.set("aws:PrincipalTag/T", tag.as_str());
        context.set("kms:RequestAlias", alias.as_str());
        for operator in ["StringEquals", "StringLike"] {
            let condition = json!({ operator: { "kms:RequestAlias": "${aws:PrincipalTag/T}" } });
            prop_assert_eq!(holds(condition, &context), tag == alias);
        }
    }

    /// A pattern matches like the regular expression in which `*` is `.*` and `?` is `.`.
    #[test]
    fn patterns_match_like_the_obvious_definition(pattern in "[ab*?]{0,8}", text in "[ab]{0,8}") {
        fn obvious(pattern: &[u8], text: &[u8]) -> bool {
            match (pattern.split_first(), text.split_first()) {
                (None, None) => true,
                (Some((b'*', rest)), None) => obvious(rest, text),
                (Some((b'*', rest)), Some((_, after))) => obvious(rest, text) || obvious(pattern, after),
                (Some((b'?', rest)), Some((_, after))) => obvious(rest, after),
                (Some((one, rest)), Some((other, after))) => one == other && obvious(rest, after),
                _ => false,
            }
        }
        let mut context = Context::default();
        context.set("kms:RequestAlias", text.as_str());
        let condition = json!({ "StringLike": { "kms:RequestAlias": pattern.as_str() } });
        prop_assert_eq!(holds(condition, &context), obvious(pattern.as_bytes(), text.as_bytes()));
    }

    /// Whatever the text, parsing it yields a policy or an error.
    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,60}") {
        let _ = Policy::parse(&text, Kind::Identity);
        let _ = statement(json!({ "Resource": text, "Condition": { "StringLike": { "a:b": text } } }));
    }
}
