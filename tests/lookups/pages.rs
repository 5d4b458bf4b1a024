//! What a lookup finds is counted, and listed page by page, after it was compared.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tenantseal::error::{Error, Refusal};
use tenantseal::records::{FindBy, PageToken, any_of, attribute, begins};

use super::repository::{Contact, acme, builder, contact, ids, people};
use super::scene::{TABLE, put, stored, world};
use crate::common::wire::{Reaction, Wire};
use crate::common::{World, id, s};

/// 9 contacts with one e-mail address, and as many items that only have its token.
async fn crowd() -> World {
    let world = world(&["acme", "globex"]).await;
    let contacts = acme(&world).records::<Contact>();
    for at in 0..9 {
        contacts.put(&contact(&format!("contact-{at}"), "ada@x.org", None, "Lovelace", "1815")).await.unwrap();
        contacts.put(&contact(&format!("copied-{at}"), &format!("{at}@x.org"), None, "Lovely", "1900")).await.unwrap();
        let token = stored(&world, "acme", "contact-0").await["_seal_by_email"].clone();
        let mut copied = stored(&world, "acme", &format!("copied-{at}")).await;
        copied.insert("_seal_by_email".to_owned(), token);
        put(&world.plain, copied).await;
    }
    world
}

/// The ids on all pages, and the number of pages.
async fn walk<'a>(find: impl Fn() -> FindBy<'a, Contact>) -> (Vec<String>, usize) {
    let (mut all, mut pages, mut token) = (Vec::new(), 0, None);
    loop {
        let page = find().page(token.as_ref()).await.unwrap();
        token.clone_from(&page.next);
        all.extend(page.into_records().unwrap());
        pages += 1;
        if token.is_none() {
            return (ids(all), pages);
        }
    }
}

fn is_refused<T>(result: Result<T, Error>) -> bool {
    matches!(result, Err(Error::Refused(Refusal::PageToken)))
}

#[tokio::test]
async fn pages_of_any_size_have_each_record_that_a_lookup_finds_once() {
    let world = crowd().await;
    let contacts = acme(&world).records::<Contact>();
    let ada: Vec<_> = (0..9).map(|at| format!("contact-{at}")).collect();
    for limit in [1, 2, 5, 18, 30] {
        let (found, pages) = walk(|| contacts.find_by("email", "ada@x.org").limit(limit)).await;
        assert_eq!(found, ada, "{limit}");
        // 18 items have the token.
        assert!(pages >= 18_usize.div_ceil(limit), "{limit}: {pages}");
        let (named, _) = walk(|| contacts.find_by("last_name", begins("lovel")).limit(limit)).await;
        assert_eq!(named.len(), 18, "{limit}");
        let filtered = || attribute("last_name").equals("LOVELACE");
        let (found, _) = walk(|| contacts.find_by("email", "ada@x.org").filter(filtered()).limit(limit)).await;
        assert_eq!(found, ada, "{limit}");
    }
    assert_eq!(walk(|| contacts.find_by("email", any_of(["ada@x.org"]))).await, (ada, 1));
    assert_eq!(walk(|| contacts.find_by("email", any_of([""; 0]))).await, (Vec::new(), 1));
    let several = contacts.find_by("email", any_of(["ada@x.org", "1@x.org"])).page(None).await.unwrap_err();
    assert!(matches!(&several, Error::Refused(Refusal::PageOfSeveral { lookup }) if lookup == "email"), "{several}");
}

