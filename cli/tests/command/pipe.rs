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
fn the_chart_of_the_guide_is_what_its_command_draws() {
    let guide = std::fs::read_to_string(root().join("docs/COMMAND.md")).unwrap();
    let (before, _) = guide.split_once(" --svg docs/cost.svg`").unwrap();
    let (_, arguments) = before.rsplit_once("`tenantseal ").unwrap();
    let words = arguments.split_whitespace().chain(["--svg", "-"]);
    let drawn = Command::new(env!("CARGO_BIN_EXE_tenantseal")).args(words).output().unwrap();
    assert!(drawn.status.success() && drawn.stdout.starts_with(b"<svg"), "{drawn:?}");
    let committed = snapbox::Data::read_from(&root().join("docs/cost.svg"), None).raw();
    snapbox::Assert::new().action_env("SNAPSHOTS").eq(String::from_utf8(drawn.stdout).unwrap(), committed);
}

#[test]
fn data_goes_to_stdout_and_talk_to_stderr_without_colours() {
    let local = Local::start();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenantseal"));
        command.args(arguments).env_clear().envs(local.environment.clone()).stdin(Stdio::null()).output().unwrap()
    };
    for arguments in
        [&["list"][..], &["show", "acme"], &["doctor"], &["cost"], &["onboard", "initech"], &["policy", "role"]]
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
    let line = format!("{} cost | true", env!("CARGO_BIN_EXE_tenantseal"));
    let mut shell = Command::new("sh");
    let output = shell.args(["-c", &line]).envs(local.environment.clone()).output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn a_dry_run_changes_nothing() {
    let local = Local::start();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenantseal"));
        let output = command.args(arguments).env_clear().envs(local.environment.clone()).stdin(Stdio::null()).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let before = [run(&["list", "--json"]), run(&["show", "acme", "--json", "--history"])];
    for arguments in [
        &["init"][..],
        &["onboard", "initech"],
        &["rotate", "acme"],
        &["rotate", "acme", "--on-demand"],
        &["rotate", "acme", "--new-key"],
        &["suspend", "acme"],
        &["resume", "acme"],
        &["offboard", "acme"],
    ] {
        let said = run(&[arguments, &["--dry-run"]].concat());
        assert!(said.contains("would"), "{arguments:?}: {said}");
    }
    assert_eq!(before, [run(&["list", "--json"]), run(&["show", "acme", "--json", "--history"])]);
}
