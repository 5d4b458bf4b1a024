//! Projection expressions.
//!
//! Source: "Using projection expressions in DynamoDB".

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;

use super::{
    ExpressionError, Fresh, Path, Placeholders, Scope,
    parser::Parser,
    path::{WrittenPath, refuse_overlaps},
    prune,
};

/// A projection expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Projection {
    pub(super) paths: Vec<WrittenPath>,
    placeholders: Placeholders,
}

/// The parts that a projection selects, once its names are resolved.
#[derive(Debug, Clone)]
pub(crate) struct Selection {
    paths: Vec<Path>,
    /// The paths to request from DynamoDB instead: an encrypted attribute only as a whole.
    requested: Vec<WrittenPath>,
    /// The attributes that are requested as a whole.
    whole: BTreeSet<String>,
    names: BTreeSet<String>,
    /// The selected attributes that are encrypted, or may be, even if only a part of one is selected.
    encrypted: BTreeSet<String>,
    /// Whether the record type decides if one of these is encrypted.
    varies: bool,
    widened: bool,
}

/// The projection that is sent instead of the caller's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProjectionRequest {
    /// The expression.
    pub(crate) expression: String,
    /// Names to add to the expression attribute names.
    pub(crate) added_names: BTreeMap<String, String>,
    /// Placeholders that the expression no longer uses. They are removed from the names, unless another expression of
    /// the request uses them.
    pub(crate) dropped_names: BTreeSet<String>,
}

impl Projection {
    /// Reads a projection expression.
    pub(crate) fn parse(expression: &str) -> Result<Self, ExpressionError> {
        let mut parser = Parser::new(expression)?;
        let mut paths = vec![parser.path()?];
        while parser.accept(",") {
            paths.push(parser.path()?);
        }
        Ok(Self { paths, placeholders: parser.finish("a comma or the end")? })
    }

    /// The placeholders in it.
    pub(crate) fn placeholders(&self) -> &Placeholders {
        &self.placeholders
    }

    /// Resolves its names and finds out what it selects.
    pub(crate) fn resolve(&self, scope: &Scope<'_>) -> Result<Selection, ExpressionError> {
        let mut paths = Vec::new();
        let mut requested = Vec::new();
        let mut whole = BTreeSet::new();
        let (mut encrypted, mut varies, mut widened) = (BTreeSet::new(), false, false);
        for written in &self.paths {
            let (path, protection) = scope.resolve(written)?;
            let inside = !path.segments().is_empty();
            if protection.may_encrypt() {
                varies |= protection.varies();
                encrypted.insert(path.attribute.clone());
                widened |= inside;
                if whole.insert(path.attribute.clone()) {
                    requested.push(WrittenPath { attribute: written.attribute.clone(), steps: Vec::new() });
                }
            } else {
                if !inside {
                    whole.insert(path.attribute.clone());
                }
                requested.push(written.clone());
            }
            paths.push(path);
        }
        refuse_overlaps(&paths)?;
        Ok(Selection { paths, requested, whole, names: self.placeholders.names.clone(), encrypted, varies, widened })
    }
}

impl Selection {
    /// Whether it selects anything of an encrypted attribute, so that the answer must be opened.
    pub(crate) fn is_encrypted(&self) -> bool {
        !self.encrypted.is_empty()
    }

    /// Whether it selects anything of an attribute that only some record types encrypt. The answer must then give its
    /// record type.
    pub(crate) fn varies(&self) -> bool {
        self.varies
    }

    /// The projection to send so that the answer also has the `needed` attributes, and every encrypted attribute as a
    /// whole. `None` when the caller's own suffices. `taken` tells which placeholders the request's names define.
    pub(crate) fn request(&self, needed: &[&str], taken: &dyn Fn(&str) -> bool) -> Option<ProjectionRequest> {
        let missing: BTreeSet<_> = needed.iter().copied().filter(|name| !self.whole.contains(*name)).collect();
        if missing.is_empty() && !self.widened {
            return None;
        }
        let mut fresh = Fresh::new('#', taken);
        let added_names: BTreeMap<_, _> =
            missing.into_iter().map(|name| (fresh.placeholder(), name.to_owned())).collect();
        let mut used = Placeholders::default();
        self.requested.iter().for_each(|path| path.collect_placeholders(&mut used));
        let paths: Vec<_> =
            self.requested.iter().map(WrittenPath::to_string).chain(added_names.keys().cloned()).collect();
        Some(ProjectionRequest {
            expression: paths.join(", "),
            added_names,
            dropped_names: self.names.iter().filter(|name| !used.names.contains(*name)).cloned().collect(),
        })
    }

    /// Keeps of an opened item what the caller asked for.
    ///
    /// The server has already cut plain attributes and closed up their lists. So this removes only whole attributes
    /// that came along, and cuts encrypted ones, which the server sees as a whole.
    pub(crate) fn prune(&self, item: &mut HashMap<String, AttributeValue>) {
        item.retain(|name, _| self.paths.iter().any(|path| path.attribute == *name));
        if self.widened {
            let mut encrypted: HashMap<_, _> = item.extract_if(|name, _| self.encrypted.contains(name)).collect();
            prune(&mut encrypted, &self.paths);
            item.extend(encrypted);
        }
    }
}
