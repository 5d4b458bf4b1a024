//! The plan as an SVG: what is shown, against bits.

use super::attack::EXACT;
use super::model::Row;
use crate::output::count;
use crate::svg::{self, Colors, WIDTH, line, text};

const LEFT: f64 = 64.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 104.0;
const BOTTOM: f64 = 344.0;
const HEIGHT: f64 = 436.0;

const COLORS: Colors = Colors {
    light: ".a{fill:#0969da;stroke:#0969da}.b{fill:#bc4c00;stroke:#bc4c00}.c{fill:#8250df;stroke:#8250df}\
            polyline{fill:none!important;stroke-width:2}.most{stroke:#59636e;stroke-dasharray:4 4}",
    dark: ".a{fill:#4493f8;stroke:#4493f8}.b{fill:#f0883e;stroke:#f0883e}.c{fill:#ab7df8;stroke:#ab7df8}.most{stroke:#9198a1}",
};

/// A line of the chart. Its marks tell it from others in black and white, too.
struct Series {
    class: &'static str,
    label: &'static str,
    /// Where its label begins.
    x: f64,
    value: fn(&Row) -> Option<f64>,
    mark: fn(f64, f64) -> String,
}

const SERIES: [Series; 3] = [
    Series {
        class: "a",
        label: "values guessed, of all items",
        x: 24.0,
        value: |row| Some(row.guessed.guessed),
        mark: |x, y| format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"/>"),
    },
    Series {
        class: "b",
        label: "of the 20 commonest values' items",
        x: 224.0,
        value: |row| row.guessed.guessed_of_commonest,
        mark: |x, y| format!("<rect x=\"{:.1}\" y=\"{:.1}\" width=\"7\" height=\"7\"/>", x - 3.5, y - 3.5),
    },
    Series {
        class: "c",
        label: "equal tokens that mean equal values",
        x: 478.0,
        value: |row| row.equal,
        mark: |x, y| format!("<path d=\"M{:.1} {:.1}h9l-4.5 -8z\"/>", x - 4.5, y + 4.0),
    },
];

/// Draws what `rows` show, and a line at the most bits for which the commonest value does not stand out.
pub(super) fn draw(rows: &[Row], most_bits: Option<u32>, subtitle: &str) -> String {
    let mut rows = rows.to_vec();
    rows.sort_by_key(|row| row.bits);
    let mut svg = svg::begin(HEIGHT, "What a lookup shows, by its bits", &described(&rows), COLORS);
    svg.push_str(&text(24.0, 32.0, "ink", "start", 17, "What a lookup shows, by its bits"));
    svg.push_str(&text(24.0, 53.0, "dim", "start", 12, subtitle));
    for percent in [0, 25, 50, 75, 100] {
        let y = height(f64::from(percent) / 100.0);
        svg.push_str(&line(if percent == 0 { "axis" } else { "grid" }, (LEFT, y), (WIDTH - RIGHT, y)));
        svg.push_str(&text(LEFT - 8.0, y + 4.0, "dim", "end", 12, &format!("{percent}%")));
    }
    for (index, row) in rows.iter().enumerate() {
        let x = place(&rows, index);
        svg.push_str(&text(x, BOTTOM + 20.0, "ink", "middle", 13, &row.bits.to_string()));
        svg.push_str(&text(x, BOTTOM + 58.0, "dim", "middle", 12, &brief(row.read)));
        if Some(row.bits) == most_bits {
            svg.push_str(&line("most", (x, TOP), (x, BOTTOM)));
        }
    }
    svg.push_str(&text(LEFT - 8.0, BOTTOM + 20.0, "dim", "end", 12, "bits"));
    svg.push_str(&text(24.0, BOTTOM + 40.0, "dim", "start", 12, "items that a look-up reads, on average:"));
    if rows.iter().any(|row| Some(row.bits) == most_bits) {
        let said = "dashed: the most bits for which the commonest value is at most half of its token's items";
        svg.push_str(&text(24.0, BOTTOM + 80.0, "dim", "start", 12, said));
    }
    SERIES.iter().for_each(|series| svg.push_str(&series.draw(&rows)));
    svg.push_str("</svg>\n");
    svg
}

impl Series {
    fn draw(&self, rows: &[Row]) -> String {
        let Self { class, label, x, value, mark } = self;
        let points: Vec<_> = rows
            .iter()
            .enumerate()
            .filter_map(|(index, row)| value(row).map(|value| (row.bits, place(rows, index), height(value))))
            .collect();
        let joined: Vec<_> =
            points.iter().filter(|(bits, ..)| *bits != EXACT).map(|(_, x, y)| format!("{x:.1},{y:.1}")).collect();
        let marks: String = points.iter().map(|(_, x, y)| mark(*x, *y)).collect();
        let legend = text(x + 14.0, 80.0, "dim", "start", 12, label);
        format!(
            "<g class=\"{class}\"><polyline points=\"{}\"/>{marks}{}</g>\n{legend}",
            joined.join(" "),
            mark(x + 4.0, 76.0)
        )
    }
}

/// The middle of a row's column. A gap is before the exact lookup, which comes last.
fn place(rows: &[Row], index: usize) -> f64 {
    let column = (WIDTH - LEFT - RIGHT) / (rows.len() as f64 + 0.5);
    let gap = if rows[index].bits == EXACT { 0.5 } else { 0.0 };
    LEFT + column * (index as f64 + 0.5 + gap)
}

fn height(share: f64) -> f64 {
    BOTTOM - (BOTTOM - TOP) * share
}

fn described(rows: &[Row]) -> String {
    let row = |row: &Row| {
        let percent = |share: f64| format!("{:.0}%", share * 100.0);
        let equal = row.equal.map(|equal| format!(", {} of equal tokens are equal values", percent(equal)));
        format!("{} bits: {} guessed{}", row.bits, percent(row.guessed.guessed), equal.unwrap_or_default())
    };
    rows.iter().map(row).collect::<Vec<_>>().join("; ")
}

/// Three digits at most, and a letter for thousands, millions or billions.
fn brief(number: f64) -> String {
    let (scaled, unit) = match number {
        n if n < 9.95 => return format!("{n:.1}"),
        n if n < 999.5 => return count(n),
        n if n < 999_500.0 => (n / 1e3, "k"),
        n if n < 999_500_000.0 => (n / 1e6, "M"),
        n => (n / 1e9, "G"),
    };
    if scaled < 9.95 { format!("{scaled:.1}{unit}") } else { format!("{scaled:.0}{unit}") }
}
