//! Why an expression is refused.

/// Why an expression is refused. Nothing of a refused request is sent.
///
/// Errors name attributes, placeholders and positions, never values. They do not quote the expression either, because
/// it may hold a value that was meant to be a placeholder.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message of each variant says what its fields are")]
pub enum ExpressionError {
    /// Not in the language of the developer guide.
    #[error("syntax error at byte {at}: expected {expected}")]
    Syntax { at: usize, expected: &'static str },
    /// More than 4 KB.
    #[error("the expression is longer than 4096 bytes, which is DynamoDB's limit: shorten it")]
    TooLong,
    /// More than 4 KB with the library's additions.
    #[error("the expression is longer than 4096 bytes with tenantseal's additions: shorten it")]
    TooLongRewritten,
    /// More than 300 operators and functions.
    #[error("the expression has more than 300 operators and functions, which is DynamoDB's limit: simplify it")]
    TooManyOperators,
    /// More than 100 operands of `IN`.
    #[error("an `IN` has more than 100 operands: combine several with `OR`")]
    TooManyOperands,
    /// Parentheses, `NOT`s or functions nested more deeply than we follow.
    #[error("the expression is nested more than {max} levels deep: chain `AND` and `OR` without parentheses")]
    TooDeep { max: usize },
    /// `((a = :a))`, which DynamoDB refuses too.
    #[error("the expression has redundant parentheses: remove one pair")]
    RedundantParentheses,
    /// A reserved word of DynamoDB.
    #[error("`{name}` is a reserved word: use a placeholder such as `#{name}`")]
    ReservedWord { name: String },
    /// A bare name that starts with an underscore or is a function's name.
    #[error("`{name}` cannot be written in an expression: use a placeholder such as `#n`")]
    NeedsPlaceholder { name: String },
    /// A function that does not exist, or is not allowed here.
    #[error("there is no function `{name}`, or it is not allowed here")]
    UnknownFunction { name: String },
    /// A function in the wrong case.
    #[error("function names are case-sensitive: write `{function}`")]
    FunctionCase { function: &'static str },
    /// A clause that is written twice.
    #[error("`{clause}` may occur only once in an update expression: separate its actions with commas")]
    RepeatedClause { clause: &'static str },
    /// A `#name` that `ExpressionAttributeNames` does not define.
    #[error("`{placeholder}` is not defined: add it to the expression attribute names")]
    UndefinedName { placeholder: String },
    /// A name that the library reserves.
    #[error(
        "`{attribute}` is reserved: names beginning with `_seal` belong to tenantseal. {}",
        reserved_advice(attribute)
    )]
    ReservedAttribute { attribute: String },
    /// No schema names the attribute, so nobody knows whether it may be stored in plaintext.
    #[error("attribute `{attribute}` is not declared: add it to the record's schema or correct its name")]
    Undeclared { attribute: String },
    /// Two paths of which one contains or excludes the other.
    #[error("the paths `{one}` and `{other}` overlap: remove one of them")]
    OverlappingPaths { one: String, other: String },
    /// A path into an attribute that DynamoDB only sees as one ciphertext.
    #[error("`{path}` is inside an encrypted attribute: write or test the attribute as a whole")]
    InsideEncrypted { path: String },
    /// A condition or filter that would inspect a ciphertext.
    #[error(
        "`{operation}` cannot be evaluated on the encrypted attribute `{attribute}`: test only whether it exists, and \
         compare after reading, or declare a lookup on it"
    )]
    EncryptedCondition { attribute: String, operation: &'static str },
    /// An update that would compute with a ciphertext or copy it.
    #[error(
        "`{operation}` cannot be applied to the encrypted attribute `{attribute}`: read it, then write `SET \
         {attribute} = :value`"
    )]
    EncryptedUpdate { attribute: String, operation: &'static str },
    /// A key condition on an encrypted attribute.
    #[error(
        "the encrypted attribute `{attribute}` cannot be a key: query by a plain attribute, or declare a lookup on \
         `{attribute}` and query its index"
    )]
    EncryptedKey { attribute: String },
    /// An operation that no lookup of the attribute answers.
    #[error(
        "`{operation}` is not answered by any lookup of the encrypted attribute `{attribute}`: ask with an operation \
         that one answers, or compare after reading. For ranges declare a lookup whose form gives a bucket, such as \
         the month, and ask for the buckets"
    )]
    LookupOperation { attribute: String, operation: &'static str },
    /// Several lookups answer the test, and the index is none of theirs.
    #[error(
        "lookups {lookups} all answer the test of `{attribute}`: query the index that one of them declares, or give \
         the one that counts in filters and conditions the attribute's name"
    )]
    LookupAmbiguous { attribute: String, lookups: Box<str> },
    /// The lookup is not asked yet: older items may lack its token.
    #[error(
        "lookup `{lookup}` of attribute `{attribute}` is `building`: deploy it without `building` once a sweep \
         changes nothing"
    )]
    LookupBuilding { attribute: String, lookup: Box<str> },
    /// The lookup is not asked any more: newer items lack its token.
    #[error("lookup `{lookup}` of attribute `{attribute}` is `retired`: ask the lookup that replaces it")]
    LookupRetired { attribute: String, lookup: Box<str> },
    /// A filter that holds elsewhere than where the lookup's test holds. What a token says could not be corrected.
    #[error(
        "`{operation}` on the encrypted attribute `{attribute}` must be joined to the rest of the filter by `AND`, \
         and stand under no `OR`, `NOT` or `<>`: filter after reading"
    )]
    LookupFilter { attribute: String, operation: &'static str },
    /// The condition of a write on a lookup with few bits would hold for other values too.
    #[error(
        "no lookup of attribute `{attribute}` can decide the condition of a write, which would hold for other values \
         too: give the attribute a lookup without `bits`, `prefix` and `each`, or read first and expect the version"
    )]
    LookupCondition { attribute: String },
    /// The value is NULL, empty in the lookup's form, or shorter than its prefix.
    #[error(
        "lookup `{lookup}` of attribute `{attribute}` has nothing to look up in the value: it is NULL, empty in the \
         lookup's form, or too short. Filter after reading"
    )]
    LookupNothing { attribute: String, lookup: Box<str> },
    /// The value has a type that the lookup's form does not take.
    #[error("lookup `{lookup}` of attribute `{attribute}` does not take a value of this type")]
    LookupType { attribute: String, lookup: Box<str> },
    /// A key condition that tests only some parts of the compound lookup whose index is queried.
    #[error("the key condition must test each part of lookup `{lookup}` with `=`: add {missing}")]
    LookupKey { lookup: String, missing: Box<str> },
    /// An update assigns only some parts of a compound lookup.
    #[error(
        "the update must assign all parts of lookup `{lookup}`, each by `SET part = :value`: add {missing}, or put \
         the item"
    )]
    LookupParts { lookup: String, missing: Box<str> },
    /// Only some of the table's records have the lookup, and the expression does not say which record type it means.
    #[error(
        "only some records of the table have a lookup on attribute `{attribute}`: add `AND {discriminator} = :value` \
         to the condition or filter, with the record's own value"
    )]
    LookupVaries { attribute: String, discriminator: Box<str> },
    /// An attribute on which the table's records disagree, in an expression that does not say which record type it
    /// means.
    #[error(
        "one record of the table encrypts attribute `{attribute}` and another does not: add `AND {discriminator} = \
         :value` to the condition or filter, with the record's own value"
    )]
    Varies { attribute: String, discriminator: Box<str> },
    /// An update of the attribute that gives an item's record type.
    #[error("`{attribute}` is the discriminator, so an update cannot change it: put the item")]
    Discriminator { attribute: String },
    /// Not `attribute operator :value`, joined by `AND`.
    #[error(
        "a key condition must be `attribute = :value`, or for a sort key also `<`, `<=`, `>`, `>=`, `BETWEEN` or \
         `begins_with`, joined by `AND`"
    )]
    NotAKeyCondition,
    /// Two conditions on one key attribute.
    #[error("a key condition may test `{attribute}` only once: use `BETWEEN`")]
    RepeatedKey { attribute: String },
}

/// What to do instead of naming a reserved attribute.
fn reserved_advice(attribute: &str) -> &'static str {
    if attribute.starts_with("_seal_by_") {
        "It stores the tokens of a lookup: test the attribute that the lookup finds. Which items lack a token shows to a plain client"
    } else {
        "An item that has `_seal` is sealed already: read and write it with its tenant's client, and leave `_seal` out"
    }
}
