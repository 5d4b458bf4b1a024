//! Lists that are returned page by page.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::refusal::{Refusal, kms as code};

use super::input::within;

/// The page that a request asks for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Page {
    limit: Option<usize>,
    marker: Option<String>,
}

impl Page {
    /// Returns one page of `items`, which come in the order of their (unique) names.
    ///
    /// The marker holds the last name returned. So when a list changes between pages, no item that stayed is skipped or
    /// repeated.
    pub(super) fn answer<'a>(
        self,
        list: &str,
        default: usize,
        maximum: usize,
        items: impl Iterator<Item = (&'a str, Value)>,
    ) -> Result<Value, Refusal> {
        let limit = self.limit.unwrap_or(default);
        within("Limit", limit, 1..=maximum)?;
        let after = self.marker.as_deref().map(read_marker).transpose()?;
        let mut items = items.skip_while(|(name, _)| after.as_deref().is_some_and(|after| *name <= after)).peekable();
        let mut page = Vec::new();
        let mut last = "";
        for (name, item) in items.by_ref().take(limit) {
            page.push(item);
            last = name;
        }
        let truncated = items.peek().is_some();
        let mut output = json!({ list: page, "Truncated": truncated });
        if truncated {
            output["NextMarker"] = URL_SAFE_NO_PAD.encode(last).into();
        }
        Ok(output)
    }
}

fn read_marker(marker: &str) -> Result<String, Refusal> {
    let name = URL_SAFE_NO_PAD.decode(marker).ok().and_then(|name| String::from_utf8(name).ok());
    name.ok_or_else(|| code::INVALID_MARKER.because("the marker is not one of this list"))
}
