//! The results as one SVG.

use std::fmt::Write;

use crate::report::{Build, Contender, Direction, Report, Speed, duration, factor};

const WIDTH: f64 = 1120.0;
const MARGIN: f64 = 28.0;
const BAR: f64 = 15.0;
const STEP: f64 = 19.0;
/// Where a panel's bars begin, and how long the longest is.
const LABELS: f64 = 182.0;
const PANEL: f64 = (WIDTH - 3.0 * MARGIN) / 2.0;
const LONGEST: f64 = PANEL - LABELS - 118.0;

const STYLE: &str = "text{font:12px system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;fill:#1f2937}\
.title{font-size:17px;font-weight:600}.panel{font-size:13px;font-weight:600}.note{fill:#6b7280;font-size:11px}\
.tick{fill:#9ca3af;font-size:10px;text-anchor:middle}.strong{font-weight:600}";

/// Draws the chart.
pub fn draw(report: &Report) -> String {
    let mut canvas = Canvas::default();
    canvas.text(MARGIN, 40.0, "title", "One item sealed and opened: tenantseal beside AWS's Database Encryption SDK");
    canvas.text(
        MARGIN,
        59.0,
        "note",
        "CPU time of one operation on one thread, on a logarithmic scale: shorter is better.",
    );

    let mut y = 90.0;
    let mut bottom = y;
    for (at, direction) in [Direction::Seal, Direction::Open].into_iter().enumerate() {
        let speeds: Vec<&Speed> = report.speed.iter().filter(|speed| speed.direction == direction).collect();
        bottom = f64::max(bottom, canvas.speeds(left(at), y, direction, &speeds, Scale::from_speeds(&report.speed)));
    }
    y = bottom + 34.0;

    let puts = report.puts.iter().map(|puts| {
        let label = puts.spawned_ms.map_or("did not end".to_owned(), |took| format!("{took:.0} ms"));
        Bar::new(&puts.setup, puts.spawned_ms.unwrap_or_default(), label)
    });
    let puts = canvas.bars(
        left(0),
        y,
        "16 concurrent PutItem in tasks of their own, KMS takes 20 ms",
        &puts.collect::<Vec<_>>(),
    );
    let query =
        report.query.iter().map(|query| Bar::new(&query.setup, query.wall_ms, format!("{:.1} ms", query.wall_ms)));
    let query = canvas.bars(left(1), y, "Query of 100 items", &query.collect::<Vec<_>>());
    y = f64::max(puts, query) + 34.0;

    if !report.build.is_empty() {
        let cpu =
            report.build.iter().map(|build| Bar::new(&build.program, build.cpu_s, format!("{:.0} s", build.cpu_s)));
        let cpu = canvas.bars(left(0), y, "CPU time to build a minimal program from cold", &cpu.collect::<Vec<_>>());
        let megabytes = |build: &Build| build.binary_bytes as f64 / 1e6;
        let size = report
            .build
            .iter()
            .map(|build| Bar::new(&build.program, megabytes(build), format!("{:.1} MB", megabytes(build))));
        let size = canvas.bars(left(1), y, "Its binary, stripped", &size.collect::<Vec<_>>());
        y = f64::max(cpu, size) + 34.0;
    }
    canvas.finish(y)
}

fn left(column: usize) -> f64 {
    MARGIN + column as f64 * (PANEL + MARGIN)
}

fn colour(contender: Contender) -> &'static str {
    match contender {
        Contender::Floor => "#94a3b8",
        Contender::Ours => "#0f766e",
        Contender::PeerUnsigned => "#f59e0b",
        Contender::PeerSigned => "#b45309",
    }
}

/// The colour of a set-up by its name: whose it is.
fn colour_of(title: &str) -> &'static str {
    colour(match title {
        title if title.starts_with("tenantseal") => Contender::Ours,
        "DB-ESDK, default" => Contender::PeerSigned,
        title if title.starts_with("DB-ESDK") => Contender::PeerUnsigned,
        _ => Contender::Floor,
    })
}

/// A power of ten, of microseconds.
fn tick(micros: f64) -> String {
    if micros < 1000.0 { format!("{micros:.0} µs") } else { format!("{:.0} ms", micros / 1000.0) }
}

/// A logarithmic scale from one decade to another.
#[derive(Clone, Copy)]
struct Scale {
    from: f64,
    to: f64,
}

