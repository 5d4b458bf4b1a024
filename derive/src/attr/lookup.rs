//! `lookup(...)`, within `#[seal(...)]` on a field or on the struct.

use proc_macro2::Span;
use syn::{Ident, LitInt, LitStr, Path, Token, ext::IdentExt};

use super::{Entry, spelling};

const FORMS: [&str; 5] = ["exact", "email", "digits", "alphanumeric", "text"];

/// What a lookup may say, beside its forms.
const WORDS: [&str; 12] =
    ["with", "bits", "prefix", "each", "part", "unique", "index", "tenant_index", "name", "key", "building", "retired"];

/// What one `lookup(...)` says.
pub(crate) struct Lookup {
    /// Where the word `lookup` was written.
    pub(crate) span: Span,
    pub(crate) form: Option<Form>,
    pub(crate) parts: Vec<Part>,
    pub(crate) bits: Option<LitInt>,
    pub(crate) prefix: Option<LitInt>,
    pub(crate) each: Option<Span>,
    pub(crate) unique: Option<Span>,
    pub(crate) index: Option<LitStr>,
    pub(crate) tenant_index: Option<LitStr>,
    pub(crate) name: Option<LitStr>,
    pub(crate) key: Option<LitInt>,
    pub(crate) building: Option<Span>,
    pub(crate) retired: Option<Span>,
}

/// The form in which values are compared.
#[derive(Clone)]
pub(crate) struct Form {
    pub(crate) kind: FormKind,
    pub(crate) span: Span,
}

/// One of the library's forms, by its word, or a constant of the application.
#[derive(Clone)]
pub(crate) enum FormKind {
    Known(&'static str),
    With(Path),
}

/// One part of a compound lookup.
pub(crate) struct Part {
    /// The field's identifier, or the stored name of an attribute of a flattened record.
    pub(crate) field: Ident,
    pub(crate) form: Option<Form>,
}

impl Lookup {
    /// Reads a `lookup` or `lookup(...)`. The error has all faults in it.
    pub(super) fn parse(entry: &Entry<'_>) -> syn::Result<Self> {
        if entry.has_value() {
            return Err(entry.error("write `lookup(...)`, not `lookup = ...`"));
        }
        let mut lookup = Self {
            span: entry.span(),
            form: None,
            parts: Vec::new(),
            bits: None,
            prefix: None,
            each: None,
            unique: None,
            index: None,
            tenant_index: None,
            name: None,
            key: None,
            building: None,
            retired: None,
        };
        if !entry.has_parentheses() {
            return Ok(lookup);
        }
        let mut faults = Faults::default();
        entry.meta.parse_nested_meta(|meta| {
            let word = Entry { meta, whose: entry.whose };
            faults.collect(&word, lookup.word(&word))
        })?;
        faults.result(lookup)
    }

    fn word(&mut self, word: &Entry<'_>) -> syn::Result<()> {
        match word.name().as_str() {
            "bits" => word.once(&mut self.bits, number(word)?),
            "prefix" => word.once(&mut self.prefix, number(word)?),
            "key" => word.once(&mut self.key, number(word)?),
            "each" => word.flag(&mut self.each),
            "unique" => word.flag(&mut self.unique),
            "building" => word.flag(&mut self.building),
            "retired" => word.flag(&mut self.retired),
            "index" => word.once(&mut self.index, word.text()?),
            "tenant_index" => word.once(&mut self.tenant_index, word.text()?),
            "name" => word.once(&mut self.name, word.text()?),
            "part" => {
                self.parts.push(Part::parse(word)?);
                Ok(())
            }
            name => match form(word)? {
                Some(form) => only(word, &mut self.form, form),
                None => {
                    let known: Vec<_> = FORMS.into_iter().chain(WORDS).collect();
                    Err(word.error(format_args!("unknown word `{name}` in a lookup: {}", spelling::hint(name, &known))))
                }
            },
        }
    }
}

impl Part {
    /// Reads a `part(field)` or `part(field, form)`.
    fn parse(word: &Entry<'_>) -> syn::Result<Self> {
        const SHAPE: &str = "name a field and its form: `part(last_name, text)`";
        if !word.has_parentheses() {
            return Err(word.error(SHAPE));
        }
        let content;
        syn::parenthesized!(content in word.meta.input);
        let field = content.call(Ident::parse_any).map_err(|_| word.error(SHAPE))?;
        let mut part = Self { field, form: None };
        if content.parse::<Option<Token![,]>>()?.is_none() {
            return if content.is_empty() { Ok(part) } else { Err(content.error(SHAPE)) };
        }
        let parser = syn::meta::parser(|meta| {
            let inner = Entry { meta, whose: word.whose };
            match form(&inner)? {
                Some(form) => only(&inner, &mut part.form, form),
                None => Err(inner.error(format_args!(
                    "`{}` is no form: {}",
                    inner.name(),
                    spelling::hint(&inner.name(), &FORMS)
                ))),
            }
        });
        let rest = content.parse()?;
        syn::parse::Parser::parse2(parser, rest)?;
        Ok(part)
    }
}

/// The form that a word names, if it names one.
fn form(word: &Entry<'_>) -> syn::Result<Option<Form>> {
    let name = word.name();
    let kind = if name == "with" {
        FormKind::With(word.text()?.parse_with(Path::parse_mod_style)?)
    } else if let Some(known) = FORMS.into_iter().find(|known| *known == name) {
        word.flag(&mut None)?;
        FormKind::Known(known)
    } else {
        return Ok(None);
    };
    Ok(Some(Form { kind, span: word.span() }))
}

/// Keeps a form. Refuses a second one.
fn only(word: &Entry<'_>, slot: &mut Option<Form>, form: Form) -> syn::Result<()> {
    if slot.is_some() {
        return Err(word.error("values are compared in one form: declare a second lookup for another"));
    }
    *slot = Some(form);
    Ok(())
}

/// The number in `name = 3`.
fn number(word: &Entry<'_>) -> syn::Result<LitInt> {
    let needs = || word.error(format_args!("`{0}` needs a number: `{0} = 10`", word.name()));
    if !word.has_value() {
        return Err(needs());
    }
    word.meta.value()?.parse().map_err(|_| needs())
}

/// Collects the faults of one lookup, so that one does not hide the others.
#[derive(Default)]
struct Faults(Option<syn::Error>);

impl Faults {
    fn collect(&mut self, word: &Entry<'_>, parsed: syn::Result<()>) -> syn::Result<()> {
        let Err(error) = parsed else { return Ok(()) };
        match &mut self.0 {
            Some(faults) => faults.combine(error),
            none => *none = Some(error),
        }
        word.skip_value()
    }

    fn result<T>(self, value: T) -> syn::Result<T> {
        self.0.map_or(Ok(value), Err)
    }
}
