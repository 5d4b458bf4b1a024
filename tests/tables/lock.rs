//! The lock file: what differs from it fails, in the class that it deserves, and what is weaker is never written.

mod generated;

use std::path::Path;
use std::process::{Command, Output};
use std::{env, fs};

use aws_types::SdkConfig;
use aws_types::region::Region;
use proptest::prelude::*;
use tenantseal::error::ConfigError;
use tenantseal::keys::{InMemoryKeyService, InMemoryKeyTable};
use tenantseal::schema::{DriftClass, Form, InvalidLock, Lock, Lookup, TableSchema, TableSchemaBuilder};
use tenantseal::{TenantSeal, TenantSealBuilder};

use self::generated::{CHANGES, configured, tables};

fn lock_of(builder: &TenantSealBuilder) -> Lock {
    Lock::of(&builder.schemas().unwrap()).unwrap()
}

fn class(was: &Lock, is: &Lock) -> Option<DriftClass> {
    was.compare(is).iter().map(|difference| difference.class()).max()
}

/// What `build` says of a lock file's text.
fn built(builder: TenantSealBuilder, lock: &str) -> Result<TenantSeal, ConfigError> {
    let config = SdkConfig::builder().region(Region::new("eu-central-1")).build();
    builder.key_service(InMemoryKeyService::new()).key_table(InMemoryKeyTable::new()).lock(lock).build(&config)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_single_change_falls_into_its_class(
        former in tables(),
        (name, change) in prop::sample::select(CHANGES),
        at in any::<prop::sample::Index>(),
    ) {
        let was = lock_of(&configured(&former));
        let mut now = former.clone();
        let Some(expected) = change(&mut now, &at) else { return Ok(()) };
        let is = lock_of(&configured(&now));
        prop_assert_eq!(class(&was, &is), Some(expected), "{}: {:#?}", name, was.compare(&is));
        // Whoever reads the error knows where it is and what was there.
        for difference in was.compare(&is) {
            prop_assert!(difference.was().is_some() || difference.is().is_some());
            prop_assert_eq!(difference.by_hand().is_some(), difference.class() == DriftClass::Weaker);
        }
        let refused = matches!(built(configured(&now), &was.to_string()), Err(ConfigError::Drift(_)));
        prop_assert!(refused, "{}", name);
    }

    #[test]
    fn a_lock_is_read_as_it_was_written(former in tables()) {
        let builder = configured(&former);
        let lock = lock_of(&builder);
        let text = lock.to_string();
        prop_assert_eq!(&Lock::parse(&text).unwrap(), &lock);
        prop_assert_eq!(lock.compare(&lock), &[]);
        let schemas = lock.schemas().unwrap();
        prop_assert_eq!(&schemas, &builder.schemas().unwrap());
        // The order of declarations is not in it.
        prop_assert_eq!(Lock::of(schemas.iter().rev()).unwrap().to_string(), text.clone());
        let drifted = matches!(built(builder, &text), Err(ConfigError::Drift(_) | ConfigError::Lock(_)));
        prop_assert!(!drifted);
    }

    #[test]
    fn no_text_is_read_as_another_lock(former in tables(), cut in any::<prop::sample::Index>(), put in "[\"{}:, a-z]") {
        let lock = lock_of(&configured(&former));
        let mut text = lock.to_string();
        let at = cut.index(text.len());
        text.replace_range(at..=at, &put);
        // White space alone may differ, and then a difference is told.
        if let Ok(read) = Lock::parse(&text) {
            prop_assert_eq!(read == lock, lock.compare(&read).is_empty() && read.compare(&lock).is_empty());
        }
    }
}

fn crm() -> TableSchemaBuilder {
    TableSchema::builder("crm").partition_key("tenant_id", "{tenant}").sort_key("contact_id").plain("company")
}

fn contacts() -> TableSchema {
    crm().encrypt("email").lookup(Lookup::on("email", Form::EMAIL).index("by-email")).build().unwrap()
}

