//! What the caller sets of a put, for each of the requests that it may take.

use aws_sdk_s3::operation::abort_multipart_upload::builders::AbortMultipartUploadFluentBuilder;
use aws_sdk_s3::operation::complete_multipart_upload::builders::CompleteMultipartUploadFluentBuilder;
use aws_sdk_s3::operation::create_multipart_upload::builders::{
    CreateMultipartUploadFluentBuilder, CreateMultipartUploadInputBuilder,
};
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::get_object::builders::GetObjectFluentBuilder;
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::operation::upload_part::builders::UploadPartFluentBuilder;

use crate::error::{Error, Refusal};

/// What the caller sets of a put.
#[derive(Clone, Debug)]
pub(crate) struct Fields {
    /// What describes the object, as a multipart upload takes it.
    object: CreateMultipartUploadInputBuilder,
    if_match: Option<String>,
    if_none_match: Option<String>,
}

/// Applies a macro to all fields that a put and a multipart upload both have.
macro_rules! for_each_field {
    ($apply:ident) => {
        $apply! {
            get_acl set_acl,
            get_bucket_key_enabled set_bucket_key_enabled,
            get_cache_control set_cache_control,
            get_checksum_algorithm set_checksum_algorithm,
            get_content_disposition set_content_disposition,
            get_content_encoding set_content_encoding,
            get_content_language set_content_language,
            get_content_type set_content_type,
            get_expected_bucket_owner set_expected_bucket_owner,
            get_expires set_expires,
            get_grant_full_control set_grant_full_control,
            get_grant_read set_grant_read,
            get_grant_read_acp set_grant_read_acp,
            get_grant_write_acp set_grant_write_acp,
            get_metadata set_metadata,
            get_object_lock_event_hold set_object_lock_event_hold,
            get_object_lock_event_hold_duration_days set_object_lock_event_hold_duration_days,
            get_object_lock_event_hold_duration_years set_object_lock_event_hold_duration_years,
            get_object_lock_legal_hold_status set_object_lock_legal_hold_status,
            get_object_lock_mode set_object_lock_mode,
            get_object_lock_retain_until_date set_object_lock_retain_until_date,
            get_request_payer set_request_payer,
            get_server_side_encryption set_server_side_encryption,
            get_sse_customer_algorithm set_sse_customer_algorithm,
            get_sse_customer_key set_sse_customer_key,
            get_sse_customer_key_md5 set_sse_customer_key_md5,
            get_ssekms_encryption_context set_ssekms_encryption_context,
            get_ssekms_key_id set_ssekms_key_id,
            get_storage_class set_storage_class,
            get_tagging set_tagging,
            get_website_redirect_location set_website_redirect_location,
        }
    };
}

/// Fields of a put that concern the body, which the caller does not know.
macro_rules! refused {
    ($request:ident: $($get:ident,)*) => {
        [$((stringify!($get), $request.$get().is_some())),*]
    };
}

impl Fields {
    /// What the caller has set.
    pub(crate) fn read(request: &PutObjectFluentBuilder) -> Result<Self, Error> {
        let refused = refused! { request:
            get_body, get_content_length, get_content_md5, get_write_offset_bytes,
            get_checksum_crc32, get_checksum_crc32_c, get_checksum_crc64_nvme, get_checksum_md5, get_checksum_sha1,
            get_checksum_sha256, get_checksum_sha512, get_checksum_xxhash64, get_checksum_xxhash3,
            get_checksum_xxhash128,
        };
        if let Some((getter, _)) = refused.into_iter().find(|(_, is_set)| *is_set) {
            return Err(Error::Refused(Refusal::Customized(getter.trim_start_matches("get_"))));
        }
        macro_rules! copy {
            ($($get:ident $set:ident,)*) => {
                CreateMultipartUploadInputBuilder::default()$(.$set(request.$get().clone()))*
            };
        }
        let object = for_each_field!(copy);
        let (if_match, if_none_match) = (request.get_if_match().clone(), request.get_if_none_match().clone());
        Ok(Self { object, if_match, if_none_match })
    }

