//! Tokens: what is stored beside an encrypted attribute.

use aws_sdk_dynamodb::types::AttributeValue;
use hkdf::Hkdf;
use serde_json::{Value, json};
use sha2::Sha256;
use tenantseal_core::crypto::{LookupKey, MacKey, RandomError, RandomSource};
use tenantseal_core::format::{Identity, LookupDefinition, LookupKind};
use tenantseal_core::tenant::TenantId;
use tenantseal_core::tenant_template::TenantTemplate;

use super::lookup_key;
use crate::item::{Item, encode_value};
use crate::vectors::bytes::lp;
use crate::vectors::hex::hex;
use crate::vectors::json::{self, sorted};
use crate::vectors::scene::{b, n, s};

/// One file: the parts of a lookup in one item, and what is stored beside them.
pub(super) struct Vector {
    pub(super) name: &'static str,
    rule: &'static str,
    tenant: &'static str,
    template: &'static str,
    lookup: &'static str,
    kind: LookupKind,
    bits: u8,
    parts: Vec<Part>,
    stored: AttributeValue,
}

/// A part: its attribute, its form, the value in the item, and the value in the form; of a set its members'. `None` where there is
/// nothing to look up.
struct Part(&'static str, &'static str, AttributeValue, Option<Vec<AttributeValue>>);

/// Gives the lookup key of the example.
#[derive(Debug)]
struct Example;

impl RandomSource for Example {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError> {
        bytes.copy_from_slice(&lookup_key());
        Ok(())
    }
}

impl Vector {
    fn tenant(&self) -> TenantId {
        TenantId::parse(self.tenant).unwrap()
    }

    fn rendered(&self) -> String {
        TenantTemplate::parse(self.template).unwrap().render(&self.tenant())
    }

    fn definition(&self) -> LookupDefinition {
        LookupDefinition::new(self.kind, self.bits, self.parts.iter().map(|part| (part.0, part.1))).unwrap()
    }

    fn mac_key(&self) -> MacKey {
        let prk = LookupKey::generate(&Example).unwrap().extract();
        self.definition().mac_key(&prk, &self.tenant(), "crm", self.lookup)
    }

