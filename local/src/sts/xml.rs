//! The part of XML that STS answers need.

use crate::refusal::Refusal;

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// An element with text or with children.
#[derive(Clone, Debug)]
pub(super) struct Element {
    name: &'static str,
    content: Content,
}

#[derive(Clone, Debug)]
enum Content {
    Text(String),
    Children(Vec<Element>),
}

impl Element {
    pub(super) fn text(name: &'static str, text: impl Into<String>) -> Self {
        Self { name, content: Content::Text(text.into()) }
    }

    pub(super) fn with_children(name: &'static str, children: Vec<Self>) -> Self {
        Self { name, content: Content::Children(children) }
    }

    fn write(&self, out: &mut String) {
        let Self { name, content } = self;
        out.push_str(&format!("<{name}>"));
        match content {
            Content::Text(text) => out.push_str(&escape(text)),
            Content::Children(children) => children.iter().for_each(|child| child.write(out)),
        }
        out.push_str(&format!("</{name}>"));
    }
}

/// The answer of an operation.
pub(super) fn response(action: &str, result: Vec<Element>, request_id: &str) -> String {
    let mut out = format!("<{action}Response xmlns=\"{NAMESPACE}\"><{action}Result>");
    result.iter().for_each(|element| element.write(&mut out));
    out.push_str(&format!("</{action}Result>"));
    Element::with_children("ResponseMetadata", vec![Element::text("RequestId", request_id)]).write(&mut out);
    out.push_str(&format!("</{action}Response>"));
    out
}

/// The answer to a refused request.
pub(super) fn error(refusal: &Refusal, request_id: &str) -> String {
    let fault = if refusal.status < 500 { "Sender" } else { "Receiver" };
    let mut out = format!("<ErrorResponse xmlns=\"{NAMESPACE}\">");
    let error = vec![
        Element::text("Type", fault),
        Element::text("Code", &*refusal.code),
        Element::text("Message", &refusal.message),
    ];
    Element::with_children("Error", error).write(&mut out);
    Element::text("RequestId", request_id).write(&mut out);
    out.push_str("</ErrorResponse>");
    out
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
