//! Where the servers differ from each other or from DynamoDB: the local one (dynoxide 3.2), the second one (ministack 1.5.33), or
//! both. Which is right is a matter of the Amazon DynamoDB Developer Guide and API Reference.

/// Cases in which a server is wrong.
#[derive(Debug)]
pub struct Difference {
    /// A case, or several: `*` stands for any text.
    pub case: &'static str,
    pub wrong: Wrong,
    /// What is wrong, and why.
    pub reason: &'static str,
    pub tenant: Tenant,
}

/// Which server is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    Local,
    Second,
    /// Both in the same way.
    Both,
}

/// What the tenant's client brings on the server that is wrong, where it does not refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tenant {
    /// What a plain client gets there.
    AsPlain,
    /// What a plain client gets on the local server, which is right.
    AsLocal,
    /// These steps, which are right.
    Brings(&'static str),
    /// What a plain client gets, which is right, where it would be refused by a server that is.
    NotRefused,
}

impl Difference {
    /// The one that is listed for a case.
    pub fn of(case: &str) -> Option<&'static Self> {
        DIFFERENCES.iter().find(|difference| difference.matches(case))
    }

    pub fn matches(&self, case: &str) -> bool {
        match self.case.split_once('*') {
            None => self.case == case,
            Some((before, after)) => {
                case.len() >= before.len() + after.len() && case.starts_with(before) && case.ends_with(after)
            }
        }
    }
}

use Tenant::{AsLocal, AsPlain, Brings, NotRefused};
use Wrong::{Both, Local, Second};

