//! `#[serde(...)]`: the parts of it that decide which attributes an item has.
//!
//! Every word that serde knows is listed. A word that is not listed is refused, because it might change names.

use proc_macro2::Span;
use syn::{Attribute, ExprPath, Ident, LitStr, PathSegment};

use super::{Entry, for_each_entry, of_field};
use crate::{case::RenameRule, errors::Errors};

const NAME: &str = "serde";

/// What `#[serde(...)]` says on a struct.
#[derive(Default)]
pub(crate) struct ContainerSerde {
    pub(crate) rename_all: Option<RenameRule>,
    /// The name of an attribute that serde adds. It holds the struct's name.
    pub(crate) tag: Option<LitStr>,
    /// The name that serde gives the struct, when that is not its identifier.
    pub(crate) rename: Option<LitStr>,
    /// Whether every field may be missing.
    pub(crate) default: bool,
}

impl ContainerSerde {
    /// Reads the struct's `#[serde(...)]`.
    pub(crate) fn parse(attrs: &[Attribute], errors: &mut Errors) -> Self {
        let mut serde = Self::default();
        for_each_entry(attrs, NAME, "", errors, |entry| match entry.name().as_str() {
            "rename_all" => {
                let Rename::Whole(rule) = Rename::parse(entry)? else {
                    return Err(entry.error(
                        "split `rename_all`: attributes would be read under other names than they are written, and an \
                         attribute has one stored name",
                    ));
                };
                let Some(known) = RenameRule::parse(&rule.value()) else {
                    let names = RenameRule::ALL.map(|(name, _)| name).join("`, `");
                    return Err(syn::Error::new(
                        rule.span(),
                        format_args!("unknown rename rule: expected one of `{names}`"),
                    ));
                };
                entry.once(&mut serde.rename_all, known)
            }
            "tag" => entry.once(&mut serde.tag, entry.text()?),
            // This is the value of a tag and a word in error messages, but never an attribute's name.
            "rename" => match Rename::parse(entry)? {
                Rename::Whole(name) => {
                    serde.rename = Some(name);
                    Ok(())
                }
                Rename::Split => Ok(()),
            },
            "default" => {
                serde.default = true;
                entry.skip_value()
            }
            "expecting" | "bound" | "crate" | "deny_unknown_fields" => entry.skip_value(),
            name @ ("transparent" | "into" | "from" | "try_from" | "remote") => Err(entry.error(format_args!(
                "serde's `{name}` is not supported: it would store another type's fields, which this derive cannot see"
            ))),
            name => Err(unknown(entry, name)),
        });
        serde
    }
}

/// What `#[serde(...)]` says on a field: where each word was written.
#[derive(Default)]
pub(crate) struct FieldSerde {
    pub(crate) rename: Option<LitStr>,
    pub(crate) aliases: Vec<LitStr>,
    pub(crate) flatten: Option<Span>,
    pub(crate) skip_serializing: Option<Span>,
    pub(crate) skip_deserializing: Option<Span>,
    pub(crate) skip_serializing_if: Option<Span>,
    /// `with`, `serialize_with` or `deserialize_with`.
    pub(crate) with: Option<Span>,
    /// The function that writes the field, when it is not the type's own.
    pub(crate) writer: Option<ExprPath>,
    /// The function that reads the field.
    pub(crate) reader: Option<ExprPath>,
    /// Whether the field may be missing.
    pub(crate) default: bool,
}

impl FieldSerde {
    /// Reads the `#[serde(...)]` of the field called `field`.
    pub(crate) fn parse(attrs: &[Attribute], field: &str, errors: &mut Errors) -> Self {
        let mut serde = Self::default();
        for_each_entry(attrs, NAME, &of_field(field), errors, |entry| {
            match entry.name().as_str() {
                "rename" => match Rename::parse(entry)? {
                    Rename::Whole(name) => entry.once(&mut serde.rename, name),
                    Rename::Split => Err(entry.error(format_args!(
                        "split `rename`: it would be read under a different name than it is written, and an attribute \
                         has one stored name"
                    ))),
                },
                "alias" => {
                    serde.aliases.push(entry.text()?);
                    Ok(())
                }
                "flatten" => entry.flag(&mut serde.flatten),
                "skip" => {
                    entry.flag(&mut serde.skip_serializing)?;
                    entry.flag(&mut serde.skip_deserializing)
                }
                "skip_serializing" => entry.flag(&mut serde.skip_serializing),
                "skip_deserializing" => entry.flag(&mut serde.skip_deserializing),
                "skip_serializing_if" => {
                    entry.skip_value()?;
                    entry.once(&mut serde.skip_serializing_if, entry.span())
                }
                word @ ("with" | "serialize_with" | "deserialize_with") => {
                    // Writing and reading may differ here, because neither changes the name.
                    serde.with = Some(entry.span());
                    let path: ExprPath = entry.text()?.parse()?;
                    let of = |function: Option<&str>| {
                        let mut path = path.clone();
                        path.path
                            .segments
                            .extend(function.map(|function| PathSegment::from(Ident::new(function, entry.span()))));
                        path
                    };
                    match word {
                        "serialize_with" => serde.writer = Some(of(None)),
                        "deserialize_with" => serde.reader = Some(of(None)),
                        _ => {
                            serde.writer = Some(of(Some("serialize")));
                            serde.reader = Some(of(Some("deserialize")));
                        }
                    }
                    Ok(())
                }
                "default" => {
                    serde.default = true;
                    entry.skip_value()
                }
                "bound" | "borrow" => entry.skip_value(),
                "getter" => {
                    Err(entry.error(format_args!("serde's `getter` works only with `remote`, which is not supported")))
                }
                name => Err(unknown(entry, name)),
            }
        });
        serde
    }