const CONTACTS: &str = r#"{
  "tenantseal": 1,
  "tables": {
    "crm": {
      "discriminator": null,
      "lookups": {
        "email": {
          "bits": 128,
          "index": {
            "token": "by-email"
          },
          "key": 1,
          "kind": "equality",
          "parts": [
            {
              "attribute": "email",
              "form": "email"
            }
          ],
          "state": "ready"
        }
      },
      "partition_key": "tenant_id",
      "records": {
        "": {
          "_seal_by_email": "tokens",
          "company": "plain",
          "email": "encrypt"
        }
      },
      "sort_key": "contact_id",
      "tenant": "{tenant}"
    }
  }
}
"#;

/// Files of this version are committed in applications.
#[test]
fn the_text_of_a_lock_is_what_it_was() {
    assert_eq!(Lock::of(&[contacts()]).unwrap().to_string(), CONTACTS);
}

#[test]
fn a_lost_mark_fails_the_build_and_says_what_to_do() {
    let lost = crm().plain("email").build().unwrap();
    let text = built(TenantSeal::builder().table(lost), CONTACTS).unwrap_err().to_string();
    for says in [
        "table `crm`, attribute `email`: encrypt → plain (weaker: new values are stored in plaintext",
        "first change the lock file by hand: delete `\"email\": \"encrypt\"` in `records`, `\"\"` of table `crm`",
        "run `TENANTSEAL_LOCK=overwrite cargo test`",
    ] {
        assert!(text.contains(says), "`{says}` is not in: {text}");
    }
}

#[test]
fn an_edited_lock_file_fails_the_build() {
    for (from, to) in [
        ("\"email\": \"encrypt\"", "\"email\": \"plain\""),
        ("          \"company\": \"plain\",\n", ""),
        ("\"sort_key\": \"contact_id\"", "\"sort_key\": null"),
        ("\"bits\": 128", "\"bits\": 12"),
        ("          \"_seal_by_email\": \"tokens\",\n", ""),
        ("{tenant}", "T#{tenant}"),
    ] {
        assert!(CONTACTS.contains(from), "{from}");
        let edited = built(TenantSeal::builder().table(contacts()), &CONTACTS.replacen(from, to, 1));
        assert!(matches!(edited, Err(ConfigError::Drift(_))), "{from}: {edited:?}");
    }
    // How it is formatted is the editor's.
    built(TenantSeal::builder().table(contacts()), &CONTACTS.replace("  ", "\t")).unwrap();
}

