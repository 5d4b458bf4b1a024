//! The example's output: colour and a progress bar in a terminal, plain text in a pipe.

use std::env;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::text::{duration, grouped, left, right, wrap};

/// The width of all output, in columns.
const WIDTH: usize = 80;

/// Standard output.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terminal {
    /// Whether the output is a terminal, so that lines can be overwritten.
    interactive: bool,
    colour: bool,
}

/// A text style.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Style {
    Strong,
    Dim,
    Good,
    Bad,
}

impl Terminal {
    /// Standard output, with colour if it is a terminal that supports it and `NO_COLOR` is unset
    /// (<https://no-color.org>).
    pub(crate) fn stdout() -> Self {
        let interactive = io::stdout().is_terminal() && env::var_os("TERM").is_none_or(|term| term != "dumb");
        let objected = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { interactive, colour: interactive && !objected }
    }

    /// `text` in a style, if the terminal has styles. Pad it first: escape codes have no width.
    pub(crate) fn paint(self, style: Style, text: &str) -> String {
        if !self.colour {
            return text.to_owned();
        }
        let code = match style {
            Style::Strong => "1",
            Style::Dim => "2",
            Style::Good => "32",
            Style::Bad => "31",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// One line.
    pub(crate) fn line(self, text: &str) {
        // A closed pipe (`| head`) is no failure of the example.
        let _ = writeln!(io::stdout(), "{}", text.trim_end());
    }

    /// A heading.
    pub(crate) fn heading(self, text: &str) {
        self.line("");
        self.line(&self.paint(Style::Strong, text));
    }

    /// The heading row of a table.
    pub(crate) fn columns(self, text: &str) {
        self.line(&self.paint(Style::Dim, text.trim_end()));
    }

    /// A rule below a heading row.
    pub(crate) fn rule(self) {
        self.columns(&format!("  {}", "─".repeat(WIDTH - 2)));
    }

    /// A step that succeeded, and how long it took.
    pub(crate) fn done(self, text: &str, since: Instant) {
        let taken = self.paint(Style::Dim, &right(&duration(since.elapsed()), 8));
        self.line(&format!("  {} {}{taken}", self.tick(), left(text, WIDTH - 12)));
    }

    /// A check that passed, in a table.
    pub(crate) fn found(self, text: &str) {
        self.line(&format!("  {} {text}", self.tick()));
    }

    /// A figure that belongs to the line before.
    pub(crate) fn detail(self, text: &str) {
        self.line(&self.paint(Style::Dim, &format!("    {text}")));
    }

    /// A remark on the line before.
    pub(crate) fn remark(self, text: &str) {
        for line in wrap(text, WIDTH - 6) {
            self.detail(&line);
        }
    }

    /// A failure and its causes.
    pub(crate) fn failed(self, error: &(dyn std::error::Error + 'static)) {
        self.line("");
        self.line(&format!("  {} {error}", self.paint(Style::Bad, "✗")));
        let mut cause = error.source();
        while let Some(error) = cause {
            self.remark(&format!("because: {error}"));
            cause = error.source();
        }
    }

    fn tick(self) -> String {
        self.paint(Style::Good, "✓")
    }

    /// A progress bar over `total` steps. Dropping it removes it.
    pub(crate) fn progress(self, total: usize) -> Progress {
        Progress { terminal: self, total, done: 0, drawn: None }
    }
}

/// See [`Terminal::progress`].
#[derive(Debug)]
pub(crate) struct Progress {
    terminal: Terminal,
    total: usize,
    done: usize,
    drawn: Option<Instant>,
}

impl Progress {
    const COLUMNS: usize = 40;
    /// Often enough to look smooth, rarely enough to cost nothing.
    const PAUSE: Duration = Duration::from_millis(40);

    /// Advances the bar by one step.
    pub(crate) fn step(&mut self) {
        self.done += 1;
        if self.terminal.interactive && self.drawn.is_none_or(|drawn| drawn.elapsed() >= Self::PAUSE) {
            self.drawn = Some(Instant::now());
            let filled = Self::COLUMNS * self.done / self.total.max(1);
            let rest = self.terminal.paint(Style::Dim, &"─".repeat(Self::COLUMNS - filled));
            let bar = format!("{}{rest}", "━".repeat(filled));
            self.draw(&format!("\r    {bar} {} of {}", grouped(self.done), grouped(self.total)));
        }
    }

    fn draw(&self, text: &str) {
        let mut out = io::stdout();
        // As in `Terminal::line`.
        let _ = write!(out, "{text}").and_then(|()| out.flush());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.drawn.is_some() {
            self.draw("\r\x1b[2K");
        }
    }
}
