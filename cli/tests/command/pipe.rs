//! In a pipe: what every command prints, for people and for machines.

use std::process::{Command, Stdio};

use crate::transcript::{Local, assert_prints_what_it_says, root};

#[test]
fn the_life_of_a_tenant_is_printed_as_recorded() {
    assert_prints_what_it_says("cli/tests/transcripts/life.md");
}

#[test]
fn every_answer_has_its_json() {
    assert_prints_what_it_says("cli/tests/transcripts/json.md");
}

#[test]
fn the_help_of_every_command_is_printed_as_recorded() {
    assert_prints_what_it_says("cli/tests/transcripts/help.md");
}

#[test]
fn the_guide_shows_what_the_command_prints() {
    assert_prints_what_it_says("docs/COMMAND.md");
}

#[test]
fn what_the_readme_shows_of_doctor_is_in_the_guide() {
    let [readme, guide] =
        ["README.md", "docs/COMMAND.md"].map(|path| std::fs::read_to_string(root().join(path)).unwrap());
    let (_, shown) = readme.split_once("```console\n").unwrap();
    let (shown, _) = shown.split_once("```").unwrap();
    assert!(shown.contains('✗'));
    for line in shown.lines().filter(|line| *line != "…") {
        assert!(guide.lines().any(|told| told == line || told.starts_with(&format!("{line} |"))), "{line}");
    }
}

#[test]
fn the_charts_of_the_guide_are_what_their_commands_draw() {
    let guide = std::fs::read_to_string(root().join("docs/COMMAND.md")).unwrap();
    for chart in ["docs/cost.svg", "docs/lookups-plan.svg"] {
        let (before, _) = guide.split_once(&format!(" --svg {chart}`")).unwrap();
        let (_, arguments) = before.rsplit_once("`tenantseal ").unwrap();
        let words = arguments.split_whitespace().chain(["--svg", "-"]);
        let drawn = Command::new(env!("CARGO_BIN_EXE_tenantseal")).args(words).output().unwrap();
        assert!(drawn.status.success() && drawn.stdout.starts_with(b"<svg"), "{drawn:?}");
        let committed = snapbox::Data::read_from(&root().join(chart), None).raw();
        snapbox::Assert::new().action_env("SNAPSHOTS").eq(String::from_utf8(drawn.stdout).unwrap(), committed);
    }
}

#[test]
fn data_goes_to_stdout_and_talk_to_stderr_without_colours() {
    let local = Local::start();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenantseal"));
        command.args(arguments).env_clear().envs(local.environment.clone()).stdin(Stdio::null()).output().unwrap()
    };
    let plan = &["lookup", "plan", "--items", "500", "--uniform", "900"];
    for arguments in
        [&["list"][..], &["show", "acme"], &["doctor"], &["cost"], plan, &["onboard", "initech"], &["policy", "role"]]
    {
        let output = run(arguments);
        assert!(output.status.success(), "{arguments:?}");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{arguments:?}");
        assert!(!output.stdout.contains(&0x1b), "{arguments:?}");
    }
    let output = run(&["--color", "always", "list"]);
    assert!(output.stdout.contains(&0x1b));
    let output = run(&["show", "nobody"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(6), 0));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let local = Local::start();
    let command = env!("CARGO_BIN_EXE_tenantseal");
    for arguments in [
        "cost",
        "lookup plan --items 500 --uniform 900",
        "list",
        "list --json",
        "show acme --history",
        "doctor",
        "policy role",
        "completions bash",
        "man",
        "--help",
        "onboard a b c --dry-run",
        "show nobody",
    ] {
        for reader in ["true", "head -1", "head -c 1"] {
            let line = format!("{command} {arguments} | {reader} >/dev/null");
            let output = Command::new("bash").args(["-c", &line]).envs(local.environment.clone()).output().unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(said.is_empty(), arguments != "show nobody", "{line}: {said}");
            assert!(!said.contains("panicked"), "{line}: {said}");
        }
    }
    let nobody_listens = format!("{command} show nobody 2>&- >&-");
    let output = Command::new("bash").args(["-c", &nobody_listens]).envs(local.environment.clone()).output().unwrap();
    assert_eq!(output.status.code(), Some(6));
}

#[test]
fn a_table_without_recovery_is_no_success_and_the_next_step_is_named() {
    let local = Local::start();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenantseal"));
        command.args(arguments).env_clear().envs(local.environment.clone()).output().unwrap()
    };
    // The local DynamoDB has no backups.
    let next = "aws dynamodb update-continuous-backups --table-name keys \
                --point-in-time-recovery-specification PointInTimeRecoveryEnabled=true";
    let output = run(&["init", "--key-table", "keys"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("point-in-time recovery of keys is off") && said.contains(next), "{said}");
    let output = run(&["init", "--key-table", "keys", "--json"]);
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &told["next"][1]), (Some(1), &next.into()));
}

#[test]
fn the_manual_page_has_the_commands_and_the_exit_codes() {
    let output = Command::new(env!("CARGO_BIN_EXE_tenantseal")).arg("man").output().unwrap();
    let page = String::from_utf8(output.stdout).unwrap();
    for part in [".TH tenantseal 1", "cancel\\-offboard", "endpoint\\-url", "interrupted"] {
        assert!(page.contains(part), "`{part}` is not in the page");
    }
}
