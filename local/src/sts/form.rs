//! The parameters of the query protocol: names and values, with lists as `Tags.member.1.Key`.

/// The parameters of a request.
#[derive(Debug)]
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    pub(super) fn read(body: &[u8]) -> Self {
        Self(form_urlencoded::parse(body).into_owned().collect())
    }

    /// A parameter. One that is given without a value differs from an absent one.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The members of a list, each as the parameter `<list>.member.<n><suffix>`.
    pub(super) fn members<'a>(&'a self, list: &'a str) -> impl Iterator<Item = Member<'a>> {
        let members = (1..).map(move |index| Member { form: self, prefix: format!("{list}.member.{index}") });
        members.take_while(|member| self.0.iter().any(|(name, _)| name.starts_with(&member.prefix)))
    }

    /// The names of parameters. Those of list members appear without what follows the list's name.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.split('.').next().unwrap_or_default())
    }
}

/// One member of a list.
#[derive(Debug)]
pub(super) struct Member<'a> {
    form: &'a Form,
    prefix: String,
}

impl<'a> Member<'a> {
    /// A member that is a plain value.
    pub(super) fn value(&self) -> Option<&'a str> {
        self.form.get(&self.prefix)
    }

    /// A field of a member that is a structure.
    pub(super) fn field(&self, name: &str) -> Option<&'a str> {
        self.form.get(&format!("{}.{name}", self.prefix))
    }
}