    /// Whether the field is neither written nor read.
    pub(crate) fn is_never_stored(&self) -> bool {
        self.skip_serializing.is_some() && self.skip_deserializing.is_some()
    }

    /// One of serde's words that keep a field from being written or read, with its span.
    pub(crate) fn skips(&self) -> Option<Span> {
        self.skip_serializing.or(self.skip_deserializing)
    }
}

fn unknown(entry: &Entry<'_>, name: &str) -> syn::Error {
    entry.error(format_args!("unknown serde attribute `{name}`: it might change what is stored, so it is refused"))
}

/// A new name, for writing and reading.
enum Rename {
    /// `rename = "x"`, or a split form that gives the same name for both.
    Whole(LitStr),
    /// `rename(serialize = "x", deserialize = "y")`, or only one of the two.
    Split,
}

impl Rename {
    fn parse(entry: &Entry<'_>) -> syn::Result<Self> {
        if !entry.has_parentheses() {
            return entry.text().map(Self::Whole);
        }
        let (mut written, mut read) = (Vec::new(), Vec::new());
        entry.meta.parse_nested_meta(|meta| {
            let half = Entry { meta, whose: entry.whose };
            match half.name().as_str() {
                "serialize" => written.push(half.text()?),
                "deserialize" => read.push(half.text()?),
                _ => return Err(half.error("expected `serialize` or `deserialize`")),
            }
            Ok(())
        })?;
        // serde accepts several names for reading. Each must be the one that is written.
        Ok(match written.as_slice() {
            [name] if !read.is_empty() && read.iter().all(|read| read.value() == name.value()) => {
                Self::Whole(name.clone())
            }
            _ => Self::Split,
        })
    }
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    fn field(attr: Attribute) -> (FieldSerde, Option<String>) {
        let mut errors = Errors::default();
        let serde = FieldSerde::parse(&[attr], "x", &mut errors);
        (serde, errors.into_compile_errors().map(|errors| errors.to_string()))
    }

    #[test]
    fn a_split_rename_that_says_the_same_twice_is_one_name() {
        let (serde, errors) = field(parse_quote!(#[serde(rename(serialize = "a", deserialize = "a"))]));
        assert_eq!(serde.rename.map(|name| name.value()).as_deref(), Some("a"));
        assert_eq!(errors, None);
    }

    #[test]
    fn a_rename_for_one_direction_is_split() {
        for attr in [
            parse_quote!(#[serde(rename(serialize = "a"))]),
            parse_quote!(#[serde(rename(deserialize = "a"))]),
            parse_quote!(#[serde(rename(serialize = "a", deserialize = "a", deserialize = "b"))]),
            parse_quote!(#[serde(rename())]),
        ] {
            let (serde, errors) = field(attr);
            assert!(serde.rename.is_none());
            assert!(errors.is_some());
        }
    }

    #[test]
    fn values_with_commas_in_them_end_where_they_end() {
        let (serde, errors) = field(parse_quote!(
            #[serde(bound(serialize = "A: B, C: D", deserialize = ""), default = "a", alias = "b", with = "m::<A, B>")]
        ));
        assert_eq!(serde.aliases.len(), 1);
        assert!(serde.with.is_some());
        assert_eq!(errors, None);
    }

    #[test]
    fn an_empty_attribute_says_nothing() {
        assert_eq!(field(parse_quote!(#[serde()])).1, None);
    }

    #[test]
    fn every_fault_of_one_attribute_is_reported() {
        let (_, errors) = field(parse_quote!(#[serde(one = "1", two(2), three)]));
        let errors = errors.expect("none of these words is serde's");
        for word in ["one", "two", "three"] {
            assert!(errors.contains(&format!("unknown serde attribute `{word}`")), "{errors}");
        }
    }
}
