//! Attachments of contacts: streams to S3 and back.
//!
//! Each upload has an object of its own, and the contact's record says which one counts. So readers have the former
//! attachment until the record names the new one, and of two uploads at a time one wins as a whole.

use std::ops::RangeInclusive;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::TryStreamExt;
use http_range_header::parse_range_header;
use tenantseal::Tenant;
use tenantseal::blobs::{self, BlobBody, Blobs};
use tenantseal::error::Written;
use tenantseal::records::Records;
use tenantseal_tower::VerifiedTenant;
use uuid::Uuid;

use crate::contact::{Attachment, Contact, find};
use crate::error::AppError;
use crate::extract::Path;
use crate::upload::{byte_stream, declared_len};

/// The most bytes of an attachment.
pub const MAX_ATTACHMENT: u64 = 100 << 20;
/// How often a record that others change at the same time is read again.
const ROUNDS: u32 = 5;

/// Stores a new object, and names it in the record.
pub(crate) async fn put(
    tenant: VerifiedTenant,
    Path((id, name)): Path<(Uuid, String)>,
    request: Request,
) -> Result<Response, AppError> {
    let len = declared_len(request.headers(), MAX_ATTACHMENT)?;
    let contacts = tenant.records();
    find(&contacts, id).await?;
    let (objects, object) = (objects(&tenant), format!("{id}/{}", Uuid::new_v4()));
    let put = objects.put(&object, byte_stream(request.into_body(), len)).await?;
    let new = Attachment { object, stamp: put.stamp(), len: put.len() };
    let named = name_in_record(&contacts, id, &name, &new).await;
    match &named {
        Ok(Some(former)) => discard(&objects, former).await,
        // The contact was deleted during the upload.
        Err(AppError::Request(_)) => discard(&objects, &new).await,
        // After any other error the record may name the object: it stays.
        Ok(None) | Err(_) => {}
    }
    named?;
    Ok((StatusCode::CREATED, [(header::ETAG, etag(&new))]).into_response())
}

/// The attachment, or a range of it. It is given out as it arrives; if it turns out to be cut short or altered, the
/// connection breaks off.
pub(crate) async fn get(
    tenant: VerifiedTenant,
    Path((id, name)): Path<(Uuid, String)>,
    headers: HeaderMap,
) -> Result<Response, AppError> {
    let (contacts, objects) = (tenant.records(), objects(&tenant));
    let mut attachment = current(&contacts, id, &name).await?;
    let mut range = requested_range(&headers, &attachment)?;
    let mut opened = open(&objects, &attachment, range.as_ref()).await;
    if opened.as_ref().is_err_and(blobs::Error::is_not_found) {
        // Replaced since the record was read: it names another object now.
        attachment = current(&contacts, id, &name).await?;
        range = requested_range(&headers, &attachment)?;
        opened = open(&objects, &attachment, range.as_ref()).await;
    }
    let body = opened?.inspect_err(|error| tracing::error!(%error, "an attachment broke off"));
    Ok(answer(&attachment, range, Body::from_stream(body)))
}

/// Deletes an attachment: its object first, so that a repetition finds what an attempt has left.
pub(crate) async fn delete(
    tenant: VerifiedTenant,
    Path((id, name)): Path<(Uuid, String)>,
) -> Result<StatusCode, AppError> {
    let (contacts, objects) = (tenant.records::<Contact>(), objects(&tenant));
    for round in 1.. {
        let mut contact = find(&contacts, id).await?;
        let Some(attachment) = contact.attachments.remove(&name) else { break };
        objects.delete(attachment.object).await?;
        let update = contacts.update(id.to_string()).set("attachments", &contact.attachments);
        match update.expect_version(contact.version).await {
            Err(error) if error.is_conflict() && round < ROUNDS => {}
            done => {
                done?;
                break;
            }
        }
    }
    Ok(StatusCode::NO_CONTENT)
}

/// The keys of a contact's objects, with those that no record names.
pub(crate) async fn keys_of(tenant: &Tenant, id: Uuid) -> Result<Vec<String>, AppError> {
    let found = objects(tenant).list(format!("{id}/")).stream();
    Ok(found.map_ok(|object| object.key().to_owned()).try_collect().await?)
}

