//! Encodes ids of other alphabets as tenant ids, and back.

use super::{InvalidTenantId, TenantId, is_tenant_byte};

/// The first character of an encoded id; it also escapes bytes.
const ESCAPE: char = '_';

impl TenantId {
    /// The tenant id for an id of another alphabet, such as `org_1:ws_2`, `auth0|5f7c8ec7` or `app.example.com`.
    ///
    /// An id that [`TenantId::parse`] accepts is its own encoding, unless it begins with `_`: tenants with plain ids
    /// keep them. Any other id becomes `_`, then the text, in which `_` is written twice and each byte outside
    /// `[A-Za-z0-9-]` as `_` and 2 upper-case hex digits. No two texts have the same encoding, and [`TenantId::decode`]
    /// reverses it.
    ///
    /// Two caveats. A plain id that begins with `_` and is given to `parse` can be the encoding of another text: pass
    /// every id of an application through `encode`, or none. And nothing is normalized: `Acme` and `acme` are two
    /// tenants, and so are two spellings of one `é`, so normalize ids first.
    ///
    /// The encoding appears everywhere else: in the partition key, the alias, the encryption context and session names.
    ///
    /// ```
    /// use tenantseal_core::TenantId;
    ///
    /// let workspace = TenantId::encode("org_1:ws_2")?;
    /// assert_eq!(workspace.as_str(), "_org__1_3Aws__2"); // also what the partition key holds
    /// assert_eq!(workspace.decode().as_deref(), Some("org_1:ws_2"));
    /// assert_eq!(TenantId::encode("acme-17")?, TenantId::parse("acme-17")?);
    /// # Ok::<(), tenantseal_core::InvalidTenantId>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidTenantId::Empty`], and [`InvalidTenantId::TooLong`] or [`InvalidTenantId::TooLongEncoded`] when more
    /// than [`TenantId::MAX_LEN`] characters come out.
    pub fn encode(id: &str) -> Result<Self, InvalidTenantId> {
        match Self::parse(id) {
            Ok(plain) if !id.starts_with(ESCAPE) => return Ok(plain),
            Ok(_) | Err(InvalidTenantId::Character { .. }) => {}
            Err(error) => return Err(error),
        }
        let mut encoded = String::from(ESCAPE);
        for byte in id.bytes() {
            match char::from(byte) {
                ESCAPE => encoded.extend([ESCAPE, ESCAPE]),
                literal if is_tenant_byte(byte) => encoded.push(literal),
                _ => encoded.push_str(&format!("{ESCAPE}{byte:02X}")),
            }
        }
        match encoded.len() {
            0..=Self::MAX_LEN => Ok(Self(encoded.into())),
            length => Err(InvalidTenantId::TooLongEncoded(length)),
        }
    }

    /// The text that [`TenantId::encode`] encoded as this id; `None` when there is none.
    pub fn decode(&self) -> Option<String> {
        let Some(mut rest) = self.as_str().strip_prefix(ESCAPE) else { return Some(self.as_str().to_owned()) };
        let mut bytes = Vec::with_capacity(rest.len());
        while let Some((literal, escaped)) = rest.split_once(ESCAPE) {
            bytes.extend_from_slice(literal.as_bytes());
            rest = match escaped.strip_prefix(ESCAPE) {
                Some(after) => {
                    bytes.push(b'_');
                    after
                }
                None => {
                    bytes.push(u8::from_str_radix(escaped.get(..2)?, 16).ok()?);
                    &escaped[2..]
                }
            };
        }
        bytes.extend_from_slice(rest.as_bytes());
        // One text has one encoding: no other spelling of a byte, and no needless escape.
        let text = String::from_utf8(bytes).ok()?;
        (Self::encode(&text).as_ref() == Ok(self)).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Ids that mean something in the encoding, and others.
    fn ids() -> impl Strategy<Value = String> {
        prop_oneof![
            "[A-Za-z0-9_-]{0,50}",
            "[a3AF_:-]{0,8}",
            "_{1,3}[0-9A-Fa-f]{0,4}_{0,2}",
            "\\PC{0,16}",
            any::<String>()
        ]
    }

    proptest! {
        #[test]
        fn an_encoding_is_a_tenant_id_and_leads_back(id in ids()) {
            match TenantId::encode(&id) {
                Ok(encoded) => {
                    prop_assert_eq!(TenantId::parse(encoded.as_str()), Ok(encoded.clone()));
                    prop_assert_eq!(encoded.decode(), Some(id));
                }
                Err(InvalidTenantId::Empty) => prop_assert!(id.is_empty()),
                Err(InvalidTenantId::TooLong(length)) => prop_assert_eq!(length, id.len()),
                Err(InvalidTenantId::TooLongEncoded(length)) => prop_assert!(length > TenantId::MAX_LEN && id.len() > 15),
                Err(other) => prop_assert!(false, "{other}"),
            }
        }

        #[test]
        fn no_two_texts_have_one_encoding(a in ids(), b in ids()) {
            let (encoded, other) = (TenantId::encode(&a), TenantId::encode(&b));
            prop_assert!(a == b || encoded.is_err() || encoded != other, "{:?}", encoded);
        }

        #[test]
        fn a_tenant_id_is_the_encoding_of_one_text_or_of_none(id in "_?[A-Za-z0-9_-]{1,20}|_[0-9A-Fa-f_]{1,8}") {
            let id = TenantId::parse(&id).unwrap();
            if let Some(text) = id.decode() {
                prop_assert_eq!(TenantId::encode(&text), Ok(id));
            }
        }

        #[test]
        fn what_is_a_plain_id_stays_as_it_is(id in "[A-Za-z0-9-][A-Za-z0-9_-]{0,47}") {
            prop_assert_eq!(TenantId::encode(&id), TenantId::parse(&id));
        }
    }

    #[test]
    fn ids_of_other_systems_have_room() {
        for (id, encoded) in [
            ("org_1:ws_2", "_org__1_3Aws__2"),
            ("auth0|5f7c8ec7c33c6c004bbafe82", "_auth0_7C5f7c8ec7c33c6c004bbafe82"),
            ("google-oauth2|103547991597142817347", "_google-oauth2_7C103547991597142817347"),
            ("app.customer-name.example.com", "_app_2Ecustomer-name_2Eexample_2Ecom"),
            ("tenant:6ba7b810-9dad-11d1-80b4-00c04fd430c8", "_tenant_3A6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
            ("org_2NNEqL2nrIRdJ194ndJqAHwEfxC", "org_2NNEqL2nrIRdJ194ndJqAHwEfxC"),
            ("é", "__C3_A9"),
            ("_", "___"),
            (" ", "__20"),
        ] {
            assert_eq!(TenantId::encode(id).unwrap().as_str(), encoded, "{id}");
        }
        let error = TenantId::encode(&"x.".repeat(13)).unwrap_err();
        assert_eq!(error, InvalidTenantId::TooLongEncoded(53));
        assert!(error.to_string().contains("at most 48"), "{error}");
    }

    #[test]
    fn what_nothing_encodes_to_is_no_encoding() {
        assert_eq!(TenantId::parse("_a_3A").unwrap().decode().as_deref(), Some("a:"));
        for id in ["_", "_acme", "_3A", "_a_3a", "_a_41", "_a_", "_a_3", "_a_G0", "__C3", "__", "_a_2D", "__20_3"] {
            assert_eq!(TenantId::parse(id).unwrap().decode(), None, "{id}");
        }
    }
}
