//! Contacts: create, read, list, update, delete.

use axum::Json as JsonBody;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use tenantseal::records::PageToken;
use tenantseal_tower::VerifiedTenant;
use uuid::Uuid;

use crate::attachments;
use crate::contact::{Contact, ContactBody, ContactView, find};
use crate::error::AppError;
use crate::extract::{Json, Path, Precondition, Query};

/// Creates a contact under an id that the caller chose, or replaces what a caller may change of the version that it
/// names. Either can be repeated: a second create is 412, and never a second contact.
pub(crate) async fn put(
    tenant: VerifiedTenant,
    Path(id): Path<Uuid>,
    precondition: Precondition,
    Json(body): Json<ContactBody>,
) -> Result<Response, AppError> {
    let contacts = tenant.records::<Contact>();
    match precondition {
        Precondition::IsNew => {
            let contact = Contact::new(tenant.id(), id, body);
            let stored = contacts.put(&contact).returning_new().await;
            Ok((StatusCode::CREATED, answer(stored.map_err(AppError::of_versioned_write)?)).into_response())
        }
        Precondition::Version(version) => {
            let update = contacts
                .update(id.to_string())
                .set("name", &body.name)
                .set("email", &body.email)
                .set("notes", &body.notes)
                .expect_version(version)
                .returning_new();
            Ok(answer(update.await.map_err(AppError::of_versioned_write)?))
        }
    }
}

/// One contact.
pub(crate) async fn get(tenant: VerifiedTenant, Path(id): Path<Uuid>) -> Result<Response, AppError> {
    Ok(answer(find(&tenant.records(), id).await?))
}

/// Deletes a contact of the version that the caller names, and then its attachments. Repeated, it deletes those that
/// the first attempt left.
pub(crate) async fn delete(
    tenant: VerifiedTenant,
    Path(id): Path<Uuid>,
    precondition: Precondition,
) -> Result<StatusCode, AppError> {
    let Precondition::Version(version) = precondition else { return Err(StatusCode::BAD_REQUEST.into()) };
    let contacts = tenant.records::<Contact>();
    // Before the record goes: afterwards there may be another contact of this id, with objects of its own.
    let keys = attachments::keys_of(&tenant, id).await?;
    match contacts.delete(id.to_string()).expect_version(version).await {
        Err(error) if error.is_conflict() => {
            if contacts.get(id.to_string()).consistent().exists().await? {
                return Err(StatusCode::PRECONDITION_FAILED.into());
            }
        }
        done => done?,
    }
    let objects = attachments::objects(&tenant);
    for key in keys {
        attachments::delete_listed(&objects, &key).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// A page of a list.
#[derive(Deserialize)]
pub(crate) struct ListQuery {
    limit: Option<usize>,
    page: Option<PageToken>,
}

/// Some of the tenant's contacts.
#[derive(Serialize)]
pub(crate) struct Listed {
    contacts: Vec<ContactView>,
    /// How many more there are on this page that do not open. The log names them.
    unreadable: usize,
    /// Asks for the next page, as `page`.
    next: Option<PageToken>,
}

/// The tenant's contacts, page by page.
pub(crate) async fn list(
    tenant: VerifiedTenant,
    Query(ListQuery { limit, page }): Query<ListQuery>,
) -> Result<JsonBody<Listed>, AppError> {
    let limit = limit.unwrap_or(20);
    if !(1..=100).contains(&limit) {
        return Err(StatusCode::BAD_REQUEST.into());
    }
    let page = tenant.records::<Contact>().query().limit(limit).page(page.as_ref()).await?;
    let mut listed = Listed { contacts: Vec::new(), unreadable: 0, next: page.next };
    for contact in page.records {
        match contact {
            Ok(contact) => listed.contacts.push(contact.into()),
            // One altered item must not hide all others.
            Err(error) if error.is_integrity() => {
                tracing::error!(%error, "a contact of a list does not open");
                listed.unreadable += 1;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(JsonBody(listed))
}

fn answer(contact: Contact) -> Response {
    ([(header::ETAG, contact.etag())], JsonBody(ContactView::from(contact))).into_response()
}
