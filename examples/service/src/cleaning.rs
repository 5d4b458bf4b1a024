//! Deletes objects that no record names: what an upload leaves that stops between its two writes.

use std::time::SystemTime;

use futures_util::TryStreamExt;
use tenantseal::{Error, Tenant};
use uuid::Uuid;

use crate::attachments::{delete_listed, objects};
use crate::contact::Contact;

/// Deletes the tenant's objects that were stored before `before` and that no contact names, and says how many.
///
/// An upload names its object when it has stored it. So choose a time that lies further back than an upload takes: a
/// day.
///
/// # Errors
///
/// When the bucket cannot be listed, or a record or an object fails. What was deleted by then is.
pub async fn delete_unnamed(tenant: &Tenant, before: SystemTime) -> Result<u64, Error> {
    let (contacts, objects) = (tenant.records::<Contact>(), objects(tenant));
    let mut listed = objects.list("").stream();
    let mut deleted = 0;
    while let Some(object) = listed.try_next().await? {
        let stored = object.last_modified().and_then(|time| SystemTime::try_from(*time).ok());
        // What is not `<contact>/<upload>` is somebody else's.
        let contact = object.key().split_once('/').and_then(|(id, _)| Uuid::parse_str(id).ok());
        let (Some(id), Some(true)) = (contact, stored.map(|stored| stored < before)) else { continue };
        let contact = contacts.get(id.to_string()).consistent().await?;
        if contact.is_some_and(|contact| contact.attachments.values().any(|named| named.object == object.key())) {
            continue;
        }
        delete_listed(&objects, object.key()).await?;
        deleted += 1;
    }
    Ok(deleted)
}