impl Scale {
    /// The decades that hold all CPU times.
    fn from_speeds(speeds: &[Speed]) -> Self {
        let logs = || speeds.iter().map(|speed| speed.cpu_us.log10());
        Self { from: logs().fold(f64::INFINITY, f64::min).floor() - 0.3, to: logs().fold(f64::NEG_INFINITY, f64::max) }
    }

    /// The powers of ten between both ends.
    fn decades(self) -> impl Iterator<Item = f64> {
        let Self { from, to } = self;
        (0..12).map(f64::from).filter(move |decade| (from..=to).contains(decade)).map(|decade| 10_f64.powf(decade))
    }

    fn length(self, value: f64) -> f64 {
        LONGEST * (value.log10() - self.from) / (self.to - self.from)
    }
}

struct Bar<'a> {
    title: &'a str,
    value: f64,
    label: String,
}

impl<'a> Bar<'a> {
    fn new(title: &'a str, value: f64, label: String) -> Self {
        Self { title, value, label }
    }
}

#[derive(Default)]
struct Canvas(String);

impl Canvas {
    /// A panel of the items' CPU times; gives its lower end.
    fn speeds(&mut self, x: f64, y: f64, direction: Direction, speeds: &[&Speed], scale: Scale) -> f64 {
        self.text(x, y, "panel", direction.title());
        let items = speeds.chunk_by(|one, next| one.item == next.item).count() as f64;
        let bottom = y + 20.0 + items * 26.0 + speeds.len() as f64 * STEP;
        for decade in scale.decades() {
            let at = x + LABELS + scale.length(decade);
            self.text(at, y, "tick", &tick(decade));
            self.element(format_args!(
                r##"<line x1="{at:.1}" x2="{at:.1}" y1="{:.1}" y2="{:.1}" stroke="#e5e7eb"/>"##,
                y + 6.0,
                bottom - 12.0
            ));
        }
        let mut y = y + 20.0;
        for item in speeds.chunk_by(|one, next| one.item == next.item) {
            self.text(x, y + 4.0, "strong", &format!("({}) {}", item[0].item, item[0].title));
            y += 14.0;
            for speed in item {
                let time = duration(speed.cpu_us);
                let label = match speed.contender {
                    Contender::Floor | Contender::Ours => time,
                    _ => format!("{time} · {}", factor(speed.cpu_of_ours)),
                };
                self.bar(x, y, speed.contender.title(), scale.length(speed.cpu_us), colour(speed.contender), &label);
                y += STEP;
            }
            y += 12.0;
        }
        bottom
    }

    /// A panel of bars on a scale of their own that begins at zero; gives its lower end.
    fn bars(&mut self, x: f64, y: f64, title: &str, bars: &[Bar<'_>]) -> f64 {
        self.text(x, y, "panel", title);
        let most = bars.iter().map(|bar| bar.value).fold(f64::MIN_POSITIVE, f64::max);
        let mut y = y + 12.0;
        for bar in bars {
            self.bar(x, y, bar.title, LONGEST * bar.value / most, colour_of(bar.title), &bar.label);
            y += STEP;
        }
        y
    }

    fn bar(&mut self, x: f64, y: f64, title: &str, length: f64, colour: &str, label: &str) {
        self.text(x, y + 12.0, "", title);
        let from = x + LABELS;
        self.element(format_args!(
            r#"<rect x="{from:.1}" y="{y:.1}" width="{length:.1}" height="{BAR}" rx="3" fill="{colour}"/>"#
        ));
        self.text(from + length + 6.0, y + 12.0, "", label);
    }

    fn text(&mut self, x: f64, y: f64, class: &str, text: &str) {
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        self.element(format_args!(r#"<text x="{x:.1}" y="{y:.1}" class="{class}">{text}</text>"#));
    }

    fn element(&mut self, element: std::fmt::Arguments<'_>) {
        writeln!(self.0, "{element}").expect("a String takes everything");
    }

    fn finish(self, height: f64) -> String {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH:.0} {height:.0}\" role=\"img\">\n\
             <title>tenantseal beside AWS's Database Encryption SDK</title>\n<style>{STYLE}</style>\n\
             <rect width=\"{WIDTH:.0}\" height=\"{height:.0}\" rx=\"10\" fill=\"#fff\"/>\n{}</svg>\n",
            self.0
        )
    }
}
