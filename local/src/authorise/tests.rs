use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Caller, Denial, Request};
use crate::policy::{Context, Kind, Policy, Principal};

const KEY: &str = "arn:aws:kms:us-east-1:111111111111:key/k-1";

fn policy(statements: &[Value], kind: Kind) -> Policy {
    Policy::parse(&json!({ "Version": "2012-10-17", "Statement": statements }).to_string(), kind).unwrap()
}

/// The session `s` of the role `R` in this account.
fn caller(account: &str, identity: &[Value], session: Option<&[Value]>) -> Caller {
    Caller {
        principal: Principal {
            account: account.to_owned(),
            arn: format!("arn:aws:sts::{account}:assumed-role/R/s"),
            identity: format!("arn:aws:iam::{account}:role/R"),
        },
        unique_id: "AROA:s".to_owned(),
        identity: Arc::new([policy(identity, Kind::Identity)]),
        session: session.map(|session| Arc::new(policy(session, Kind::Identity))),
        context: Context::default(),
        session_name: Some("s".to_owned()),
        transitive_tags: Vec::new(),
    }
}

fn decide(caller: &Caller, key_policy: &[Value]) -> Result<(), Denial> {
    let mut context = Context::default();
    context.set("kms:RequestAlias", "alias/a");
    let request = Request { action: "kms:Decrypt", resource: KEY, context: &context };
    caller.may_use(request, "111111111111", &policy(key_policy, Kind::Key), &context)
}

fn statement(effect: &str, action: &str) -> Value {
    json!({ "Effect": effect, "Action": action, "Resource": "*" })
}

fn for_principal(mut statement: Value, principal: Value) -> Value {
    statement["Principal"] = principal;
    statement
}

#[test]
fn policies_combine_as_the_table_says() {
    use Denial::{IdentityIsSilent, ResourceIsSilent, SessionIsSilent};

    let [own, other] = ["111111111111", "222222222222"];
    let account = |of: &str| json!({ "AWS": format!("arn:aws:iam::{of}:root") });
    let role = |of: &str| json!({ "AWS": format!("arn:aws:iam::{of}:role/R") });
    let session = |of: &str| json!({ "AWS": format!("arn:aws:sts::{of}:assumed-role/R/s") });
    let anyone = json!("*");
    let (silent, allows) = ([statement("Allow", "kms:Encrypt")], [statement("Allow", "kms:Decrypt")]);

    // The caller's account and the principal in the key policy, followed by 4 outcomes. They are for callers whose
    // allowing policies are: none; identity only; session only; both. Without a session policy, the outcome is as if
    // one allowed.
    let cases = [
        (own, role(other), [Err(ResourceIsSilent); 4]),
        (own, account(own), [Err(IdentityIsSilent), Err(SessionIsSilent), Err(IdentityIsSilent), Ok(())]),
        (own, role(own), [Err(SessionIsSilent), Err(SessionIsSilent), Ok(()), Ok(())]),
        (own, session(own), [Ok(()); 4]),
        (own, anyone.clone(), [Ok(()); 4]),
        (other, role(own), [Err(ResourceIsSilent); 4]),
        (other, account(other), [Err(IdentityIsSilent), Err(SessionIsSilent), Err(IdentityIsSilent), Ok(())]),
        (other, role(other), [Err(IdentityIsSilent), Err(SessionIsSilent), Err(IdentityIsSilent), Ok(())]),
        (other, session(other), [Err(IdentityIsSilent), Err(SessionIsSilent), Err(IdentityIsSilent), Ok(())]),
        (other, anyone, [Err(IdentityIsSilent), Err(SessionIsSilent), Err(IdentityIsSilent), Ok(())]),
    ];
    for (account, principal, [neither, identity_only, session_only, both]) in cases {
        let key_policy = [for_principal(statement("Allow", "kms:*"), principal.clone())];
        for (identity, session, expected) in [
            (&silent, Some(&silent), neither),
            (&allows, Some(&silent), identity_only),
            (&silent, Some(&allows), session_only),
            (&allows, Some(&allows), both),
            (&silent, None, session_only),
            (&allows, None, both),
        ] {
            let caller = caller(account, identity, session.map(|session| &session[..]));
            assert_eq!(decide(&caller, &key_policy), expected, "{account} {principal} {identity:?} {session:?}");
        }
    }
}

