//! What killed uploaders left in the bucket, cleared away.

use std::{convert::Infallible, time::Duration};

use callscribe::{
    blob::Blob,
    clock::{Clock, SystemClock},
    telemetry::chain,
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// No run of a job takes longer than an hour; a day is far beyond doubt.
const OLDER_THAN: Duration = Duration::from_hours(24);
/// Parts cost storage by the day: hours are soon enough.
const EVERY: Duration = Duration::from_hours(1);

/// Aborts uploads that nobody will finish, until the shutdown. An upload that fails or is cancelled clears up by itself; this is for
/// those whose process was killed. Any number of processes may do it at once.
pub(crate) async fn clear_stale_uploads(blob: Blob, shutdown: CancellationToken) -> Result<(), Infallible> {
    clear(&blob, &SystemClock, EVERY, &shutdown).await;
    Ok(())
}

async fn clear(blob: &Blob, clock: &dyn Clock, every: Duration, shutdown: &CancellationToken) {
    loop {
        match blob.abort_stale_uploads(OLDER_THAN, clock).await {
            Ok(0) => {}
            Ok(aborted) => tracing::warn!(uploads.count = aborted, "aborted uploads that a killed process left behind"),
            Err(error) => tracing::warn!(error = %chain(&error), "cannot look for unfinished uploads"),
        }
        tokio::select! {
            () = sleep(every) => {}
            () = shutdown.cancelled() => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
    use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
    use callscribe::{
        blob::IfMissing,
        clock::ManualClock,
        config::{AccessKeys, BlobSettings},
        embedded::{
            Durability,
            s3::{EmbeddedS3, EmbeddedS3Options},
        },
    };
    use chrono::TimeDelta;

    use super::*;

    const BUCKET: &str = "recordings";
    const PATIENCE: Duration = Duration::from_secs(30);
    const LOOK: Duration = Duration::from_millis(5);

    async fn blob(server: &EmbeddedS3) -> Blob {
        let keys = AccessKeys { access_key_id: "test".to_owned(), secret_access_key: "testsecret".into(), session_token: None };
        let settings = BlobSettings { endpoint_url: Some(server.endpoint_url()), keys: Some(keys), ..BlobSettings::for_bucket(BUCKET) };
        let blob = Blob::connect(&settings).await;
        blob.ensure_bucket(IfMissing::Create).await.unwrap();
        blob
    }

    fn client(server: &EmbeddedS3) -> aws_sdk_s3::Client {
        let settings = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https())
            .endpoint_url(server.endpoint_url())
            .credentials_provider(Credentials::new("test", "testsecret", None, None, "test"))
            .region(Region::new("us-east-1"))
            .force_path_style(true);
        aws_sdk_s3::Client::from_conf(settings.build())
    }

    async fn none_is_left(client: &aws_sdk_s3::Client) {
        let looking = async {
            while !client.list_multipart_uploads().bucket(BUCKET).send().await.unwrap().uploads().is_empty() {
                sleep(LOOK).await;
            }
        };
        tokio::time::timeout(PATIENCE, looking).await.expect("the upload is cleared away");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_killed_processes_leave_is_cleared_away_again_and_again_until_the_shutdown() {
        let dir = tempfile::tempdir().unwrap();
        let options = EmbeddedS3Options {
            dir: dir.path().to_owned(),
            access_key: "test".to_owned(),
            secret_key: "testsecret".into(),
            durability: Durability::Throwaway,
        };
        let server = EmbeddedS3::start(options).await.unwrap();
        let (blob, client) = (blob(&server).await, client(&server));
        let (tomorrow, shutdown) = (ManualClock::at(SystemClock.now() + TimeDelta::hours(25)), CancellationToken::new());
        let watching = async {
            for key in ["before the first look, or between two", "after it"] {
                client.create_multipart_upload().bucket(BUCKET).key(key).send().await.unwrap();
                none_is_left(&client).await;
            }
            shutdown.cancel();
        };
        tokio::join!(clear(&blob, &tomorrow, LOOK, &shutdown), watching);
    }
}
