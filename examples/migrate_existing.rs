//! Migrates a program written for the plain SDK. It runs once on the SDK's client and once on a tenant's; only the
//! construction of the client differs.
//!
//! `migrate_existing/program.rs` is the program; `before.rs` and `after.rs` beside it build its client. Run it with
//! `cargo run --example migrate_existing`; it needs nothing else. It fails if the two runs print different lines, or
//! store different attributes apart from the sealed ones.
//!
//! A program that compares, sorts by or computes with an attribute cannot encrypt it without a change: the client
//! refuses the expression and names the attribute. Older items do not open, because no stored item may claim to be
//! plaintext. Read them with the plain client and put them with the tenant's (`tests/drop_in_libraries.rs` does).

#[path = "migrate_existing/after.rs"]
mod after;
#[path = "migrate_existing/before.rs"]
mod before;
#[path = "shared/local_aws.rs"]
mod local_aws;
#[path = "migrate_existing/program.rs"]
mod program;
#[path = "shared/stored.rs"]
mod stored;

use std::error::Error;

use aws_sdk_dynamodb::Client;
use local_aws::LocalAws;
use stored::{Stored, compare, shown, stored};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let aws = LocalAws::start("arn:aws:iam::111111111111:role/TenantKeys", "acme").await?;

    let plain = run(&aws, before::client(&aws.config)?).await?;
    let sealed = run(&aws, after::client(&aws.config)?).await?;
    if plain.printed != sealed.printed {
        return Err(format!("the runs differ:\n{}", diff(&plain.printed, &sealed.printed)).into());
    }
    if plain.key_calls != 0 {
        return Err("the plain client asked for a key".into());
    }
    let count = compare(&[after::schema()?], &plain.stored, &sealed.stored)?;

    println!("What changed in the program:\n");
    print!("{}", diff(include_str!("migrate_existing/before.rs"), include_str!("migrate_existing/after.rs")));
    println!("\nWhat it printed, on either client ({} lines):\n", plain.printed.lines().count());
    for line in plain.printed.lines().take(6) {
        println!("  {line}");
    }
    println!("  …\n\nWhat is stored of T-0001:\n");
    let key = ["acme", "T-0001"].map(str::to_owned);
    let sealed_item = sealed.stored.get(&key[..]).ok_or("T-0001 is not stored")?;
    let plain_item = plain.stored.get(&key[..]).ok_or("T-0001 is not stored")?;
    let mut names: Vec<&String> = sealed_item.keys().collect();
    names.sort();
    for name in names {
        let before = plain_item.get(name).map_or("-".to_owned(), shown);
        println!("  {name:<10} plain   {before}\n  {:<10} sealed  {}", "", shown(&sealed_item[name]));
    }
    println!("\n{} items, {count} sealed attributes, {} calls for keys.", sealed.stored.len(), sealed.key_calls);
    aws.stack.shutdown().await;
    Ok(())
}

/// The result of a run.
struct Run {
    printed: String,
    stored: Stored,
    key_calls: u64,
}

/// Runs the program on a client, in an empty database.
async fn run(aws: &LocalAws, dynamodb: Client) -> Result<Run, Box<dyn Error>> {
    aws.stack.calls().reset();
    let printed = program::run(&dynamodb).await?;
    let key_calls = aws.key_calls();
    let plain = Client::new(&aws.config);
    let stored = stored(&plain, &[after::schema()?]).await?;
    plain.delete_table().table_name("tickets").send().await?;
    Ok(Run { printed, stored, key_calls })
}

/// The lines in which two texts differ, without their common beginning and end.
fn diff(before: &str, after: &str) -> String {
    let (mut before, mut after): (Vec<_>, Vec<_>) = (before.lines().collect(), after.lines().collect());
    while before.last().is_some_and(|line| after.last() == Some(line)) {
        before.pop();
        after.pop();
    }
    let same = before.iter().zip(&after).take_while(|(before, after)| before == after).count();
    let removed = before[same..].iter().map(|line| format!("- {line}\n"));
    removed.chain(after[same..].iter().map(|line| format!("+ {line}\n"))).collect()
}