pub const DIFFERENCES: &[Difference] = &[
    Difference {
        case: "a global index whose sort key is the tenants without a condition on it",
        wrong: Second,
        reason: "A filter must not test key attributes (\"Filter expressions for the Query operation\"), and the tenant's client \
                 adds one that does; it evaluates it.",
        tenant: NotRefused,
    },
    Difference {
        case: "all of the old after * on nothing",
        wrong: Local,
        reason: "ALL_OLD of an item that did not exist has no attributes (UpdateItem, ReturnValues); it gives the new key.",
        tenant: AsPlain,
    },
    Difference {
        case: "an upserted item is put over and updated again",
        wrong: Local,
        reason: "ALL_OLD of an item that did not exist has no attributes (UpdateItem, ReturnValues); it gives the new key.",
        tenant: AsPlain,
    },
    Difference {
        case: "a transactional get with projections",
        wrong: Local,
        reason: "Only what is projected comes back (TransactGetItems, Get); it adds the key.",
        tenant: Brings(
            r#"[{"answer":[{"name":{"S":"Ada"},"profile":{"M":{"zip":{"N":"1"}}}}]},
                {"answer":[{"doc":{"M":{"street":{"S":"Main"}}}},{"email":{"S":"0@example.org"}},{"grade":{"N":"99"}},null]}]"#,
        ),
    },
    Difference {
        case: "an unused value in a transaction is an error",
        wrong: Local,
        reason: "Every value must be used by an expression; it does not look in transactions.",
        tenant: AsPlain,
    },
    Difference {
        case: "a query of large items ends at a megabyte",
        wrong: Local,
        reason: "ScannedCount is what was looked at before the megabyte was full (Query); it counts the item that no longer fitted.",
        tenant: AsPlain,
    },
    Difference {
        case: "the condition ATTRIBUTE EXISTS(title)",
        wrong: Both,
        reason: "Function names are case-sensitive (\"Condition and filter expressions, operators, and functions\").",
        tenant: AsPlain,
    },
    Difference {
        case: "a get of profile.geo, profile[0]",
        wrong: Both,
        reason: "A path to a member and one to an element of the same attribute conflict.",
        tenant: AsPlain,
    },
    Difference {
        case: "more than 100 operands of in are an error",
        wrong: Both,
        reason: "IN takes up to 100 operands (\"Condition and filter expressions, operators, and functions\").",
        tenant: AsPlain,
    },
    Difference {
        case: "a transaction on a key attribute is an error",
        wrong: Both,
        reason: "Key attributes cannot be updated (UpdateExpression); they do not look in transactions.",
        tenant: AsPlain,
    },
    Difference {
        case: "the updated of the old after SET doc.#list[2] = :v on an item",
        wrong: Both,
        reason: "UPDATED_* returns only the updated elements of a list, and none for one appended beyond its end; they give the whole list.",
        tenant: Brings(r#"[{"answer":{"doc":{"M":{"list":{"L":[{"N":"3"}]}}}}}]"#),
    },
    Difference {
        case: "the updated of the new after SET doc.#list[2] = :v on an item",
        wrong: Both,
        reason: "UPDATED_* returns only the updated elements of a list, and none for one appended beyond its end; they give the whole list.",
        tenant: Brings(r#"[{"answer":{"doc":{"M":{"list":{"L":[{"N":"9"}]}}}}}]"#),
    },
    Difference {
        case: "the updated of the old after SET #list[1] = :v, email = :w on an item",
        wrong: Both,
        reason: "UPDATED_* returns only the updated elements of a list, and none for one appended beyond its end; they give the whole list.",
        tenant: Brings(r#"[{"answer":{"email":{"S":"old@example.org"},"list":{"L":[{"S":"y"}]}}}]"#),
    },
    Difference {
        case: "the updated of the new after SET #list[1] = :v, email = :w on an item",
        wrong: Both,
        reason: "UPDATED_* returns only the updated elements of a list, and none for one appended beyond its end; they give the whole list.",
        tenant: Brings(r#"[{"answer":{"email":{"S":"new"},"list":{"L":[{"S":"new"}]}}}]"#),
    },
    Difference {
        case: "the updated of the old after SET #list[9] = :v on an item",
        wrong: Both,
        reason: "UPDATED_* returns only the updated elements of a list, and none for one appended beyond its end; they give the whole list.",
        tenant: Brings(r#"[{"answer":null}]"#),
    },
    Difference {
        case: "the updated of the new after SET #list[9] = :v on an item",
        wrong: Both,
        reason: "UPDATED_* returns only the updated elements of a list, and none for one appended beyond its end; they give the whole list.",
        tenant: Brings(r#"[{"answer":null}]"#),
    },
    Difference {
        case: "the updated of the old after REMOVE #list[0], doc.a SET memo = :v on an item",
        wrong: Both,
        reason: "UPDATED_* returns only the updated elements of a list, and none for one appended beyond its end; they give the whole list.",
        tenant: Brings(
            r#"[{"answer":{"doc":{"M":{"a":{"M":{"b":{"N":"1"},"c":{"S":"c"}}}}},"list":{"L":[{"S":"x"}]},"memo":{"S":"memo"}}}]"#,
        ),
    },
    Difference {
        case: "the updated of the new after REMOVE #list[0], doc.a SET memo = :v on an item",
        wrong: Both,
        reason: "UPDATED_* returns only the updated elements of a list, and none for one appended beyond its end; they give the whole list.",
        tenant: Brings(r#"[{"answer":{"list":{"L":[{"S":"y"}]},"memo":{"S":"new"}}}]"#),
    },
    Difference {
        case: "a get of ",
        wrong: Second,
        reason: "An expression that does not follow the grammar is a ValidationException; it reads on.",
        tenant: AsLocal,
    },
    Difference {
        case: "a get of title,",
        wrong: Second,
        reason: "An expression that does not follow the grammar is a ValidationException; it reads on.",
        tenant: AsLocal,
    },
    Difference {
        case: "a get of title grade",
        wrong: Second,
        reason: "An expression that does not follow the grammar is a ValidationException; it reads on.",
        tenant: AsLocal,
    },
    Difference {
        case: "a get of doc..a",
        wrong: Second,
        reason: "An expression that does not follow the grammar is a ValidationException; it reads on.",
        tenant: AsLocal,
    },
    Difference {
        case: "the erroneous filter ",
        wrong: Second,
        reason: "An expression that does not follow the grammar is a ValidationException; it reads on.",
        tenant: AsLocal,
    },
    Difference {
        case: "the erroneous update SET title",
        wrong: Second,
        reason: "An expression that does not follow the grammar is a ValidationException; it reads on.",
        tenant: AsLocal,
    },
    Difference {
        case: "the erroneous update SET title = :v, title = :w",
        wrong: Second,
        reason: "Paths that overlap are a ValidationException (\"Using update expressions\"); it carries out both.",
        tenant: AsLocal,
    },
    Difference {
        case: "the erroneous update SET doc = :v REMOVE doc.a",
        wrong: Second,
        reason: "Paths that overlap are a ValidationException (\"Using update expressions\"); it carries out both.",
        tenant: AsLocal,
    },
    Difference {
        case: "the erroneous update SET email = :v REMOVE email",
        wrong: Second,
        reason: "Paths that overlap are a ValidationException (\"Using update expressions\"); it carries out both.",
        tenant: AsLocal,
    },
    Difference {
        case: "the erroneous update SET title = :v SET city = :v",
        wrong: Second,
        reason: "Each clause may be written once (\"Using update expressions\"); it carries out both.",
        tenant: AsLocal,
    },
    Difference {
        case: "the erroneous update SET title = title + :v",
        wrong: Second,
        reason: "An operand of the wrong type is a ValidationException; it makes something of it.",
        tenant: AsPlain,
    },
    Difference {
        case: "the erroneous update SET #list = list append(title, :v)",
        wrong: Second,
        reason: "An operand of the wrong type is a ValidationException; it makes something of it.",
        tenant: AsPlain,
    },
    Difference {
        case: "an update of the wrong type cancels the transaction",
        wrong: Second,
        reason: "An operand of the wrong type cancels the transaction with a ValidationError; it makes something of it.",
        tenant: AsPlain,
    },
    Difference {
        case: "the updated of the old after SET city = :v on an item",
        wrong: Second,
        reason: "There are no attributes when nothing is returned; it gives an empty map.",
        tenant: AsLocal,
    },
    Difference {
        case: "the updated of the old after SET secret = :v on an item",
        wrong: Second,
        reason: "There are no attributes when nothing is returned; it gives an empty map.",
        tenant: AsLocal,
    },
    Difference {
        case: "the erroneous key condition pk = :pk OR sk = :v",
        wrong: Second,
        reason: "A key condition has only `=`, `<`, `<=`, `>`, `>=`, BETWEEN and begins_with, joined by AND; it reads any condition.",
        tenant: AsPlain,
    },
    Difference {
        case: "the erroneous key condition pk = :pk AND NOT sk = :v",
        wrong: Second,
        reason: "A key condition has only `=`, `<`, `<=`, `>`, `>=`, BETWEEN and begins_with, joined by AND; it reads any condition.",
        tenant: AsPlain,
    },
    Difference {
        case: "the erroneous key condition pk = :pk AND sk <> :v",
        wrong: Second,
        reason: "A key condition has only `=`, `<`, `<=`, `>`, `>=`, BETWEEN and begins_with, joined by AND; it reads any condition.",
        tenant: AsPlain,
    },
    Difference {
        case: "the erroneous key condition pk = :pk AND contains(sk, :v)",
        wrong: Second,
        reason: "A key condition has only `=`, `<`, `<=`, `>`, `>=`, BETWEEN and begins_with, joined by AND; it reads any condition.",
        tenant: AsPlain,
    },
    Difference {
        case: "the erroneous key condition pk = :pk AND attribute exists(sk)",
        wrong: Second,
        reason: "A key condition has only `=`, `<`, `<=`, `>`, `>=`, BETWEEN and begins_with, joined by AND; it reads any condition.",
        tenant: AsPlain,
    },
    Difference {
        case: "the erroneous filter sk = :v",
        wrong: Second,
        reason: "A filter must not test key attributes (\"Filter expressions for the Query operation\"); it does.",
        tenant: AsPlain,
    },
    Difference {
        case: "the erroneous filter pk = :pk AND title = :v",
        wrong: Second,
        reason: "A filter must not test key attributes (\"Filter expressions for the Query operation\"); it does.",
        tenant: AsPlain,
    },
    Difference {
        case: "a table with a number for its sort key",
        wrong: Second,
        reason: "Numbers are equal by value, keys too; it compares their text.",
        tenant: AsPlain,
    },
    Difference {
        case: "a get by another rendering of a number finds the item",
        wrong: Second,
        reason: "Numbers are equal by value, keys too; it compares their text.",
        tenant: AsPlain,
    },
    Difference {
        case: "an upsert by another rendering of a number finds the item",
        wrong: Second,
        reason: "Numbers are equal by value, keys too; it compares their text.",
        tenant: AsPlain,
    },
    Difference {
        case: "a transaction that upserts",
        wrong: Second,
        reason: "Numbers are stored normalised; in a map in a transaction it keeps their text.",
        tenant: AsLocal,
    },
    Difference {
        case: "a local index fetches what it lacks",
        wrong: Second,
        reason: "A query of a local index fetches what is not projected from the table (\"Local secondary indexes\"); it does not.",
        tenant: AsPlain,
    },
    Difference {
        case: "a global index of keys does not give other attributes",
        wrong: Second,
        reason: "What a global index does not project cannot be asked of it (\"Global secondary indexes\"); it leaves it out.",
        tenant: AsPlain,
    },
    Difference {
        case: "a batch get of more than 16 megabytes leaves keys unprocessed",
        wrong: Second,
        reason: "A batch get returns up to 16 MB (BatchGetItem); it returns more.",
        tenant: AsPlain,
    },
    Difference {
        case: "an empty set in an encrypted attribute of a transaction",
        wrong: Second,
        reason: "A set must not be empty; it does not look in transactions.",
        tenant: AsLocal,
    },
    Difference {
        case: "an attribute without a name is an error",
        wrong: Second,
        reason: "Attribute names must not be empty; it does not look.",
        tenant: AsPlain,
    },
    Difference {
        case: "no names at all are an error",
        wrong: Second,
        reason: "ExpressionAttributeNames must not be empty; it does not look.",
        tenant: AsPlain,
    },
    Difference {
        case: "no values at all are an error",
        wrong: Second,
        reason: "ExpressionAttributeValues must not be empty; it does not look.",
        tenant: AsPlain,
    },
    Difference {
        case: "a scan that starts at an encrypted attribute is an error",
        wrong: Second,
        reason: "A start key has exactly the attributes of the key (Scan, ExclusiveStartKey); it does not look.",
        tenant: AsPlain,
    },
];