/// Deletes the object under a key of a list.
pub(crate) async fn delete_listed(objects: &Blobs, key: &str) -> Result<(), blobs::Error> {
    match objects.delete(key).await {
        // A key that this service does not write. Whoever may write to the bucket must not stop a deletion by it.
        Err(error @ blobs::Error::Refused(_)) => {
            tracing::warn!(%error, "an object was left alone");
            Ok(())
        }
        done => done.map(drop),
    }
}

/// Names an object in the record, and gives the one that it named before.
async fn name_in_record(
    contacts: &Records<Contact>,
    id: Uuid,
    name: &str,
    new: &Attachment,
) -> Result<Option<Attachment>, AppError> {
    let mut round = 1;
    loop {
        let mut contact = find(contacts, id).await?;
        let former = contact.attachments.insert(name.to_owned(), new.clone());
        let update = contacts.update(id.to_string()).set("attachments", &contact.attachments);
        match update.expect_version(contact.version).await {
            // An answer was lost, so this very write may have been the faster one. Then somebody may have replaced its
            // object since, and deleted it: it must not be named again.
            Err(error) if error.is_conflict() && error.written() != Written::No => {
                let named = find(contacts, id).await?.attachments.remove(name);
                return if named.as_ref() == Some(new) { Ok(None) } else { Err(error.into()) };
            }
            Err(error) if error.is_conflict() && round < ROUNDS => round += 1,
            done => return done.map(|()| former).map_err(AppError::from),
        }
    }
}

async fn current(contacts: &Records<Contact>, id: Uuid, name: &str) -> Result<Attachment, AppError> {
    let attachment = find(contacts, id).await?.attachments.remove(name);
    attachment.ok_or(AppError::Request(StatusCode::NOT_FOUND))
}

async fn open(
    objects: &Blobs,
    Attachment { object, stamp, .. }: &Attachment,
    range: Option<&RangeInclusive<u64>>,
) -> Result<BlobBody, blobs::Error> {
    match range {
        None => Ok(objects.get(object).stamp(*stamp).await?.into_body()),
        Some(range) => objects.open(object).stamp(*stamp).await?.stream(range.clone()).await,
    }
}

/// Deletes an object that nothing names. It costs money if it stays, and nobody reads it.
async fn discard(objects: &Blobs, attachment: &Attachment) {
    if let Err(error) = objects.delete(&attachment.object).await {
        tracing::warn!(%error, "an object that no record names was not deleted");
    }
}

pub(crate) fn objects(tenant: &Tenant) -> Blobs {
    tenant.blobs("attachments")
}

fn etag(attachment: &Attachment) -> String {
    format!("\"{}\"", attachment.stamp)
}

/// The one range that is asked for (RFC 9110, section 14.2); none where the whole is to be answered.
fn requested_range(headers: &HeaderMap, attachment: &Attachment) -> Result<Option<RangeInclusive<u64>>, AppError> {
    let len = attachment.len;
    let is_current = headers.get(header::IF_RANGE).is_none_or(|tag| tag.as_bytes() == etag(attachment).as_bytes());
    let range = headers.get(header::RANGE).and_then(|range| range.to_str().ok()).filter(|_| is_current);
    let Some(parsed) = range.and_then(|range| parse_range_header(range).ok()) else { return Ok(None) };
    let mut ranges = parsed.validate(len).map_err(|_| AppError::Range { len })?;
    Ok(if ranges.len() == 1 { ranges.pop() } else { None })
}

/// The content is whatever somebody uploaded: no browser may show it as a page of this service.
fn answer(attachment: &Attachment, range: Option<RangeInclusive<u64>>, body: Body) -> Response {
    let (len, status) = match &range {
        Some(range) => (range.end() - range.start() + 1, StatusCode::PARTIAL_CONTENT),
        None => (attachment.len, StatusCode::OK),
    };
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_DISPOSITION, "attachment".to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        (header::CONTENT_LENGTH, len.to_string()),
        (header::ETAG, etag(attachment)),
    ];
    let content_range = range
        .map(|range| [(header::CONTENT_RANGE, format!("bytes {}-{}/{}", range.start(), range.end(), attachment.len))]);
    (status, headers, content_range, body).into_response()
}