    pub(crate) fn put(&self, request: PutObjectFluentBuilder) -> PutObjectFluentBuilder {
        let object = &self.object;
        macro_rules! copy {
            ($($get:ident $set:ident,)*) => { request$(.$set(object.$get().clone()))* };
        }
        let request = for_each_field!(copy);
        request.set_if_match(self.if_match.clone()).set_if_none_match(self.if_none_match.clone())
    }

    pub(crate) fn create(&self, request: CreateMultipartUploadFluentBuilder) -> CreateMultipartUploadFluentBuilder {
        let object = &self.object;
        macro_rules! copy {
            ($($get:ident $set:ident,)*) => { request$(.$set(object.$get().clone()))* };
        }
        for_each_field!(copy)
    }

    pub(crate) fn part(&self, request: UploadPartFluentBuilder) -> UploadPartFluentBuilder {
        let object = &self.object;
        request
            .set_checksum_algorithm(object.get_checksum_algorithm().clone())
            .set_expected_bucket_owner(object.get_expected_bucket_owner().clone())
            .set_request_payer(object.get_request_payer().clone())
            .set_sse_customer_algorithm(object.get_sse_customer_algorithm().clone())
            .set_sse_customer_key(object.get_sse_customer_key().clone())
            .set_sse_customer_key_md5(object.get_sse_customer_key_md5().clone())
    }

    pub(crate) fn complete(
        &self,
        request: CompleteMultipartUploadFluentBuilder,
    ) -> CompleteMultipartUploadFluentBuilder {
        let object = &self.object;
        request
            .set_if_match(self.if_match.clone())
            .set_if_none_match(self.if_none_match.clone())
            .set_expected_bucket_owner(object.get_expected_bucket_owner().clone())
            .set_request_payer(object.get_request_payer().clone())
            .set_sse_customer_algorithm(object.get_sse_customer_algorithm().clone())
            .set_sse_customer_key(object.get_sse_customer_key().clone())
            .set_sse_customer_key_md5(object.get_sse_customer_key_md5().clone())
    }

    /// A read of what was put.
    pub(crate) fn get(&self, request: GetObjectFluentBuilder) -> GetObjectFluentBuilder {
        let object = &self.object;
        request
            .set_expected_bucket_owner(object.get_expected_bucket_owner().clone())
            .set_request_payer(object.get_request_payer().clone())
            .set_sse_customer_algorithm(object.get_sse_customer_algorithm().clone())
            .set_sse_customer_key(object.get_sse_customer_key().clone())
            .set_sse_customer_key_md5(object.get_sse_customer_key_md5().clone())
    }

    pub(crate) fn abort(&self, request: AbortMultipartUploadFluentBuilder) -> AbortMultipartUploadFluentBuilder {
        let object = &self.object;
        request
            .set_expected_bucket_owner(object.get_expected_bucket_owner().clone())
            .set_request_payer(object.get_request_payer().clone())
    }
}

/// Describes a copy as its original: what S3's own copies keep, without tags.
pub(crate) fn like(original: &GetObjectOutput, request: PutObjectFluentBuilder) -> PutObjectFluentBuilder {
    request
        .set_cache_control(original.cache_control.clone())
        .set_content_disposition(original.content_disposition.clone())
        .set_content_encoding(original.content_encoding.clone())
        .set_content_language(original.content_language.clone())
        .set_content_type(original.content_type.clone())
        .set_metadata(original.metadata.clone())
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::operation::put_object::PutObjectInput;

    /// The names of the fields in a struct's `Debug`.
    fn fields_of(shown: &str) -> Vec<&str> {
        let (_, shown) = shown.split_once(" { ").unwrap();
        shown.split(", ").filter_map(|field| field.split_once(": ")).map(|(name, _)| name).collect()
    }

    #[test]
    fn every_field_of_a_put_is_copied_set_or_refused() {
        let shown = format!("{:?}", PutObjectInput::builder().body(Vec::new().into()).build().unwrap());
        let source = include_str!("fields.rs");
        let of_the_library = ["bucket", "key"];
        let fields = fields_of(&shown);
        assert!(fields.len() > 40, "{shown}");
        for field in fields.into_iter().filter(|field| shown.contains(&format!("{field}: None"))) {
            let is_handled = of_the_library.contains(&field) || source.contains(&format!("get_{field}"));
            assert!(is_handled, "`{field}` of PutObject is neither copied nor refused");
        }
    }
}
