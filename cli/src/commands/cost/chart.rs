//! The estimate as an SVG: stacked bars that are readable on light and dark pages, and in black and white.

use super::model::{Design, Estimate};
use super::money;
use crate::output::count;
use crate::svg::{self, Colors, WIDTH, line, text};

const LEFT: f64 = 24.0;
const RIGHT: f64 = 110.0;
const TOP: f64 = 92.0;
const ROW: f64 = 62.0;
const BAR: f64 = 26.0;

const COLORS: Colors =
    Colors { light: ".keys{fill:#0969da}.requests{fill:#bc4c00}", dark: ".keys{fill:#4493f8}.requests{fill:#f0883e}" };

/// Draws a bar for each design: the cost of its keys and of its requests.
pub(super) fn draw(estimates: &[(Design, Estimate)], subtitle: &str) -> String {
    let most = estimates.iter().map(|(_, estimate)| estimate.total()).fold(0.0, f64::max);
    let step = step(most);
    let end = (most / step).ceil().max(1.0) * step;
    let scale = (WIDTH - LEFT - RIGHT) / end;
    let bottom = estimates.iter().fold(TOP, |y, _| y + ROW);
    let height = bottom + 52.0;
    let described: Vec<_> =
        estimates.iter().map(|(design, e)| format!("{}: {}", design.name(), money(e.total()))).collect();

    let mut svg = svg::begin(height, "Cost of a month, in US dollars", &described.join("; "), COLORS);
    svg.push_str(&text(LEFT, 32.0, "ink", "start", 17, "Cost of a month"));
    svg.push_str(&text(LEFT, 53.0, "dim", "start", 12, subtitle));
    for (x, class, label) in [(LEFT, "keys", "keys"), (LEFT + 62.0, "requests", "requests to KMS")] {
        svg.push_str(&format!("<rect class=\"{class}\" x=\"{x}\" y=\"66\" width=\"11\" height=\"11\" rx=\"2\"/>\n"));
        svg.push_str(&text(x + 17.0, 76.0, "dim", "start", 12, label));
    }
    let mut tick = 0.0;
    while tick <= end + step / 2.0 {
        let x = LEFT + tick * scale;
        let class = if tick == 0.0 { "axis" } else { "grid" };
        svg.push_str(&line(class, (x, TOP), (x, bottom)));
        svg.push_str(&text(x, bottom + 18.0, "dim", "middle", 12, &format!("${}", label(tick, step))));
        tick += step;
    }
    svg.push_str(&text(LEFT + end * scale / 2.0, bottom + 40.0, "dim", "middle", 12, "US dollars a month"));
    let mut y = TOP;
    for (design, estimate) in estimates {
        let bar = y + 26.0;
        svg.push_str(&text(LEFT + 6.0, y + 19.0, "ink", "start", 13, design.name()));
        let mut x = LEFT;
        for (class, cost) in [("keys", estimate.key_cost), ("requests", estimate.request_cost)] {
            let width = cost * scale;
            svg.push_str(&format!(
                "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{bar}\" width=\"{width:.1}\" height=\"{BAR}\"><title>{class}: {}</title></rect>\n",
                money(cost)
            ));
            x += width;
        }
        svg.push_str(&text(x + 8.0, bar + 18.0, "ink", "start", 13, &format!("${}", count(estimate.total()))));
        y += ROW;
    }
    svg.push_str("</svg>\n");
    svg
}

/// The distance between ticks: 1, 2 or 5 times a power of 10, so that there are 4 to 9.
fn step(most: f64) -> f64 {
    let rough = (most / 6.0).max(0.01);
    let power = 10_f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| factor * power).find(|step| *step >= rough).unwrap_or(power * 10.0)
}

fn label(tick: f64, step: f64) -> String {
    if step < 1.0 { format!("{tick:.2}") } else { count(tick) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_neither_few_nor_many() {
        for most in [0.3, 1.0, 7.0, 99.0, 1_052.0, 5_040.0, 123_456.0, 9_999_999.0] {
            let step = step(most);
            let ticks = (most / step).ceil();
            assert!((3.0..=9.0).contains(&ticks), "{most}: {ticks} of {step}");
        }
    }
}