#[test]
fn a_denial_is_reported_where_it_stands() {
    let (allow, deny) = (statement("Allow", "*"), statement("Deny", "kms:Decrypt"));
    let open = [for_principal(allow.clone(), json!("*"))];
    let closed = [open[0].clone(), for_principal(deny.clone(), json!({ "AWS": "111111111111" }))];
    let both = [allow.clone(), deny];
    let decide = |identity: &[Value], session: &[Value], key_policy: &[Value]| {
        decide(&caller("111111111111", identity, Some(session)), key_policy)
    };
    let allow = [allow];
    assert_eq!(decide(&allow, &allow, &open), Ok(()));
    assert_eq!(decide(&both, &allow, &open), Err(Denial::DeniedByIdentity));
    assert_eq!(decide(&allow, &both, &open), Err(Denial::DeniedBySession));
    assert_eq!(decide(&allow, &allow, &closed), Err(Denial::DeniedByResource));
}

/// Statements that matter to the request, and some that do not.
fn statements() -> impl Strategy<Value = Vec<Value>> {
    let condition = prop_oneof![
        Just(json!({})),
        Just(json!({ "StringEquals": { "kms:RequestAlias": "alias/a" } })),
        Just(json!({ "StringNotEquals": { "kms:RequestAlias": "alias/a" } })),
        Just(json!({ "Null": { "kms:RequestAlias": "true" } })),
    ];
    let action = prop::sample::select(vec!["kms:Decrypt", "kms:Encrypt", "kms:*"]);
    let effect = prop::sample::select(vec!["Allow", "Allow", "Allow", "Deny"]);
    let statement = (effect, action, condition).prop_map(|(effect, action, condition)| {
        let mut statement = statement(effect, action);
        statement["Condition"] = condition;
        statement
    });
    prop::collection::vec(statement, 1..4)
}

fn key_statements() -> impl Strategy<Value = Vec<Value>> {
    let principals = prop::collection::vec(
        prop::sample::select(vec![
            json!("*"),
            json!({ "AWS": "111111111111" }),
            json!({ "AWS": "222222222222" }),
            json!({ "AWS": "arn:aws:iam::111111111111:role/R" }),
            json!({ "AWS": "arn:aws:sts::111111111111:assumed-role/R/s" }),
        ]),
        4,
    );
    (statements(), principals).prop_map(|(statements, principals)| {
        statements.into_iter().zip(principals).map(|(s, p)| for_principal(s, p)).collect()
    })
}

proptest! {
    #[test]
    fn a_session_policy_never_permits_more(
        identity in statements(), session in statements(), key in key_statements(),
        account in prop::sample::select(vec!["111111111111", "222222222222"]),
    ) {
        if decide(&caller(account, &identity, Some(&session)), &key).is_ok() {
            prop_assert!(decide(&caller(account, &identity, None), &key).is_ok());
        }
    }

    #[test]
    fn a_further_denial_never_permits_more(
        identity in statements(), session in statements(), key in key_statements(), more in statements(), place in 0..3,
    ) {
        let denials = more.into_iter().map(|mut statement| { statement["Effect"] = json!("Deny"); statement });
        let (mut stricter_identity, mut stricter_session, mut stricter_key) = (identity.clone(), session.clone(), key.clone());
        match place {
            0 => stricter_identity.extend(denials),
            1 => stricter_session.extend(denials),
            _ => stricter_key.extend(denials.map(|statement| for_principal(statement, json!("*")))),
        }
        let stricter = caller("111111111111", &stricter_identity, Some(&stricter_session));
        if decide(&stricter, &stricter_key).is_ok() {
            prop_assert!(decide(&caller("111111111111", &identity, Some(&session)), &key).is_ok());
        }
    }

    #[test]
    fn another_account_is_never_permitted_by_the_key_policy_alone(session in statements(), key in key_statements()) {
        let silent = [statement("Allow", "sts:*")];
        prop_assert!(decide(&caller("222222222222", &silent, Some(&session)), &key).is_err());
        prop_assert!(decide(&caller("222222222222", &silent, None), &key).is_err());
    }
}
