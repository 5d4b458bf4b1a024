//! `lookup plan`: the figures of known distributions, what counts may look like, and that nothing leaves the machine.

use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn run(arguments: &[&str]) -> Output {
    run_in(Path::new("."), arguments, "")
}

/// Without any environment: no Region, no credentials.
fn run_in(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenantseal"));
    command.args(["lookup", "plan"]).args(arguments).current_dir(folder).env_clear();
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that ends before it has read all of it closes the pipe.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn plan_of(output: &Output) -> Value {
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn plan(arguments: &[&str]) -> Value {
    plan_of(&run(&[arguments, &["--json"]].concat()))
}

/// A plan of counts, one a line.
fn plan_of_counts(counts: &[u64], arguments: &[&str]) -> Value {
    let lines: String = counts.iter().map(|count| format!("{count}\n")).collect();
    plan_of(&run_in(Path::new("."), &[arguments, &["--counts", "-", "--json"]].concat(), &lines))
}

fn row(plan: &Value, bits: u64) -> &Value {
    plan["rows"].as_array().unwrap().iter().find(|row| row["bits"] == bits).unwrap()
}

/// Expected guesses are means of an independent simulation, which draws items. Tables differ much from each other.
fn assert_near(row: &Value, name: &str, expected: f64, tolerance: f64) {
    let found = row[name].as_f64().unwrap();
    assert!((found - expected).abs() <= tolerance, "{name} with {} bits: {found}, not {expected}", row["bits"]);
}

/// As surnames of a large country: 20,000, the commonest 0.69 %.
fn surnames() -> Vec<u64> {
    (1..=20_000).map(|rank| 1_000_000_000 / (rank + 20)).collect()
}

#[test]
fn surnames_show_what_another_simulation_found() {
    let plan = plan_of_counts(&surnames(), &["--items", "50000"]);
    let expected = [
        (128, 0.041, 0.28, 1.0, 52.0, 1.0),
        (12, 0.031, 0.21, 0.81, 64.0, 13.2),
        (10, 0.021, 0.15, 0.51, 100.0, 50.0),
        (7, 0.012, 0.11, 0.12, 442.0, 391.0),
    ];
    for (bits, guessed, of_commonest, equal, read, rare) in expected {
        let row = row(&plan, bits);
        assert_near(row, "guessed", guessed, 0.006);
        assert_near(row, "guessed_of_commonest", of_commonest, 0.05);
        assert_near(row, "equal", equal, 0.015);
        assert_near(row, "read", read, read * 0.02);
        assert_near(row, "read_rare", rare, rare * 0.02);
    }
    assert_near(row(&plan, 7), "peak", 1.88, 0.02);
    assert_near(row(&plan, 8), "peak", 2.76, 0.02);
    assert_eq!((&plan["most_bits"], &plan["advice"]["bits"]), (&7.into(), &7.into()));
    assert_near(&plan, "min_entropy", 7.18, 0.01);
    assert!(plan["recommendation"].as_str().unwrap().starts_with("`bits = 7`"), "{plan}");
}

#[test]
fn zipf_shows_what_another_simulation_found() {
    let plan = plan(&["--items", "50000", "--zipf", "1", "--values", "2000"]);
    let expected = [(128, 0.44, 0.92, 1.0, 1_230.0), (10, 0.38, 0.84, 0.963, 1_278.0), (5, 0.23, 0.53, 0.446, 2_754.0)];
    for (bits, guessed, of_commonest, equal, read) in expected {
        let row = row(&plan, bits);
        assert_near(row, "guessed", guessed, 0.05);
        assert_near(row, "guessed_of_commonest", of_commonest, 0.1);
        assert_near(row, "equal", equal, 0.015);
        assert_near(row, "read", read, read * 0.02);
    }
    assert_eq!((plan["values"].as_f64(), &plan["most_bits"]), (Some(2_000.0), &3.into()));
}

#[test]
fn unique_values_lose_nothing_to_an_exact_lookup() {
    let plan = plan_of_counts(&[1; 5_000], &[]);
    let exact = row(&plan, 128);
    assert_eq!((exact["read"].as_f64(), exact["equal"].as_f64()), (Some(1.0), None));
    assert_near(exact, "guessed", 0.0, 0.002);
    assert_eq!((&plan["advice"], plan["items"].as_f64()), (&"unique".into(), Some(5_000.0)));
    assert!(plan["recommendation"].as_str().unwrap().contains("an exact lookup"), "{plan}");
}

#[test]
fn values_that_repeat_equally_often_may_be_looked_up_exactly() {
    let plan = plan(&["--items", "50000", "--uniform", "1000"]);
    assert_eq!((&plan["advice"], &plan["most_bits"]), (&"even".into(), &128.into()));
    assert_near(row(&plan, 128), "read", 51.0, 0.1);
    assert_near(row(&plan, 128), "guessed", 0.0, 0.01);
}

#[test]
fn few_values_get_no_single_lookup() {
    let blood_groups = [370, 360, 85, 70, 66, 20, 15, 6];
    let plan = plan_of_counts(&blood_groups, &["--items", "50000"]);
    assert_near(row(&plan, 128), "guessed", 1.0, 0.0);
    assert_eq!((&plan["advice"], &plan["most_bits"]), (&"few_values".into(), &Value::Null));
    assert!(plan["recommendation"].as_str().unwrap().contains("part of a compound lookup"), "{plan}");
    // So many values that they are not few, but one that most items have.
    let mostly_one: Vec<_> = std::iter::once(9_000).chain([1; 1_000]).collect();
    assert_eq!(plan_of_counts(&mostly_one, &[])["advice"], "too_common");
}

#[test]
fn a_small_tenant_has_little_frequency_to_show() {
    let plan = plan_of_counts(&surnames(), &["--items", "500"]);
    for (bits, guessed, read) in [(128, 0.006, 1.5), (8, 0.007, 3.5), (5, 0.012, 17.0)] {
        assert_near(row(&plan, bits), "guessed", guessed, 0.006);
        assert_near(row(&plan, bits), "read", read, read * 0.05);
    }
    assert_eq!(plan["advice"], "unique");
}

#[test]
fn values_that_are_not_simulated_count_among_the_items() {
    let [all, some] =
        ["60000", "600000"].map(|values| plan(&["--items", "1000000", "--zipf", "1.2", "--values", values]));
    // The same ratios among the commonest values, and less of each.
    let less = some["commonest"].as_f64().unwrap() / all["commonest"].as_f64().unwrap();
    for bits in [128, 14, 12] {
        let expected = row(&all, bits)["guessed"].as_f64().unwrap() * less;
        assert_near(row(&some, bits), "guessed", expected, 0.012);
    }
    assert_eq!(some["simulated"]["values"].as_f64(), Some(65_536.0));
}

#[test]
fn a_plan_repeats_itself() {
    let arguments = ["--items", "9000", "--zipf", "0.8", "--values", "700"];
    assert_eq!(run(&arguments).stdout, run(&arguments).stdout);
}

#[test]
fn counts_come_as_spreadsheets_and_databases_write_them() {
    let folder = tempfile::tempdir().unwrap();
    let bare = plan_of_counts(&[12, 7, 7, 1], &[]);
    for text in [
        "Miller,12\nSmith,7\nJones,7\nDoe,1\n",
        "\u{feff}last name,count\r\n\"Miller, jr.\",12\r\nSmith,\"7\"\r\nJones, 7\r\n\r\nDoe,1",
        "12\n0\n7\n7\n1\n0\n",
    ] {
        std::fs::write(folder.path().join("counts.csv"), text).unwrap();
        let plan = plan_of(&run_in(folder.path(), &["--counts", "counts.csv", "--json"], ""));
        assert_eq!(plan, bare, "{text}");
    }
}

#[test]
fn bad_lines_are_named_by_number_and_values_by_nothing() {
    for (text, says) in [
        ("Miller,12\nSmithson,\nJones,1", "line 2 has no count"),
        ("Miller,12\nSmithson,-7\n\nJones,1.5\nDoe,1e3\n", "lines 2, 4, 5 have no count"),
        ("Miller,1\nSmithson\n", "line 2 has no count"),
        ("Miller12\nSmithson,99999999999999999999\n", "lines 1, 2 have no count"),
        ("a,x1\nb,x\nc,x\nd,x\ne,x\nf,x\ng,x\nh,3\n", "lines 1, 2, 3, 4, 5 and 2 more have no count"),
        ("last name,count\n", "no value has a count above 0"),
        ("", "no value has a count above 0"),
    ] {
        let output = run_in(Path::new("."), &["--counts", "-"], text);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{said}");
        assert!(said.starts_with("error: stdin: ") && said.contains(says), "`{says}` is not in: {said}");
        assert!(said.trim_end().lines().count() == 1 && !said.contains("Smithson"), "{said}");
    }
    let output = run(&["--counts", "missing.csv", "--json"]);
    let said: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert!(said["error"]["message"].as_str().unwrap().starts_with("missing.csv: "), "{said}");
}

#[test]
fn a_line_without_end_does_not_fill_the_memory() {
    let command = env!("CARGO_BIN_EXE_tenantseal");
    // 1.5 GB in one line, in an address space of 1 GB.
    let line = format!("ulimit -v 1000000; head -c 1500000000 /dev/zero | {command} lookup plan --counts -");
    let output = Command::new("sh").args(["-c", &line]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && said.contains("line 1 has no count"), "{said}");
}

#[test]
fn a_plan_needs_one_distribution_and_all_of_it() {
    for arguments in [
        &["--items", "5"][..],
        &["--items", "5", "--uniform", "9", "--counts", "x"],
        &["--items", "5", "--zipf", "1"],
        &["--items", "5", "--values", "9"],
        &["--items", "5", "--zipf", "-1", "--values", "9"],
        &["--items", "5", "--zipf", "NaN", "--values", "9"],
        &["--items", "0", "--uniform", "9"],
        &["--items", "5", "--uniform", "0"],
        &["--uniform", "9"],
    ] {
        let output = run(&[arguments, &["--json"]].concat());
        let said: Value = serde_json::from_slice(&output.stderr).unwrap();
        assert_eq!((output.status.code(), &said["error"]["kind"]), (Some(2), &"usage".into()), "{arguments:?}");
    }
    // The smallest of all.
    assert_eq!(row(&plan(&["--items", "1", "--uniform", "1"]), 128)["read"].as_f64(), Some(1.0));
}

#[test]
fn a_plan_calls_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let arguments = ["--items", "500", "--uniform", "900", "--endpoint-url", &address, "--region", "us-east-1"];
    assert!(run(&arguments).status.success());
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn the_chart_has_every_number_of_bits_and_goes_where_it_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--items", "50000", "--zipf", "0.5", "--values", "900", "--svg"];
    let drawn = run_in(folder.path(), &[&arguments[..], &["-"]].concat(), "").stdout;
    let chart = String::from_utf8(drawn.clone()).unwrap();
    for bits in (4..=16).chain([128]) {
        assert!(chart.contains(&format!(">{bits}</text>")), "{bits}");
    }
    for part in ["<svg ", "prefers-color-scheme:dark", "class=\"most\"", "<polyline", "</svg>"] {
        assert!(chart.contains(part), "{part}");
    }
    let dry = run_in(folder.path(), &[&arguments[..], &["plan.svg", "--dry-run"]].concat(), "");
    assert!(dry.status.success() && !folder.path().join("plan.svg").exists());
    let written = run_in(folder.path(), &[&arguments[..], &["plan.svg"]].concat(), "");
    assert!(written.stdout.starts_with(b"bits "), "{written:?}");
    assert_eq!(std::fs::read(folder.path().join("plan.svg")).unwrap(), drawn);
}
