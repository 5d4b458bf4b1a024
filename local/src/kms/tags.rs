//! Tags of keys.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    policy::Context,
    refusal::{Refusal, kms as code},
};

use super::{input::Tag, page::Page, session::Session};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TagResource {
    key_id: String,
    tags: Vec<Tag>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct UntagResource {
    key_id: String,
    tag_keys: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListResourceTags {
    key_id: String,
    #[serde(flatten)]
    page: Page,
}

const MAX_TAGS: usize = 50;

impl Session<'_> {
    pub(super) fn tag_resource(&mut self, input: TagResource) -> Result<(), Refusal> {
        let target = self.resolve_key(&input.key_id)?;
        self.authorise_with("kms:TagResource", &target, |context| add_tag_keys(context, &input.tags))?;
        let key = self.changeable(&target)?;
        let others = key.tags.keys().filter(|known| !input.tags.iter().any(|tag| tag.tag_key == **known)).count();
        check_tags(&input.tags, others)?;
        key.tags.extend(input.tags.into_iter().map(|tag| (tag.tag_key, tag.tag_value)));
        Ok(())
    }

    pub(super) fn untag_resource(&mut self, input: UntagResource) -> Result<(), Refusal> {
        let target = self.resolve_key(&input.key_id)?;
        self.authorise_with("kms:UntagResource", &target, |context| {
            context.set_many("aws:TagKeys", input.tag_keys.iter().cloned());
        })?;
        let key = self.changeable(&target)?;
        key.tags.retain(|known, _| !input.tag_keys.contains(known));
        Ok(())
    }

    pub(super) fn list_resource_tags(&mut self, input: ListResourceTags) -> Result<Value, Refusal> {
        let target = self.resolve_key(&input.key_id)?;
        self.authorise("kms:ListResourceTags", &target)?;
        let tags = self.key(&target.key)?.tags.iter();
        let tags = tags.map(|(key, value)| (key.as_str(), json!({ "TagKey": key, "TagValue": value })));
        input.page.answer("Tags", 50, 50, tags)
    }
}

/// Adds the condition keys of a request that sets tags.
pub(super) fn add_tag_keys(context: &mut Context, tags: &[Tag]) {
    for tag in tags {
        context.add(&format!("aws:RequestTag/{}", tag.tag_key), &tag.tag_value);
    }
    context.set_many("aws:TagKeys", tags.iter().map(|tag| tag.tag_key.clone()));
}

/// Checks new tags of a key that already has `others` tags.
pub(super) fn check_tags(tags: &[Tag], others: usize) -> Result<(), Refusal> {
    for (index, Tag { tag_key, tag_value }) in tags.iter().enumerate() {
        if tag_key.is_empty() || tag_key.chars().count() > 128 || tag_value.chars().count() > 256 {
            return Err(code::TAG.because("a tag's key has 1 to 128 characters and its value at most 256"));
        }
        if tag_key.starts_with("aws:") {
            return Err(code::TAG.because("tags that begin with aws: are reserved"));
        }
        if tags[..index].iter().any(|earlier| earlier.tag_key == *tag_key) {
            return Err(code::TAG.because(format!("duplicate tag key {tag_key}")));
        }
    }
    if tags.len() + others > MAX_TAGS {
        return Err(code::LIMIT_EXCEEDED.because(format!("a key can have {MAX_TAGS} tags")));
    }
    Ok(())
}