#[tokio::test]
async fn a_page_token_is_good_for_its_tenant_lookup_and_value_alone() {
    let world = crowd().await;
    let (acme, globex) = (acme(&world), builder(&world).build(&world.app).unwrap().tenant(&id("globex")));
    let contacts = acme.records::<Contact>();
    let find = || contacts.find_by("email", "ada@x.org").limit(2);
    let token = find().page(None).await.unwrap().next.unwrap();
    assert!(find().page(Some(&token)).await.is_ok());
    assert!(find().limit(3).page(Some(&token)).await.is_ok(), "the size is free");

    let open = || attribute("status").equals("open");
    let others = [
        contacts.find_by("email", "1@x.org"),
        contacts.find_by("person", ("Lovelace", "1815")),
        contacts.find_by("last_name", begins("ad")),
        contacts.find_by("email", "ada@x.org").filter(open()),
        globex.records::<Contact>().find_by("email", "ada@x.org"),
    ];
    for (at, other) in others.into_iter().enumerate() {
        assert!(is_refused(other.limit(2).page(Some(&token)).await), "{at}");
    }
    // The same names and values in another expression.
    let not_open = || attribute("status").not_equals("open");
    let of_open =
        contacts.find_by("email", "ada@x.org").filter(open()).limit(2).page(None).await.unwrap().next.unwrap();
    assert!(contacts.find_by("email", "ada@x.org").filter(open()).page(Some(&of_open)).await.is_ok());
    assert!(is_refused(contacts.find_by("email", "ada@x.org").filter(not_open()).page(Some(&of_open)).await));
    let by_token = attribute("email").equals("ada@x.org");
    assert!(is_refused(contacts.query().filter(by_token).limit(2).page(Some(&token)).await));

    let bytes = URL_SAFE_NO_PAD.decode(token.as_str()).unwrap();
    let stored = acme.token(TABLE, "email", "ada@x.org").await.unwrap();
    // Long enough that random bytes do not show one by chance: of three characters, one run in 800 did.
    for hidden in ["ada@x.org", "email", "by-email", stored.split_once('.').unwrap().1, "contact-0", "copied-0"] {
        let shows = bytes.windows(hidden.len()).any(|part| part == hidden.as_bytes());
        assert!(!shows && !token.as_str().contains(hidden), "{hidden}");
    }
    let last = bytes.len() - 1;
    for at in [last, last - 20, last - 60] {
        let mut altered = bytes.clone();
        altered[at] ^= 1;
        let altered = PageToken::from(URL_SAFE_NO_PAD.encode(altered));
        assert!(is_refused(find().page(Some(&altered)).await), "{at}");
    }
}

#[tokio::test]
async fn a_count_is_of_what_is_left_after_comparing() {
    let world = crowd().await;
    let (wire, config) = {
        let wire = Wire::scripted(|_, _| Reaction::Forward);
        (wire.clone(), world.over(wire))
    };
    let contacts = builder(&world).build(&config).unwrap().tenant(&id("acme")).records::<Contact>();
    assert_eq!(contacts.find_by("email", "Ada@x.org").count().await.unwrap(), 9, "and not the 9 copied tokens");
    assert_eq!(contacts.find_by("email", "ada@x.org").limit(4).count().await.unwrap(), 4);
    assert_eq!(contacts.find_by("email", "ada@x.org").limit(0).count().await.unwrap(), 0);
    assert_eq!(contacts.find_by("last_name", begins("lovelac")).count().await.unwrap(), 9);
    let mine = attribute("tags").contains("contact-3");
    assert_eq!(contacts.find_by("email", "ada@x.org").filter(mine).count().await.unwrap(), 1);
    let emails = any_of(["ada@x.org", " ADA@X.ORG", "nobody@x.org"]);
    assert_eq!(contacts.find_by("email", emails).count().await.unwrap(), 9, "each once");
    assert_eq!(contacts.find_by("email", any_of([""; 0])).count().await.unwrap(), 0);

    let sent = String::from_utf8(wire.bodies("Query").first().unwrap().clone()).unwrap();
    let sent: BTreeSet<_> = sent.split('"').collect();
    assert!(sent.contains("ProjectionExpression") && !sent.contains("tags") && !sent.contains("born"), "{sent:?}");
}

#[tokio::test]
async fn a_record_that_does_not_open_fails_the_count_and_not_its_page() {
    let (world, _, contacts) = people().await;
    let mut forged = stored(&world, "acme", "c-3").await;
    forged.insert("email".to_owned(), s("plaintext"));
    put(&world.plain, forged).await;
    let error = contacts.find_by("email", "ada@x.org").count().await.unwrap_err();
    assert_eq!(error.item().unwrap().key()["contact_id"], s("c-3"));
    let page = contacts.find_by("email", "ada@x.org").page(None).await.unwrap();
    assert_eq!(page.records.iter().filter(|record| record.is_ok()).count(), 1);
    assert_eq!(page.records.len(), 2);
}
