//! Output: data to stdout, messages to stderr; colors, progress and questions for people, JSON for machines.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use serde_json::json;

use crate::args::{Color, Global};
use crate::errors::{Exit, Failure, Result};
use crate::visible::{Visible, harmless, harmless_json};

pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const WARN: Style = AnsiColor::Yellow.on_default();

/// Prints a command's answers, messages and questions.
#[derive(Debug)]
pub(crate) struct Output {
    json: bool,
    yes: bool,
    dry_run: bool,
}

impl Output {
    pub(crate) fn new(global: &Global) -> Self {
        match global.color {
            Color::Auto => anstream::ColorChoice::Auto,
            Color::Always => anstream::ColorChoice::AlwaysAnsi,
            Color::Never => anstream::ColorChoice::Never,
        }
        .write_global();
        Self { json: global.json, yes: global.yes, dry_run: global.dry_run }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    pub(crate) fn is_dry_run(&self) -> bool {
        self.dry_run
    }

    /// Prints the answer: one JSON document in one line for machines, `text` for people.
    pub(crate) fn answer(&self, text: impl Display, data: &impl Serialize) -> Result<()> {
        if !self.json {
            return self.print(text);
        }
        write_out(&harmless_json(&serde_json::to_string(data).map_err(unprintable)?))
    }

    /// Prints text to stdout. Untrusted parts of `text` must be [`Visible`].
    pub(crate) fn print(&self, text: impl Display) -> Result<()> {
        write_out(&harmless(&text.to_string()))
    }

    /// Prints a message for people; machines get none.
    pub(crate) fn say(&self, text: impl Display) {
        if !self.json {
            tell(text);
        }
    }

    /// Prints what the command would do.
    pub(crate) fn print_dry_run(&self, steps: &[String]) -> Result<Exit> {
        let text = steps.iter().map(|step| format!("{DIM}would{DIM:#} {}\n", Visible(step))).collect::<String>();
        self.answer(text, &json!({ "dry_run": true, "would": steps }))?;
        Ok(Exit::Done)
    }

    pub(crate) fn failure(&self, failure: &Failure) {
        if self.json {
            return json_failure(failure);
        }
        let help = failure.advice().map(|help| format!("; {help}")).unwrap_or_default();
        tell(format_args!("{BAD}error:{BAD:#} {}{help}", failure.message()));
    }

    /// Shows progress on a terminal, until it is dropped.
    pub(crate) fn progress(&self, what: impl Into<String>) -> Progress {
        let shown = !self.json && io::stderr().is_terminal();
        let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target)
            .with_style(style("{spinner} {wide_msg}"))
            .with_message(Visible(what.into()).to_string());
        bar.enable_steady_tick(Duration::from_millis(100));
        Progress(bar)
    }

    /// The same with a bar of `steps`.
    pub(crate) fn progress_of(&self, steps: u64, what: impl Into<String>) -> Progress {
        let progress = self.progress(what);
        progress.0.set_length(steps);
        progress.0.set_style(style("{spinner} {bar:24.cyan/dim} {pos}/{len} {wide_msg}"));
        progress
    }

    /// Asks for confirmation: the operator types `word`, or has given `--yes`.
    ///
    /// Waits on its own thread, so that Ctrl-C still ends the command.
    pub(crate) async fn confirm(&self, what: &str, word: &str) -> Result<()> {
        if self.yes {
            return Ok(());
        }
        let not_confirmed = |message: &str| Failure::new(Exit::Refused, message);
        if self.json || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return Err(not_confirmed("this needs confirmation, and there is no terminal to ask on")
                .help("give --yes, or try --dry-run first"));
        }
        tell(format_args!("{WARN}{}{WARN:#}", Visible(what)));
        let mut stderr = anstream::stderr();
        // If the question cannot be shown, no answer will match.
        let _ = write!(stderr, "Type {BOLD}{word}{BOLD:#} to go on: ").and_then(|()| stderr.flush());
        let answer = tokio::task::spawn_blocking(|| io::stdin().lines().next()).await;
        match answer {
            Ok(Some(Ok(answer))) if answer.trim() == word => Ok(()),
            _ => Err(not_confirmed("not confirmed: nothing was changed")),
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

/// Progress on a terminal, until it is dropped.
#[derive(Debug)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    pub(crate) fn step(&self, what: impl Into<String>) {
        self.0.set_message(Visible(what.into()).to_string());
        self.0.inc(1);
    }
}

