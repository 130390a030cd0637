//! What S3 can say instead of an answer, in the four kinds that have consequences.

use aws_sdk_s3::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// S3 did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// S3 cannot be reached, is overloaded or failed: later it may work.
    #[error("S3 is not available: could not {what}")]
    Unavailable {
        /// What was tried, e.g. "upload a part".
        what: &'static str,
        /// What happened.
        source: Cause,
    },
    /// There is no such object.
    #[error("there is no object `{key}`")]
    NotFound {
        /// Its key.
        key: String,
    },
    /// S3 refuses: no such bucket, no permission, wrong keys. It stays so until a person changes something.
    #[error("S3 refuses to {what}: {code}")]
    Refused {
        /// What was tried.
        what: &'static str,
        /// S3's word for why.
        code: String,
        /// The whole answer.
        source: Cause,
    },
    /// The bytes that arrived are not the bytes that were sent.
    #[error("bytes were damaged on their way: could not {what}")]
    Corrupt {
        /// What was tried.
        what: &'static str,
        /// Which check failed.
        source: Cause,
    },
}

impl BlobError {
    pub(super) fn unavailable(what: &'static str, source: impl Into<Cause>) -> Self {
        Self::Unavailable { what, source: source.into() }
    }

    /// Sorts an error of the SDK into the four kinds.
    pub(super) fn of<E>(what: &'static str, key: &str, error: SdkError<E, HttpResponse>) -> Self
    where
        E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let SdkError::ServiceError(answer) = &error else { return Self::of_transport(what, error) };
        let status = answer.raw().status().as_u16();
        let code = answer.err().code().unwrap_or_default().to_owned();
        match code.as_str() {
            "NoSuchKey" => Self::NotFound { key: key.to_owned() },
            "BadDigest" | "XAmzContentChecksumMismatch" | "XAmzContentSHA256Mismatch" | "InvalidDigest" | "IncompleteBody" => {
                Self::Corrupt { what, source: error.into() }
            }
            // swept away as stale, or ended by another run of the same job: the next run begins anew
            "NoSuchUpload" | "SlowDown" | "RequestTimeout" | "InternalError" | "ServiceUnavailable" | "OperationAborted" => {
                Self::Unavailable { what, source: error.into() }
            }
            // HEAD has no body and therefore no code
            "" | "NotFound" if status == 404 => Self::NotFound { key: key.to_owned() },
            _ if status >= 500 || status == 408 || status == 429 => Self::Unavailable { what, source: error.into() },
            _ => {
                let code = if code.is_empty() { format!("HTTP {status}") } else { code };
                Self::Refused { what, code, source: error.into() }
            }
        }
    }

    fn of_transport<E>(what: &'static str, error: SdkError<E, HttpResponse>) -> Self
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        match &error {
            // no credentials, no region, an address that is none
            SdkError::ConstructionFailure(_) => {
                Self::Refused { what, code: "the settings do not make a request".to_owned(), source: error.into() }
            }
            SdkError::DispatchFailure(failure) if failure.is_user() => {
                Self::Refused { what, code: "the settings do not make a request".to_owned(), source: error.into() }
            }
            _ => Self::Unavailable { what, source: error.into() },
        }
    }
}
