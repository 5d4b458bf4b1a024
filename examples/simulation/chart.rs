//! KMS calls per hour over the week, as one SVG.

use std::fmt::Write;

use crate::report::{Report, thousands};

const WIDTH: f64 = 1120.0;
const HEIGHT: f64 = 460.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = WIDTH - 28.0;
const TOP: f64 = 112.0;
const BOTTOM: f64 = HEIGHT - 48.0;
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const HOURS: f64 = 7.0 * 24.0;
/// The lines to draw, and their colours.
const LINES: [(&str, &str); 3] =
    [("defaults", "#b45309"), ("defaults, key table", "#0f766e"), ("2 processes a tenant, key table", "#6366f1")];

const STYLE: &str = "text{font:12px system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;fill:#1f2937}\
.title{font-size:17px;font-weight:600}.note{fill:#6b7280;font-size:11px}.tick{fill:#6b7280;font-size:11px;text-anchor:end}\
.day{fill:#6b7280;font-size:11px;text-anchor:middle}";

/// Draws the chart with its own background, so that it is legible on a dark page.
pub(crate) fn draw(report: &Report) -> String {
    let title = "KMS calls per hour";
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">\n<title>{title} over a week</title>\n\
         <style>{STYLE}</style>\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"10\" fill=\"#fff\"/>\n"
    );
    let mut add = |element: std::fmt::Arguments<'_>| writeln!(svg, "{element}").expect("a String takes everything");
    let (tenants, processes) = (thousands(report.tenants.into()), report.processes);
    add(format_args!(
        r#"<text x="28" y="40" class="title">{title}: a week of {tenants} tenants on {processes} processes</text>"#
    ));
    add(format_args!(
        r#"<text x="28" y="59" class="note">Tuesday and Thursday at 14:00 all processes are replaced. Days are UTC.</text>"#
    ));

    let drawn = || LINES.iter().filter_map(|(name, colour)| Some((report.row(name)?, colour)));
    let most = drawn().flat_map(|(row, _)| &row.hourly).copied().max().unwrap_or_default().max(1);
    let step = step(most);
    let top = most.div_ceil(step) * step;
    let y = |calls: u64| BOTTOM - (BOTTOM - TOP) * calls as f64 / top as f64;
    let x = |hour: f64| LEFT + (RIGHT - LEFT) * hour / HOURS;
    for calls in (0..=top / step).map(|line| line * step) {
        let at = y(calls);
        add(format_args!(r##"<line x1="{LEFT}" x2="{RIGHT}" y1="{at:.1}" y2="{at:.1}" stroke="#e5e7eb"/>"##));
        add(format_args!(
            r#"<text x="{:.1}" y="{:.1}" class="tick">{}</text>"#,
            LEFT - 8.0,
            at + 4.0,
            thousands(calls)
        ));
    }
    for (day, name) in (0..7_u8).zip(DAYS) {
        let from = x(24.0 * f64::from(day));
        add(format_args!(r##"<line x1="{from:.1}" x2="{from:.1}" y1="{TOP}" y2="{BOTTOM}" stroke="#e5e7eb"/>"##));
        let middle = x(24.0 * f64::from(day) + 12.0);
        add(format_args!(r#"<text x="{middle:.1}" y="{:.1}" class="day">{name}</text>"#, BOTTOM + 20.0));
    }
    for (at, (row, colour)) in drawn().enumerate() {
        let from = 28.0 + 270.0 * at as f64;
        add(format_args!(r#"<rect x="{from:.1}" y="76" width="18" height="4" rx="2" fill="{colour}"/>"#));
        add(format_args!(r#"<text x="{:.1}" y="82">{}</text>"#, from + 26.0, row.name));
        let points =
            row.hourly.iter().enumerate().map(|(hour, calls)| format!("{:.1},{:.1}", x(hour as f64 + 0.5), y(*calls)));
        let points = points.collect::<Vec<_>>().join(" ");
        add(format_args!(
            r#"<polyline fill="none" stroke="{colour}" stroke-width="2" stroke-linejoin="round" points="{points}"/>"#
        ));
    }
    svg + "</svg>\n"
}

/// A round number, a fifth to a tenth of `most`.
fn step(most: u64) -> u64 {
    let mut step = 1;
    for factor in [2, 5, 10].into_iter().cycle() {
        if most <= 6 * step {
            return step;
        }
        // 1, 2, 5, 10, 20, …
        step = match factor {
            2 => step * 2,
            5 => step / 2 * 5,
            _ => step * 2,
        };
    }
    step
}
