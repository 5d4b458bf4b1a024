//! Document paths: as written in an expression, and with their placeholders resolved.

use std::fmt;

use super::{ExpressionError, Placeholders};

/// One name in a path as it is written: `name` or `#name`, with its sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Name {
    Literal(String),
    Placeholder(String),
}

/// One step below a top-level attribute, as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Field(Name),
    Element(u32),
}

/// A document path as it is written: `a.#b[0]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WrittenPath {
    pub(super) attribute: Name,
    pub(super) steps: Vec<Step>,
}

/// A document path whose placeholders are resolved: a top-level attribute and the steps below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path {
    pub(super) attribute: String,
    pub(super) segments: Vec<Segment>,
}

/// One step of a [`Path`] below its top-level attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    /// A member of a map.
    Field(String),
    /// An element of a list.
    Element(u32),
}

impl WrittenPath {
    pub(super) fn collect_placeholders(&self, into: &mut Placeholders) {
        let fields = self.steps.iter().filter_map(|step| match step {
            Step::Field(name) => Some(name),
            Step::Element(_) => None,
        });
        for name in std::iter::once(&self.attribute).chain(fields) {
            if let Name::Placeholder(placeholder) = name {
                into.names.insert(placeholder.clone());
            }
        }
    }
}

impl Path {
    /// The top-level attribute.
    pub(crate) fn attribute(&self) -> &str {
        &self.attribute
    }

    /// The steps below the top-level attribute; empty when the path is the attribute itself.
    pub(crate) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Whether DynamoDB refuses the 2 paths in one expression.
    ///
    /// It calls paths overlapping when one is the beginning of the other. It calls them conflicting when they diverge
    /// at a member in one and an element in the other. An example is `a.b` and `a[0]`: `a` cannot be both a map and a
    /// list.
    fn collides_with(&self, other: &Path) -> bool {
        if self.attribute != other.attribute {
            return false;
        }
        let parting = self.segments.iter().zip(&other.segments).find(|(ours, theirs)| ours != theirs);
        match parting {
            None => true,
            Some((Segment::Field(_), Segment::Element(_)) | (Segment::Element(_), Segment::Field(_))) => true,
            Some(_) => false,
        }
    }
}

/// Refuses paths that DynamoDB does not accept together ("Using projection expressions", "Using update expressions").
pub(super) fn refuse_overlaps(paths: &[Path]) -> Result<(), ExpressionError> {
    for (position, one) in paths.iter().enumerate() {
        if let Some(other) = paths[position + 1..].iter().find(|other| one.collides_with(other)) {
            return Err(ExpressionError::OverlappingPaths { one: one.to_string(), other: other.to_string() });
        }
    }
    Ok(())
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Literal(text) | Self::Placeholder(text)) = self;
        f.write_str(text)
    }
}

impl fmt::Display for WrittenPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.attribute)?;
        self.steps.iter().try_for_each(|step| match step {
            Step::Field(name) => write!(f, ".{name}"),
            Step::Element(index) => write!(f, "[{index}]"),
        })
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.attribute)?;
        self.segments.iter().try_for_each(|segment| match segment {
            Segment::Field(name) => write!(f, ".{name}"),
            Segment::Element(index) => write!(f, "[{index}]"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(attribute: &str, segments: impl IntoIterator<Item = Segment>) -> Path {
        Path { attribute: attribute.into(), segments: segments.into_iter().collect() }
    }

    fn field(name: &str) -> Segment {
        Segment::Field(name.into())
    }

    #[test]
    fn paths_collide_when_one_begins_the_other_or_a_map_would_be_a_list() {
        let (a, b) = (path("a", []), path("b", []));
        let (a_b, a_c, a_0) = (path("a", [field("b")]), path("a", [field("c")]), path("a", [Segment::Element(0)]));
        for colliding in [[&a, &a], [&a, &a_b], [&a_0, &a], [&a_b, &a_0]] {
            assert!(refuse_overlaps(&colliding.map(Path::clone)).is_err(), "{colliding:?}");
        }
        for apart in [[&a, &b], [&a_b, &a_c], [&a_0, &path("a", [Segment::Element(1)])], [&b, &a_b]] {
            assert_eq!(refuse_overlaps(&apart.map(Path::clone)), Ok(()));
        }
    }
}