#[test]
fn a_text_that_is_no_lock_is_an_error_with_a_name() {
    let deep = format!("{{\"tenantseal\": 1, \"tables\": {}", "{\"a\":".repeat(100_000));
    let long = format!("{{\"tenantseal\": 1, \"tables\": {{\"{}\": 1}}}}", "a".repeat(100_000));
    for (text, says) in [
        ("", "EOF while parsing"),
        ("[]", "invalid length 0"),
        (r#"{"tenantseal": 1}"#, "missing field `tables`"),
        (r#"{"tenantseal": 1, "tables": {}, "more": 1}"#, "unknown field `more`"),
        (&CONTACTS.replace("\"sort_key\"", "\"sortkey\""), "unknown field `sortkey`"),
        (&CONTACTS.replace("\"plain\"", "\"open\""), "unknown variant `open`"),
        (&CONTACTS.replace("\"company\": \"plain\"", "\"email\": \"plain\""), "the name `email` stands twice"),
        (r#"{"tenantseal": 1, "tables": {"a": {}, "a": {}}}"#, "missing field"),
        (&CONTACTS.replace("\"key\": 1", "\"key\": 65536"), "65536"),
        (&deep, "unknown field `a`"),
        (&long, "expected struct"),
    ] {
        let Err(InvalidLock::Malformed(fault)) = Lock::parse(text) else { panic!("{text:.80}") };
        assert!(fault.contains(says) && fault.len() < 700, "{says}: {fault}");
        let refused = built(TenantSeal::builder().table(contacts()), text);
        assert!(matches!(refused, Err(ConfigError::Lock(_))), "{text:.80}");
    }
    let newer = CONTACTS.replace("\"tenantseal\": 1", "\"tenantseal\": 2");
    for text in [newer.clone(), newer.replace("\"sort_key\"", "\"something new\"")] {
        assert_eq!(Lock::parse(&text), Err(InvalidLock::Version(2)));
    }
    assert_eq!(Lock::parse(&" ".repeat(100 << 20)), Err(InvalidLock::TooLong));
}

#[test]
fn forms_of_the_application_are_left_out_and_named() {
    let month = Form::new("month", |date| date.get(..7).map(str::to_owned));
    let schema = crm().encrypt("email").encrypt("born");
    let own = schema.clone().lookup(Lookup::on("born", month)).lookup(Lookup::on("email", Form::EMAIL));
    let lock = Lock::of(&[own.build().unwrap()]).unwrap();
    assert_eq!(lock.left_out("crm"), ["born"]);
    let known = schema.lookup(Lookup::on("email", Form::EMAIL)).build().unwrap();
    assert_eq!(lock.schemas().unwrap(), [known]);
    assert_eq!(Lock::parse(&lock.to_string()).unwrap(), lock);
}

/// The variable that names a schema to the process in which the test below runs once more.
const SCHEMA: &str = "LOCK_SCHEMA";

/// What a test of an application does.
fn check_here(schema: &str) {
    let schema = match schema {
        "lost" => crm().plain("email").build().unwrap(),
        "more" => crm().encrypt("email").encrypt("notes").build().unwrap(),
        _ => crm().encrypt("email").build().unwrap(),
    };
    Lock::check_file("tenantseal.lock.json", &[schema]).unwrap();
}

fn check(folder: &Path, schema: &str, variable: Option<&str>) -> (bool, String) {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "tables::lock::a_lock_file_is_written_for_additions_alone", "--nocapture"]);
    command.current_dir(folder).env_remove("TENANTSEAL_LOCK").env(SCHEMA, schema);
    command.envs(variable.map(|value| ("TENANTSEAL_LOCK", value)));
    let Output { status, stdout, stderr } = command.output().unwrap();
    let said = String::from_utf8([stdout, stderr].concat()).unwrap();
    assert!(said.contains("running 1 test"), "{said}");
    (status.success(), said)
}

#[test]
fn a_lock_file_is_written_for_additions_alone() {
    if let Ok(schema) = env::var(SCHEMA) {
        return check_here(&schema);
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("lock-file");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("tenantseal.lock.json");
    let at = |schema: &str, variable: Option<&str>| check(&folder, schema, variable);
    let overwrite = Some("overwrite");

    let (passed, said) = at("encrypt", None);
    assert!(!passed && said.contains("Missing") && !file.exists(), "{said}");
    assert!(at("encrypt", overwrite).0);
    let first = fs::read_to_string(&file).unwrap();
    assert!(first.contains("\"email\": \"encrypt\"") && at("encrypt", None).0, "{first}");

    // An addition: CI fails, and overwriting writes it.
    let (passed, said) = at("more", None);
    assert!(!passed && said.contains("`notes`"), "{said}");
    assert!(!at("more", Some("yes")).0, "another value of the variable is a mistake");
    assert_eq!(fs::read_to_string(&file).unwrap(), first);
    assert!(at("more", overwrite).0);
    let second = fs::read_to_string(&file).unwrap();
    let lines = |text: &str| text.lines().map(|line| line.trim_matches([' ', ',']).to_owned()).collect::<Vec<_>>();
    let added: Vec<_> = lines(&second).into_iter().filter(|line| !lines(&first).contains(line)).collect();
    assert_eq!(added, ["\"notes\": \"encrypt\""]);

    // A lost mark is not written, before a person has taken away the lines that the error names.
    let (passed, said) = at("lost", overwrite);
    assert!(!passed && said.contains("Weaker"), "{said}");
    assert_eq!(fs::read_to_string(&file).unwrap(), second);
    let by_hand =
        second.replace(",\n          \"notes\": \"encrypt\"", "").replace(",\n          \"email\": \"encrypt\"", "");
    fs::write(&file, by_hand).unwrap();
    assert!(at("lost", overwrite).0);
    assert!(at("lost", None).0 && fs::read_to_string(&file).unwrap().contains("\"email\": \"plain\""));

    // What is damaged is nobody's to overwrite.
    fs::write(&file, "{").unwrap();
    assert!(!at("encrypt", overwrite).0);
    assert_eq!(fs::read_to_string(&file).unwrap(), "{");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing is left beside it");
}
