//! Who may do what with which key: the expected answers, written down.
//!
//! | column | meaning |
//! |---|---|
//! | who | `12`: tenant 12's session, with session policy and session tag; `12 unlimited`: without session policy; `12 untagged`: without tag; `12 as 123`: the session policy of 12 and the tag of 123; `admin`: the key account's administrator; `by-aliases 12`, `by-tag 12`: the other two scopes; `copied 12`: the copied recipe |
//! | does | `make` a data key, `try` the same with DryRun, `open` a data key of the tenant in the context (or `open x`: of tenant x), `encrypt`, `rewrap`, `describe`, `grant`, `disable` and enable |
//! | key | `{12}` is the id of tenant 12's key; `-`: the request names none |
//! | context | the value of `tenant` in the encryption context; `-`: none; `+`: and another pair |

use crate::policies::scene::Scene;

/// With the library's policies.
const OURS: &str = "
who                | does     | key                                                    | context | answer

# A tenant and its own key.
12                 | make     | alias/customer-12                                      | 12      | yes
12                 | open     | alias/customer-12                                      | 12      | yes
12                 | make     | alias/customer-12/{12}                                 | 12      | yes
12                 | open     | alias/customer-12/{12}                                 | 12      | yes
12                 | make     | arn:aws:kms:us-east-1:111111111111:alias/customer-12   | 12      | yes
12                 | make     | alias/customer-12                                      | 12+     | yes
12                 | try      | alias/customer-12                                      | 12      | DryRunOperationException
12                 | make     | arn:aws:kms:us-east-1:111111111111:key/{12}            | 12      | AccessDeniedException
12                 | open     | arn:aws:kms:us-east-1:111111111111:key/{12}            | 12      | AccessDeniedException
12                 | make     | {12}                                                   | 12      | AccessDeniedException
12                 | open     | {12}                                                   | 12      | AccessDeniedException
12                 | open     | -                                                      | 12      | AccessDeniedException
12                 | make     | alias/customer-12                                      | -       | AccessDeniedException
12                 | make     | alias/customer-12                                      | 123     | AccessDeniedException
12                 | encrypt  | alias/customer-12                                      | 12      | AccessDeniedException
12                 | rewrap   | alias/customer-12                                      | 12      | AccessDeniedException
12                 | describe | alias/customer-12                                      | -       | AccessDeniedException
12                 | grant    | {12}                                                   | -       | AccessDeniedException

# A tenant and another's key, also one whose name begins with its own, or differs in case.
12                 | make     | alias/customer-123                                     | 12      | AccessDeniedException
12                 | make     | alias/customer-123                                     | 123     | AccessDeniedException
12                 | try      | alias/customer-123                                     | 123     | AccessDeniedException
12                 | open     | alias/customer-123                                     | 123     | AccessDeniedException
12                 | open     | -                                                      | 123     | AccessDeniedException
12                 | open     | arn:aws:kms:us-east-1:111111111111:key/{123}           | 123     | AccessDeniedException
12                 | open 123 | alias/customer-12                                      | 12      | IncorrectKeyException
12                 | make     | alias/customer-123/{123}                               | 12      | AccessDeniedException
123                | make     | alias/customer-12                                      | 12      | AccessDeniedException
a                  | make     | alias/customer-a                                       | a       | yes
a                  | make     | alias/customer-A                                       | A       | AccessDeniedException
a                  | make     | alias/customer-a                                       | A       | AccessDeniedException
a                  | make     | alias/customer-absent                                  | a       | NotFoundException

# A session that lacks a part, or whose parts disagree.
12 unlimited       | make     | alias/customer-12                                      | 12      | yes
12 unlimited       | make     | alias/customer-123                                     | 123     | AccessDeniedException
12 unlimited       | make     | alias/customer-123                                     | 12      | AccessDeniedException
12 unlimited       | make     | {12}                                                   | 12      | AccessDeniedException
12 untagged        | make     | alias/customer-12                                      | 12      | AccessDenied
12 as 123          | make     | alias/customer-12                                      | 12      | AccessDeniedException
12 as 123          | make     | alias/customer-123                                     | 123     | AccessDeniedException
12 smuggled        | make     | alias/customer-12                                      | 12      | AccessDeniedException
12 two tags        | make     | alias/customer-12                                      | 12      | AccessDenied

