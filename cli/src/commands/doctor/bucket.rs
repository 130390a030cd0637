//! The bucket: there, ours, and able to do all that a recording needs.

use callscribe::{
    blob::{Blob, BlobError, IfMissing, Told},
    config::BlobSettings,
    telemetry::chain,
};
use uuid::Uuid;

use super::finding::Finding;

pub(super) async fn check(settings: &BlobSettings) -> Vec<Finding> {
    let blob = Blob::connect(settings).await;
    if let Err(error) = blob.ensure_bucket(IfMissing::Refuse).await {
        return vec![failed("bucket", &error)];
    }
    // a name of its own, so that two doctors do not delete each other's
    let key = format!("callscribe-doctor/{}", Uuid::new_v4());
    let parts = format!("{key}.parts");
    let (object, in_parts, cleared, public) =
        tokio::join!(blob.try_object(&key), blob.try_upload_in_parts(&parts), blob.clears_unfinished_uploads(), blob.is_public());
    let mut findings = vec![
        told("bucket", object, format!("`{}`: written, looked at, read back, deleted", blob.bucket())),
        told("uploads", in_parts, "an upload in parts was begun and aborted".to_owned()),
        lifecycle(cleared),
    ];
    findings.extend(access(public));
    findings
}

fn told(check: &'static str, tried: Result<(), BlobError>, found: String) -> Finding {
    match tried {
        Ok(()) => Finding::ok(check, found),
        Err(error) => failed(check, &error),
    }
}

fn failed(check: &'static str, error: &BlobError) -> Finding {
    let fix = match error {
        BlobError::Unavailable { .. } => {
            "is S3 running where `AWS_ENDPOINT_URL_S3` or `AWS_REGION` says, and does a firewall let us through?"
        }
        BlobError::NotFound { .. } => "something deletes objects as soon as they are written: look at the bucket's lifecycle rules",
        BlobError::Refused { code, .. } if code == "NoSuchBucket" => {
            "create the bucket, or set `CALL_RECORDING_BUCKET` to the one that is there"
        }
        BlobError::Refused { .. } => {
            "give these keys `s3:PutObject`, `s3:GetObject`, `s3:DeleteObject`, `s3:AbortMultipartUpload` and `s3:ListBucket` on the bucket"
        }
        BlobError::Corrupt { .. } => {
            "something between us and S3 changes bytes: `S3_CHECKSUMS=when_required` is for an S3 without newer checksums"
        }
    };
    Finding::fail(check, chain(error), fix)
}

fn lifecycle(clears: Told) -> Finding {
    const CHECK: &str = "bucket lifecycle";
    match clears {
        Told::Yes => Finding::ok(CHECK, "unfinished uploads are cleared away by a rule"),
        Told::No => Finding::warn(
            CHECK,
            "no rule clears unfinished uploads away: workers do it, hourly, while they run",
            "add a rule with `AbortIncompleteMultipartUpload` after 1 day, so that nothing is paid for that nobody can see",
        ),
        Told::Untold => Finding::ok(CHECK, "not shown to us; workers clear unfinished uploads away, hourly"),
    }
}

fn access(public: Told) -> Option<Finding> {
    const CHECK: &str = "bucket access";
    match public {
        Told::Yes => Some(Finding::fail(
            CHECK,
            "a policy of the bucket lets everyone read the recordings",
            "block public access to the bucket; Callscribe needs none",
        )),
        Told::No => Some(Finding::ok(CHECK, "no policy makes it public")),
        Told::Untold => None,
    }
}
