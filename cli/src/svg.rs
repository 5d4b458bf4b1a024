//! Charts as SVG that are readable on light and dark pages: the palette, text, and where a chart goes.

use std::path::Path;

use crate::errors::{Exit, Failure, Result};
use crate::output::Output;

/// The width of a chart: a README's column.
pub(crate) const WIDTH: f64 = 760.0;

const STYLE: &str = "\
svg{font-family:ui-sans-serif,system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif}\
.page{fill:#ffffff}.ink{fill:#1f2328;stroke:#ffffff;stroke-width:4px;paint-order:stroke}.dim{fill:#59636e}.grid{stroke:#d1d9e0}.axis{stroke:#59636e}";
const DARK_STYLE: &str = "\
.page{fill:#0d1117}.ink{fill:#f0f6fc;stroke:#0d1117}.dim{fill:#9198a1}.grid{stroke:#2f3742}.axis{stroke:#9198a1}";

/// The rules of a chart's own classes, on light pages and on dark ones.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Colors {
    pub(crate) light: &'static str,
    pub(crate) dark: &'static str,
}

/// The beginning of a chart: its size, its title and description for those who cannot see it, style and background.
pub(crate) fn begin(height: f64, title: &str, described: &str, colors: Colors) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" role=\"img\" \
         aria-labelledby=\"title desc\">\n<title id=\"title\">{}</title>\n<desc id=\"desc\">{}</desc>\n\
         <style>{STYLE}{}@media(prefers-color-scheme:dark){{{DARK_STYLE}{}}}</style>\n\
         <rect class=\"page\" width=\"{WIDTH}\" height=\"{height}\" rx=\"6\"/>\n",
        escape(title),
        escape(described),
        colors.light,
        colors.dark,
    )
}

pub(crate) fn text(x: f64, y: f64, class: &str, anchor: &str, size: u32, text: &str) -> String {
    format!(
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size}\" text-anchor=\"{anchor}\">{}</text>\n",
        escape(text)
    )
}

pub(crate) fn line(class: &str, from: (f64, f64), to: (f64, f64)) -> String {
    format!("<line class=\"{class}\" x1=\"{:.1}\" y1=\"{}\" x2=\"{:.1}\" y2=\"{}\"/>\n", from.0, from.1, to.0, to.1)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// Writes a chart into `file`, or prints it for `-`. Gives an exit code where nothing else is to be answered.
pub(crate) fn deliver(output: &Output, file: &Path, chart: &str) -> Result<Option<Exit>> {
    if file.as_os_str() == "-" {
        return output.print(chart).map(|()| Some(Exit::Done));
    }
    if output.is_dry_run() {
        return output.print_dry_run(&[format!("write {}", file.display())]).map(Some);
    }
    std::fs::write(file, chart).map_err(|error| Failure::usage(format!("{}: {error}", file.display())))?;
    output.say(format_args!("wrote {}", file.display()));
    Ok(None)
}
