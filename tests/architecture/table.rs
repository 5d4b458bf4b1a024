//! The table in CONTRIBUTING: its rows from the ground up.

use crate::architecture::imports::{Arrow, Module};

/// The modules of the table, each with all that is below it, in their order.
#[derive(Debug)]
pub(crate) struct Table(Vec<Module>);

impl Table {
    /// Reads the rows of the first table whose head begins with `module`: the first cell holds one or more names in backticks.
    pub(crate) fn parse(markdown: &str) -> Self {
        let rows = markdown.lines().skip_while(|line| !line.starts_with("| module |")).skip(2);
        let rows = rows.take_while(|line| line.starts_with('|'));
        let names = rows.flat_map(|row| {
            let cell = row.split('|').nth(1).unwrap_or_default();
            cell.split('`').skip(1).step_by(2).map(Module::parse).collect::<Vec<_>>()
        });
        Self(names.collect())
    }

    /// The rows, from the ground up.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &Module> {
        self.0.iter()
    }

    /// Where a module stands: at the row that names the most of its path.
    pub(crate) fn row_of(&self, module: &Module) -> Option<usize> {
        let named = self.0.iter().enumerate().filter(|(_, row)| module.is_in(row));
        named.max_by_key(|(_, row)| row.depth()).map(|(at, _)| at)
    }

    /// The rows of the longest chain of imports within a crate, from its top floor to its ground.
    pub(crate) fn floors(&self, arrows: &[Arrow], home: &Module) -> Vec<&Module> {
        let within = arrows.iter().filter(|arrow| arrow.from.is_in(home) && arrow.to.is_in(home));
        let rows = within.filter_map(|arrow| Some((self.row_of(&arrow.from)?, self.row_of(&arrow.to)?)));
        let rows: Vec<_> = rows.filter(|(from, to)| from > to).collect();
        // A row imports rows above it alone, so the chains of those are known when it comes.
        let mut chains: Vec<Vec<usize>> = Vec::new();
        for row in 0..self.0.len() {
            let below = rows.iter().filter(|(from, _)| *from == row).map(|(_, to)| &chains[*to]);
            let longest = below.max_by_key(|chain| chain.len()).cloned().unwrap_or_default();
            chains.push([row].into_iter().chain(longest).collect());
        }
        let homely = |chain: &Vec<usize>| chain.iter().all(|row| self.0[*row].is_in(home));
        let longest = chains.into_iter().filter(homely).max_by_key(Vec::len).unwrap_or_default();
        longest.into_iter().map(|row| &self.0[row]).collect()
    }

    /// The arrows that point down.
    pub(crate) fn violations(&self, arrows: &[Arrow]) -> Vec<String> {
        let points_down = |arrow: &&Arrow| self.row_of(&arrow.from) < self.row_of(&arrow.to);
        let mut found: Vec<_> = arrows
            .iter()
            .filter(points_down)
            .map(|Arrow { from, to }| format!("`{from}` uses `{to}`, which stands below it"))
            .collect();
        found.sort();
        found.dedup();
        found
    }
}