    /// The key attributes of the item.
    fn key(&self) -> [(&'static str, String); 2] {
        let suffix = if self.template.ends_with("{tenant}") { "" } else { "x" };
        [("tenant_id", self.rendered() + suffix), ("contact_id", "c-17".to_owned())]
    }

    /// What the library makes.
    fn made(&self) -> AttributeValue {
        let (key, rendered) = (self.mac_key(), self.rendered());
        let [(partition, tenant), (sort, contact)] = &self.key();
        let sort = Some((*sort, contact.as_str().into()));
        let identity = Identity::new(&self.tenant(), "crm", (partition, tenant.as_str().into()), sort).unwrap();
        let filler = || key.filler(&[&rendered], &identity);
        let encoded = |value: &AttributeValue| {
            let mut bytes = Vec::new();
            encode_value(&self.cut(value)?, &mut bytes).unwrap();
            Some(bytes)
        };
        if self.kind == LookupKind::Each {
            let members = self.parts[0].3.as_deref().unwrap_or_default();
            let mut tokens: Vec<_> =
                members.iter().filter_map(encoded).map(|member| key.token(&[&rendered], &[&member])).collect();
            if tokens.is_empty() {
                tokens.push(filler());
            }
            tokens.sort();
            tokens.dedup();
            return AttributeValue::Ss(tokens);
        }
        let parts = self.parts.iter().map(|part| encoded(&part.3.as_ref()?[0]));
        let parts: Option<Vec<Vec<u8>>> = parts.collect();
        AttributeValue::S(match parts {
            Some(parts) => key.token(&[&rendered], &parts.iter().map(Vec::as_slice).collect::<Vec<_>>()),
            None => filler(),
        })
    }

    /// The beginning of a value that a prefix asks for; none when the value is shorter.
    fn cut(&self, value: &AttributeValue) -> Option<AttributeValue> {
        let LookupKind::Prefix(length) = self.kind else { return Some(value.clone()) };
        let cut: String = value.as_s().unwrap().chars().take(length.into()).collect();
        (cut.chars().count() == usize::from(length)).then(|| s(&cut))
    }

    pub(super) fn to_json(&self) -> Value {
        let part = |part: &Part| json!({ "attribute": part.0, "form": part.1 });
        let mut definition = json!({
            "kind": match self.kind {
                LookupKind::Equality => "equality",
                LookupKind::Prefix(_) => "prefix",
                LookupKind::Each => "each",
            },
            "bits": self.bits,
            "parts": self.parts.iter().map(part).collect::<Vec<_>>(),
            "encoded": hex(self.definition().encode()),
        });
        if let LookupKind::Prefix(length) = self.kind {
            definition["prefix"] = json!(length);
        }
        let key = self.key().into_iter().map(|(name, value)| (name.to_owned(), s(&value)));
        let item: Item = key.chain(self.parts.iter().map(|part| (part.0.to_owned(), part.2.clone()))).collect();
        let formed = self.parts.iter().map(|Part(attribute, _, _, formed)| {
            let values = formed.as_ref().map(|values| values.iter().map(json::value).collect::<Vec<_>>());
            let value = match (self.kind, values) {
                (LookupKind::Each, values) => json!(values.unwrap_or_default()),
                (_, Some(mut values)) => values.remove(0),
                (_, None) => Value::Null,
            };
            ((*attribute).to_owned(), value)
        });
        sorted(json!({
            "rule": self.rule,
            "tenant": self.tenant,
            "schema": { "table": "crm", "partition_key": "tenant_id", "template": self.template, "sort_key": "contact_id" },
            "lookup_key": hex(&lookup_key()),
            "name": self.lookup,
            "definition": definition,
            "item": json::item(&item),
            "formed": formed.collect::<serde_json::Map<_, _>>(),
            "mark": self.mac_key().mark(),
            "stored": json::value(&self.stored),
        }))
    }
}

#[test]
fn every_token_is_the_one_of_its_vector() {
    for vector in vectors() {
        assert_eq!(vector.made(), vector.stored, "{}", vector.name);
    }
}

#[test]
fn the_derivations_of_the_example_are_those_of_the_page() {
    let prk = Hkdf::<Sha256>::new(Some(b"tenantseal v1 lookup"), &lookup_key());
    let definition = vectors()[0].definition();
    let scope = [lp(b"acme"), lp(b"crm"), lp(b"email"), lp(definition.encode())].concat();
    let mut key = [0; 32];
    prk.expand(&[b"tenantseal v1 lookup\0", &scope[..]].concat(), &mut key).unwrap();
    assert_eq!(hex(&key), "23ad6de32fc22e13e6eaab65554152de696e25fe977e936deb6078d7d752c658");
}

fn text(text: &str) -> Option<Vec<AttributeValue>> {
    Some(vec![s(text)])
}

/// A lookup of one attribute, of the tenant `acme` by its id alone.
#[allow(clippy::too_many_arguments, reason = "a row of a table")]
fn of(
    name: &'static str,
    rule: &'static str,
    (attribute, form): (&'static str, &'static str),
    (lookup, kind, bits): (&'static str, LookupKind, u8),
    value: AttributeValue,
    formed: Option<Vec<AttributeValue>>,
    stored: &str,
) -> Vector {
    let parts = vec![Part(attribute, form, value, formed)];
    Vector { name, rule, tenant: "acme", template: "{tenant}", lookup, kind, bits, parts, stored: s(stored) }
}

pub(super) fn vectors() -> Vec<Vector> {
    [equality(), bits(), prefixes(), sets(), compounds()].into_iter().flatten().collect()
}

fn equality() -> Vec<Vector> {
    use LookupKind::Equality;
    const EMAIL: (&str, &str) = ("email", "email");
    const ON_EMAIL: (&str, LookupKind, u8) = ("email", Equality, 128);
    const AMOUNT: (&str, LookupKind, u8) = ("amount", Equality, 128);
    const EXACT: (&str, &str) = ("amount", "exact");
    let example = || {
        let value = s(" Ada@Example.org");
        of(
            "lookup_token_email",
            "15.3: the example",
            EMAIL,
            ON_EMAIL,
            value,
            text("ada@example.org"),
            "acme._Eh-hgbpmXDW9XJUBA3Uf-Pg",
        )
    };
    let filler =
        |name, value| of(name, "15.3: the filler", EMAIL, ON_EMAIL, value, None, "acme._Etw7UyzErpAElS9QNhAK9GQ");
    vec![
        example(),
        Vector {
            name: "lookup_token_by_prefix_of_tenant",
            template: "TENANT#{tenant}#",
            stored: s("TENANT#acme#._Eh-hgbpmXDW9XJUBA3Uf-Pg"),
            ..example()
        },
        Vector {
            name: "lookup_token_of_another_tenant",
            tenant: "globex",
            stored: s("globex.w8j0NFR0Kqc_Psu9JhgIIWpw"),
            ..example()
        },
        Vector {
            name: "lookup_token_under_another_name",
            lookup: "email_2",
            stored: s("acme.PxY_tr4XAuESpPzxR3K4lrIg"),
            ..example()
        },
        filler("lookup_token_of_null", AttributeValue::Null(true)),
        filler("lookup_token_of_nothing_but_spaces", s(" \t")),
        Vector {
            name: "lookup_token_of_null_by_prefix_of_tenant",
            template: "TENANT#{tenant}#",
            stored: s("TENANT#acme#._EjBl0Na35R6Tf19xk8yh46w"),
            ..filler("", AttributeValue::Null(true))
        },
        of(
            "lookup_token_number",
            "15.3: N by value",
            EXACT,
            AMOUNT,
            n("1.5e2"),
            Some(vec![n("150")]),
            "acme.L98i8EtD_pXQNZCwzUJuz5Pw",
        ),
        of(
            "lookup_token_number_otherwise",
            "15.3: N by value",
            EXACT,
            AMOUNT,
            n("150"),
            Some(vec![n("150")]),
            "acme.L98i8EtD_pXQNZCwzUJuz5Pw",
        ),
        of(
            "lookup_token_string_of_digits",
            "15.3: the type is encoded",
            EXACT,
            AMOUNT,
            s("150"),
            text("150"),
            "acme.L9IbGPu13gCSj_EnsFKv1WOQ",
        ),
        of(
            "lookup_token_binary",
            "15.3: the type is encoded",
            EXACT,
            AMOUNT,
            b(*b"150"),
            Some(vec![b(*b"150")]),
            "acme.L97tg8CzkzDNyHsPIxbhoXrA",
        ),
        of(
            "lookup_token_empty_string",
            "15.2: nothing to look up",
            EXACT,
            AMOUNT,
            s(""),
            None,
            "acme.L9357C1fmU4MueYQXZdq5Pqw",
        ),
        of(
            "lookup_token_empty_binary",
            "15.2: nothing to look up",
            EXACT,
            AMOUNT,
            b(*b""),
            None,
            "acme.L9357C1fmU4MueYQXZdq5Pqw",
        ),
        of(
            "lookup_token_email_ascii_alone",
            "15.2: email",
            EMAIL,
            ON_EMAIL,
            s("\u{a0}ÄDA.B+c@X.org\x0b"),
            text("\u{a0}Äda.b+c@x.org"),
            "acme._EFB5PirR7r-11RfJxtrfAZw",
        ),
        of(
            "lookup_token_digits",
            "15.2: digits",
            ("phone", "digits"),
            ("phone", Equality, 128),
            s("+49 (0)30/12-34 ٣"),
            text("490301234"),
            "acme.mIAxlz07d1JTe5D-0T93-gyA",
        ),
        of(
            "lookup_token_no_digits",
            "15.2: digits",
            ("phone", "digits"),
            ("phone", Equality, 128),
            s("none"),
            None,
            "acme.mIdSBaf8DgXglOU0OUJRyNdw",
        ),
        of(
            "lookup_token_alphanumeric",
            "15.2: alphanumeric",
            ("iban", "alphanumeric"),
            ("iban", Equality, 128),
            s("DE89 3704-0044 é"),
            text("de8937040044"),
            "acme.sVXRU-Tmr4_CV3iGh7h4yR6A",
        ),
        of(
            "lookup_token_form_of_ones_own",
            "15.2: any name",
            ("iban", "=iban"),
            ("iban", Equality, 128),
            s("DE 89"),
            text("DE89"),
            "acme.Ybxd_ctmFp0hUiJuzuuUrvyQ",
        ),
    ]
}

fn bits() -> Vec<Vector> {
    let row = |name, bits, stored: &str| {
        let lookup = ("last_name", LookupKind::Equality, bits);
        of(
            name,
            "15.3: six, and the definition is in the key",
            ("last_name", "text"),
            lookup,
            s("Mu\u{308}ller"),
            text("müller"),
            stored,
        )
    };
    vec![
        row("lookup_token_3_bits", 3, "acme.QyA"),
        row("lookup_token_6_bits", 6, "acme.FlZ"),
        row("lookup_token_10_bits", 10, "acme.sUEw"),
        row("lookup_token_12_bits", 12, "acme.trR6"),
        row("lookup_token_40_bits", 40, "acme.96GrZhGCs"),
        row("lookup_token_128_bits", 128, "acme.ywhE0ocRuMblvex9aAjgCQAw"),
        Vector {
            name: "lookup_token_filler_of_3_bits",
            parts: vec![Part("last_name", "text", s(" "), None)],
            stored: s("acme.QyI"),
            ..row("", 3, "")
        },
    ]
}

fn prefixes() -> Vec<Vector> {
    let row = |name, rule, length, value: &str, formed: &str, stored: &str| Vector {
        template: "TENANT#{tenant}#",
        ..of(name, rule, ("name", "text"), ("name_3", LookupKind::Prefix(length), 10), s(value), text(formed), stored)
    };
    const RULE: &str = "15.3: cut to the prefix";
    vec![
        row(
            "lookup_token_prefix",
            RULE,
            3,
            "\u{ff2c}\u{ff4f}\u{ff56}\u{ff45}\u{ff4c}\u{ff41}\u{ff43}\u{ff45}",
            "lovelace",
            "TENANT#acme#.53To",
        ),
        row("lookup_token_prefix_of_another_ending", RULE, 3, "LOVEly", "lovely", "TENANT#acme#.53To"),
        row("lookup_token_prefix_too_short", "15.2: shorter than the prefix", 3, "Lo", "lo", "TENANT#acme#.53sg"),
        row("lookup_token_prefix_in_scalar_values", RULE, 2, "𝄞é", "𝄞é", "TENANT#acme#.f9K0"),
        row("lookup_token_prefix_of_16", RULE, 16, "abcdefghijklmnopq", "abcdefghijklmnopq", "TENANT#acme#.KTN4"),
    ]
}

fn sets() -> Vec<Vector> {
    let row = |name, rule, value, formed: &[&str], stored: &[&str]| Vector {
        stored: AttributeValue::Ss(stored.iter().map(|&token| token.to_owned()).collect()),
        ..of(
            name,
            rule,
            ("tags", "exact"),
            ("tags", LookupKind::Each, 16),
            value,
            Some(formed.iter().map(|tag| s(tag)).collect()),
            "",
        )
    };
    let set = |members: &[&str]| AttributeValue::Ss(members.iter().map(|&member| member.to_owned()).collect());
    let list = AttributeValue::L(vec![s("vip"), s("press")]);
    vec![
        row(
            "lookup_token_each",
            "15.3: of each member",
            set(&["vip", "press"]),
            &["vip", "press"],
            &["acme.qe-Pg", "acme.qe5B8"],
        ),
        row(
            "lookup_token_each_of_a_list",
            "15.3: of each member",
            list,
            &["vip", "press"],
            &["acme.qe-Pg", "acme.qe5B8"],
        ),
        row(
            "lookup_token_each_with_an_empty_member",
            "15.3: of each member",
            set(&["", "vip"]),
            &["vip"],
            &["acme.qe-Pg"],
        ),
        row("lookup_token_each_of_nothing", "15.3: one filler", set(&[""]), &[], &["acme.qexVs"]),
    ]
}

fn compounds() -> Vec<Vector> {
    let row =
        |name, rule, last_name: &str, born: AttributeValue, formed: Option<Vec<AttributeValue>>, stored: &str| Vector {
            name,
            rule,
            tenant: "acme",
            template: "{tenant}",
            lookup: "person",
            kind: LookupKind::Equality,
            bits: 128,
            parts: vec![
                Part("last_name", "text", s(last_name), text(&last_name.to_lowercase())),
                Part("born", "exact", born, formed),
            ],
            stored: s(stored),
        };
    const RULE: &str = "15.3: of several parts";
    let born = "1815-12-10";
    vec![
        row("lookup_token_compound", RULE, "Lovelace", s(born), text(born), "acme.rWlvYtFgHpuMghhpyhL5O8cA"),
        row(
            "lookup_token_compound_of_shifted_parts",
            RULE,
            "Lovelace1",
            s(&born[1..]),
            text(&born[1..]),
            "acme.rWD2JnoCefgYV51ZR609SPcA",
        ),
        row(
            "lookup_token_compound_with_a_bool",
            RULE,
            "Lovelace",
            AttributeValue::Bool(true),
            Some(vec![AttributeValue::Bool(true)]),
            "acme.rWWJhjl5ppzfJj6Rql0Uh3nQ",
        ),
        row(
            "lookup_token_compound_with_null",
            "15.3: the filler",
            "Lovelace",
            AttributeValue::Null(true),
            None,
            "acme.rWOVBdkaUN3x-y1FbbDUyoOQ",
        ),
    ]
}