# Administrators, and what is beyond the account.
admin              | make     | alias/customer-12                                      | 12      | AccessDeniedException
admin              | open     | alias/customer-12                                      | 12      | AccessDeniedException
admin              | encrypt  | {12}                                                   | 12      | AccessDeniedException
admin              | rewrap   | alias/customer-12                                      | 12      | AccessDeniedException
admin              | grant    | {12}                                                   | -       | AccessDeniedException
admin              | describe | alias/customer-12                                      | -       | yes
admin              | disable  | {12}                                                   | -       | yes
12                 | make     | arn:aws:kms:us-east-1:333333333333:alias/customer-12   | 12      | AccessDeniedException
foreign            | make     | arn:aws:kms:us-east-1:111111111111:alias/customer-12   | 12      | AccessDeniedException

# An alias that was pointed elsewhere: by a rotation, and by someone to another tenant's key.
turned             | open     | alias/customer-turned                                  | turned  | IncorrectKeyException
turned             | open     | alias/customer-turned/{turned}                         | turned  | yes
turned             | make     | alias/customer-turned                                  | turned  | yes
crossed            | make     | alias/customer-crossed                                 | crossed | AccessDeniedException
crossed            | make     | alias/customer-crossed                                 | 123     | AccessDeniedException

# A grant to the role, and a statement that names one session, on a key that has the library's denials.
granted            | make     | alias/customer-granted                                 | granted | yes
12                 | make     | alias/customer-granted                                 | granted | AccessDeniedException
12                 | make     | {granted}                                              | granted | AccessDeniedException
12                 | make     | alias/customer-named                                   | named   | AccessDeniedException
12                 | make     | alias/customer-named                                   | 12      | AccessDeniedException

# A multi-Region key: each Region has its own alias, and a session is for one of them.
far                | make     | alias/customer-far                                     | far     | yes
far in Frankfurt   | make     | alias/customer-far                                     | far     | yes
far in Frankfurt   | open     | alias/customer-far                                     | far     | yes
far astray         | make     | alias/customer-far                                     | far     | AccessDeniedException
12                 | make     | alias/customer-far                                     | far     | AccessDeniedException

# Two tenants on one shared key.
p1                 | make     | alias/customer-p1                                      | p1      | yes
p1                 | open     | alias/customer-p1                                      | p1      | yes
p1                 | open     | alias/customer-p1/{small}                              | p1      | yes
p1                 | make     | alias/customer-p2                                      | p2      | AccessDeniedException
p1                 | make     | alias/customer-p1                                      | p2      | AccessDeniedException
p1                 | open p2  | alias/customer-p1                                      | p1      | InvalidCiphertextException
p1                 | open     | alias/customer-p1                                      | p2      | AccessDeniedException
p1                 | open     | alias/customer-p2                                      | p2      | AccessDeniedException
p1                 | make     | {small}                                                | p1      | AccessDeniedException
p1                 | make     | alias/customer-small                                   | p1      | AccessDeniedException
p1 unlimited       | make     | alias/customer-p1                                      | p1      | yes
p1 unlimited       | make     | alias/customer-p2                                      | p2      | AccessDeniedException
p1 smuggled        | make     | alias/customer-p1                                      | p1      | AccessDeniedException
12                 | make     | alias/customer-p1                                      | p1      | AccessDeniedException
admin              | make     | alias/customer-p1                                      | p1      | AccessDeniedException