impl Progress {
    /// Moves the bar.
    pub(crate) fn advance(&self, steps: u64) {
        self.0.inc(steps);
    }

    /// Hides the bar while `print` runs.
    pub(crate) fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        self.0.suspend(print)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

pub(crate) fn json_failure(failure: &Failure) {
    let exit = failure.exit();
    let data = json!({ "error": {
        "kind": exit.kind(), "message": failure.message(), "help": failure.advice(), "exit": exit.code() } });
    write_err(&harmless_json(&data.to_string()));
}

/// Prints help, the version or a usage error, which may quote untrusted text.
pub(crate) fn print_clap(said: &clap::Error) {
    let text = harmless(&said.render().ansi().to_string());
    // If the stream is closed, nobody can be told.
    let _ = if said.use_stderr() { write!(anstream::stderr(), "{text}") } else { write!(anstream::stdout(), "{text}") };
}

/// Prints a message to stderr.
fn tell(text: impl Display) {
    write_err(&harmless(&text.to_string()));
}

/// A reader that closes the pipe, such as `head`, is no failure.
fn write_out(text: &str) -> Result<()> {
    let mut stdout = anstream::stdout().lock();
    match writeln!(stdout, "{}", text.trim_end_matches('\n')).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(Exit::Done.code()),
        result => result.map_err(unprintable),
    }
}

fn write_err(text: &str) {
    // If stderr is closed, nobody can be told.
    let _ = writeln!(anstream::stderr(), "{text}");
}

fn unprintable(error: impl std::error::Error) -> Failure {
    Failure::new(Exit::Findings, format!("the answer could not be printed: {error}"))
}

/// Aligns rows in columns. The first row is the heading; columns of numbers are right-aligned. Cells are escaped here.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let cell =
        |row: &Vec<String>, column: usize| row.get(column).map(|cell| Visible(cell).to_string()).unwrap_or_default();
    let widths: Vec<_> = (0..columns)
        .map(|column| rows.iter().map(|row| cell(row, column).chars().count()).max().unwrap_or_default())
        .collect();
    let is_figure = |cell: &str| cell.chars().all(|c| c.is_ascii_digit() || "$,.%".contains(c));
    let figures: Vec<_> = (0..columns)
        .map(|column| rows.len() > 1 && rows.iter().skip(1).all(|row| is_figure(&cell(row, column))))
        .collect();
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        let line: Vec<_> = (0..columns)
            .map(|column| {
                let width = widths[column];
                let cell = cell(row, column);
                if figures[column] { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
            })
            .collect();
        let line = line.join("  ");
        let line = line.trim_end();
        match index {
            0 => text.push_str(&format!("{BOLD}{line}{BOLD:#}\n")),
            _ => text.push_str(&format!("{line}\n")),
        }
    }
    text
}

/// Formats a count with thousands separators.
pub(crate) fn count(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Prints names and values, one per line. Values are escaped here.
pub(crate) fn lines<'a>(width: usize, values: impl IntoIterator<Item = (&'a str, String)>) -> String {
    values.into_iter().map(|(name, value)| format!("  {name:<width$} {}\n", Visible(value))).collect()
}

/// A time as ISO 8601 in whole seconds.
pub(crate) fn date(time: std::time::SystemTime) -> String {
    let seconds = time.duration_since(std::time::SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let date = aws_smithy_types::DateTime::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
    date.fmt(aws_smithy_types::date_time::Format::DateTime).unwrap_or_default()
}

/// A timestamp of the registry or of KMS in whole seconds.
pub(crate) fn moment(time: tenantseal_tenants::Timestamp) -> String {
    let text = time.to_string();
    text.split_once('.').map_or(text.clone(), |(seconds, _)| format!("{seconds}Z"))
}
