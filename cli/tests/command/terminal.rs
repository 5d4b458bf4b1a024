//! In a real terminal, which tmux is: colours, questions, progress and Ctrl-C.

use std::process::Command;
use std::time::{Duration, Instant};

use snapbox::{Assert, Data};

use crate::redact::redact;
use crate::transcript::root;
use crate::world::World;

/// A shell in a terminal of 110 by 60.
struct Terminal {
    socket: String,
}

impl Terminal {
    /// None where there is no tmux; in CI that is a failure.
    fn start(world: &World) -> Option<Self> {
        if Command::new("tmux").arg("-V").output().is_err() {
            assert!(std::env::var_os("TENANTSEAL_REQUIRE_TMUX").is_none(), "tmux is missing");
            eprintln!("skipped: tmux is missing");
            return None;
        }
        let folder = world.path().file_name().unwrap().to_string_lossy().into_owned();
        let terminal = Self { socket: format!("tenantseal-{folder}") };
        let binaries = std::path::Path::new(env!("CARGO_BIN_EXE_tenantseal")).parent().unwrap().display().to_string();
        let mut shell =
            vec!["new-session", "-d", "-x", "110", "-y", "100", "env", "-i", "TERM=screen-256color", "LANG=C.UTF-8"];
        let mut variables: Vec<_> = world.environment().iter().map(|(name, value)| format!("{name}={value}")).collect();
        variables.retain(|variable| !variable.starts_with("PATH="));
        variables.push(format!("PATH={binaries}:{}", std::env::var("PATH").unwrap()));
        variables.push("AWS_PROFILE=operator".to_owned());
        variables.push("PS1=ready> ".to_owned());
        shell.extend(variables.iter().map(String::as_str));
        shell.push("sh");
        terminal.tmux(&shell);
        terminal.wait_for("ready>");
        Some(terminal)
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let output =
            Command::new("tmux").args(["-u", "-L", &self.socket, "-f", "/dev/null"]).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Types a line.
    fn type_in(&self, line: &str) {
        self.tmux(&["send-keys", "-l", line]);
        self.tmux(&["send-keys", "Enter"]);
    }

    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// The screen once it contains `text`.
    fn wait_for(&self, text: &str) -> String {
        let since = Instant::now();
        loop {
            let screen = self.screen();
            if screen.contains(text) {
                return screen;
            }
            assert!(since.elapsed() < Duration::from_secs(60), "`{text}` does not appear:\n{screen}");
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// Begins a line on an empty screen. When it has ended, `[exit <code>]` stands at the beginning of a line.
    fn begin(&self, line: &str) {
        self.type_in("clear");
        let since = Instant::now();
        while self.screen().trim() != "ready>" {
            assert!(since.elapsed() < Duration::from_secs(60), "{}", self.screen());
            std::thread::sleep(Duration::from_millis(30));
        }
        self.type_in(&format!("{line}; echo \"[exit $?]\""));
    }

    /// Runs a line until it has ended; gives the screen.
    fn run(&self, line: &str) -> String {
        self.begin(line);
        self.wait_for("\n[exit ")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // The server of this socket alone.
        let _ = Command::new("tmux").args(["-L", &self.socket, "kill-server"]).output();
    }
}

/// Runs what drives a terminal beside the stack.
async fn in_terminal(drive: impl FnOnce(&World, &Terminal) + Send + 'static) {
    let world = World::start().await;
    let driven = tokio::task::spawn_blocking(move || {
        let Some(terminal) = Terminal::start(&world) else { return };
        drive(&world, &terminal);
    });
    driven.await.unwrap();
}

fn assert_screen(screen: &str, name: &str) {
    let path = root().join(format!("cli/tests/transcripts/{name}.txt"));
    // The shell asks for the next line at once, or a moment later.
    let screen = format!("{}\n", redact(screen).trim_end().trim_end_matches("ready>").trim_end());
    Assert::new().action_env("SNAPSHOTS").eq(screen, Data::read_from(&path, None).raw());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checklist_has_colours_and_says_what_mends() {
    in_terminal(|_, terminal| {
        terminal.run("tenantseal doctor acme globex --service-profile service");
        let screen = terminal.tmux(&["capture-pane", "-p", "-e"]);
        assert!(screen.contains("\u{1b}[32m✓"), "green: {screen}");
        let screen = terminal.run("tenantseal doctor acme --service-profile nobody");
        assert!(screen.contains("✗ the role can be assumed for a tenant"), "{screen}");
        let screen = terminal.tmux(&["capture-pane", "-p", "-e"]);
        assert!(screen.contains("31m✗"), "red: {screen}");
        terminal.run("NO_COLOR=1 tenantseal doctor acme --service-profile nobody");
        let screen = terminal.tmux(&["capture-pane", "-p", "-e"]);
        assert!(!screen.contains("31m✗") && screen.contains("✗"), "{screen}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_screen_of_a_checklist_is_as_recorded() {
    in_terminal(|_, terminal| {
        let screen = terminal.run("tenantseal doctor acme globex --service-profile service");
        assert_screen(&screen, "screen-doctor");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_destructive_command_asks_for_the_tenants_id() {
    in_terminal(|_, terminal| {
        terminal.begin("tenantseal suspend acme");
        terminal.wait_for("Type acme to go on:");
        terminal.type_in("yes");
        let screen = terminal.wait_for("\n[exit ");
        assert!(screen.contains("not confirmed: nothing was changed") && screen.contains("[exit 3]"), "{screen}");
        assert!(terminal.run("tenantseal list").contains("acme    active"));

        terminal.begin("tenantseal suspend acme");
        terminal.wait_for("Type acme to go on:");
        terminal.type_in("acme");
        let screen = terminal.wait_for("\n[exit ");
        assert_screen(&screen, "screen-suspend");
        assert!(terminal.run("tenantseal list").contains("acme    suspended"));
        assert!(terminal.run("tenantseal offboard globex --yes").contains("[exit 0]"), "--yes does not ask");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ctrl_c_ends_a_question_and_a_call_that_hangs() {
    in_terminal(|world, terminal| {
        terminal.begin("tenantseal offboard acme");
        terminal.wait_for("Type acme to go on:");
        terminal.tmux(&["send-keys", "C-c"]);
        // The shell gives up its line as well.
        terminal.wait_for("interrupted; run the same command again");
        assert!(terminal.run("tenantseal list").contains("acme    active"));

        world.stack.faults().on("CreateKey").hang();
        terminal.begin("tenantseal onboard initech");
        terminal.wait_for("onboarding");
        terminal.tmux(&["send-keys", "C-c"]);
        terminal.wait_for("interrupted; run the same command again");
        world.stack.faults().clear();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn progress_is_shown_while_something_is_under_way_and_gone_afterwards() {
    in_terminal(|world, terminal| {
        world.stack.faults().on("GenerateDataKey").delay(Duration::from_millis(150));
        terminal.begin("tenantseal doctor acme globex --service-profile service");
        terminal.wait_for("acme against globex: ");
        let screen = terminal.wait_for("\n[exit 0]");
        assert!(!screen.contains("acme against globex: "), "{screen}");
        world.stack.faults().on("CreateKey").delay(Duration::from_secs(1));
        terminal.begin("tenantseal onboard initech umbrella");
        terminal.wait_for("0/2 onboarding");
        let screen = terminal.wait_for("\n[exit 0]");
        assert!(screen.contains("✓ initech active") && !screen.contains("/2 "), "{screen}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_onboarding_that_was_interrupted_says_so_and_goes_on() {
    in_terminal(|world, terminal| {
        world.stack.faults().on("CreateAlias").hang();
        terminal.begin("tenantseal onboard initech umbrella");
        terminal.wait_for("onboarding");
        while world.stack.calls().count("CreateAlias") < 6 {
            std::thread::sleep(Duration::from_millis(5)); // two of each of the world's tenants, one of each of these
        }
        terminal.tmux(&["send-keys", "C-c"]);
        terminal.wait_for("interrupted; run the same command again to continue where it stopped");
        world.stack.faults().clear();
        assert!(terminal.run("tenantseal list").contains("onboarding, onboard unfinished"));
        let made = world.stack.calls().count("CreateKey");
        let screen = terminal.run("tenantseal onboard initech umbrella");
        assert!(screen.contains("✓ initech active") && screen.contains("✓ umbrella active"), "{screen}");
        assert_eq!(world.stack.calls().count("CreateKey"), made, "no key twice");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_input_is_one_line_at_a_terminal_too() {
    in_terminal(|_, terminal| {
        terminal.tmux(&["resize-window", "-x", "500", "-y", "60"]);
        for (line, exit, says) in [
            ("tenantseal show nobody", 6, "not in the registry: onboard it first"),
            ("tenantseal onboard initech --profile stranger", 4, "keys belong in account 111111111111"),
            ("tenantseal onboard initech --profile nobody", 4, "lack that permission"),
            ("tenantseal list --role TenantKeys", 2, "a role ARN has the shape"),
            ("tenantseal list --endpoint-url http://127.0.0.1:1", 5, "the endpoint does not answer"),
            ("tenantseal show acme --profile missing", 4, "choose a --profile that exists"),
        ] {
            for (further, begins) in [("", "error: "), (" --json", "{\"error\":")] {
                let screen = terminal.run(&format!("{line}{further}"));
                let lines: Vec<_> =
                    screen.lines().filter(|line| !line.is_empty() && !line.starts_with("ready>")).collect();
                let [told, ended] = lines[..] else { panic!("{screen}") };
                assert!(told.starts_with(begins) && told.contains(says), "{screen}");
                assert_eq!(ended, format!("[exit {exit}]"));
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_narrow_terminal_breaks_nothing() {
    in_terminal(|_, terminal| {
        terminal.tmux(&["resize-window", "-x", "24", "-y", "60"]);
        for line in [
            "tenantseal list",
            "tenantseal cost",
            "tenantseal show acme",
            "tenantseal --help | tail -3",
            "tenantseal onboard initech",
        ] {
            let screen = terminal.run(line);
            assert!(screen.contains("[exit 0]") && !screen.contains("panicked"), "{screen}");
        }
    })
    .await;
}