# Scoped by the aliases that the key has: any name of the key will do.
by-aliases 12      | make     | alias/aliased-12                                       | 12      | yes
by-aliases 12      | make     | {by-aliases 12}                                        | 12      | yes
by-aliases 12      | open     | -                                                      | 12      | yes
by-aliases 12      | make     | {by-aliases 123}                                       | 12      | AccessDeniedException
by-aliases 12      | make     | alias/aliased-123                                      | 123     | AccessDeniedException
by-aliases 12      | make     | {by-aliases 12}                                        | -       | AccessDeniedException
by-aliases 12      | make     | {by-aliases 12}                                        | 123     | AccessDeniedException
by-aliases 12 unlimited | make | {by-aliases 123}                                      | 123     | AccessDeniedException
admin              | make     | {by-aliases 12}                                        | 12      | AccessDeniedException

# Scoped by the key's tag: aliases do not matter.
by-tag 12          | make     | alias/tagged-12                                        | 12      | yes
by-tag 12          | make     | {by-tag 12}                                            | 12      | yes
by-tag 12          | open     | -                                                      | 12      | yes
by-tag 12          | make     | {by-tag 123}                                           | 12      | AccessDeniedException
by-tag 12          | make     | {by-tag 123}                                           | 123     | AccessDeniedException
by-tag 12          | make     | {by-tag 12}                                            | -       | AccessDeniedException
by-tag 12          | make     | {by-tag 12}                                            | 123     | AccessDeniedException
by-tag 12 unlimited | make    | {by-tag 123}                                           | 123     | AccessDeniedException
admin              | make     | {by-tag 12}                                            | 12      | AccessDeniedException
";

/// With the recipe that is commonly copied: the default root statement in the key policies, a role that may use every tenant's alias, a
/// session policy that names the alias alone. Each line is a gap that is open here and closed above.
const COPIED: &str = "
who                | does     | key                                                    | context | answer

# What it does achieve.
copied 12          | make     | alias/copied-12                                        | 12      | yes
copied 12          | make     | alias/copied-123                                       | 123     | AccessDeniedException
copied 12          | open     | {copied 12}                                            | 12      | AccessDeniedException

# Nothing makes a caller pass a session policy.
copied 12 unlimited | make    | alias/copied-123                                       | 123     | yes
copied 12 unlimited | open    | alias/copied-123                                       | 123     | yes

# The context is nobody's business.
copied 12          | make     | alias/copied-12                                        | -       | yes
copied 12          | make     | alias/copied-12                                        | 123     | yes

# The root statement leaves cryptography to whoever administers, and the role may choose keys of its own.
admin              | make     | alias/copied-12                                        | 12      | yes
admin              | open     | alias/copied-12                                        | 12      | yes
admin              | grant    | {copied 12}                                            | -       | yes
copied 12          | encrypt  | alias/copied-12                                        | 12      | yes

# The alias's name says nothing of its account.
copied 12          | make     | arn:aws:kms:us-east-1:333333333333:alias/copied-12     | 12      | yes

# An alias that someone has pointed to another tenant's key opens that one.
copied crossed     | make     | alias/copied-crossed                                   | 123     | yes

# Grants, sessions' names and `*` in key policies do not ask the session policy.
copied 12          | make     | alias/copied-granted                                   | granted | yes
copied 12          | make     | {copied granted}                                       | granted | yes
copied 12          | make     | alias/copied-named                                     | named   | yes
copied 12          | make     | alias/copied-anyone                                    | anyone  | yes
";

async fn holds(table: &str, scene: &Scene) -> usize {
    let mut wrong = Vec::new();
    let mut cases = 0;
    let lines = table.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    for line in lines.skip(1) {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [who, does, key, context, expected] = cells[..] else { panic!("{line}") };
        let answer = scene.ask(who, does, key, context).await;
        cases += 1;
        if answer != expected {
            wrong.push(format!("{line}   but the answer is {answer}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {cases}:\n{}", wrong.len(), wrong.join("\n"));
    cases
}

#[tokio::test]
async fn the_librarys_policies_answer_as_written() {
    let scene = Scene::set().await;
    assert!(holds(OURS, &scene).await >= 40);
}

#[tokio::test]
async fn the_copied_recipe_has_the_gaps_that_the_librarys_policies_close() {
    let scene = Scene::set().await;
    holds(COPIED, &scene).await;
}
