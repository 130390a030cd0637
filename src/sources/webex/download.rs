//! Fetching a recording from a signed link: no token of ours goes along, only allowed hosts are asked, and S3's errors get names.

use bytes::Bytes;
use futures_util::StreamExt;
use http::{Method, StatusCode, header};
use url::Url;

use crate::{
    config::DownloadHosts,
    domain::SourceName,
    ledger::VendorTrace,
    outbound::{Client, ErrorBody, OutboundError, Response},
    sources::{Download, SourceError},
};

/// Fetches files, and nothing but files.
#[derive(Debug)]
pub(super) struct Downloads {
    pub(super) http: Client,
    pub(super) hosts: DownloadHosts,
}

impl Downloads {
    /// Opens the file behind the link at `from_byte`, or at its beginning where the range cannot be had.
    pub(super) async fn open(&self, link: &str, from_byte: u64) -> Result<Download, SourceError> {
        let url = self.allowed(link)?;
        let mut response = self.get(&url, from_byte).await?;
        if response.status() == StatusCode::RANGE_NOT_SATISFIABLE && from_byte > 0 {
            response = self.get(&url, 0).await?;
        }
        let trace = trace_of(&response);
        match response.status() {
            StatusCode::OK => Ok(whole(response, trace)),
            StatusCode::PARTIAL_CONTENT => part(response, trace),
            status => {
                let body = response.error_body().await;
                Err(refusal(status, &body, trace))
            }
        }
    }

    /// All of a small file, if it has no more than `most` bytes.
    pub(super) async fn whole(&self, link: &str, most: usize) -> Result<Bytes, SourceError> {
        let url = self.allowed(link)?;
        let response = self.get(&url, 0).await?;
        let trace = trace_of(&response);
        match response.status() {
            StatusCode::OK => response.bytes(most).await.map_err(|error| unavailable(&error, trace)),
            status => {
                let body = response.error_body().await;
                Err(refusal(status, &body, trace))
            }
        }
    }

    fn allowed(&self, link: &str) -> Result<Url, SourceError> {
        let url = Url::parse(link).map_err(|_| SourceError::HostNotAllowed { host: "a link that is no URL".to_owned() })?;
        if self.hosts.allow(&url) {
            return Ok(url);
        }
        Err(SourceError::HostNotAllowed { host: url.host_str().unwrap_or_default().to_owned() })
    }

    async fn get(&self, url: &Url, from_byte: u64) -> Result<Response, SourceError> {
        let mut request = self.http.request(Method::GET, url).map_err(|error| unavailable(&error, VendorTrace::default()))?;
        // bytes as they are stored: a coded answer would have another length
        request = request.header(header::ACCEPT_ENCODING, "identity");
        if from_byte > 0 {
            request = request.header(header::RANGE, format!("bytes={from_byte}-"));
        }
        self.http.send(request).await.map_err(|error| unavailable(&error, VendorTrace::default()))
    }
}

fn whole(response: Response, trace: VendorTrace) -> Download {
    let total_bytes = response.header("content-length").and_then(|text| text.trim().parse().ok());
    stream(response, trace, total_bytes, 0)
}

fn part(response: Response, trace: VendorTrace) -> Result<Download, SourceError> {
    let Some((from_byte, total_bytes)) = response.header("content-range").and_then(content_range) else {
        let what = "`Content-Range` of a partial answer: missing or unreadable".to_owned();
        return Err(SourceError::WrongShape { source_name: SourceName::Webex, what, trace });
    };
    Ok(stream(response, trace, total_bytes, from_byte))
}

fn stream(response: Response, trace: VendorTrace, total_bytes: Option<u64>, from_byte: u64) -> Download {
    let etag = response.header("etag").map(str::to_owned);
    let bytes = response.stream().map(move |chunk| chunk.map_err(|error| unavailable(&error, trace.clone())));
    Download { total_bytes, from_byte, etag, bytes: Box::pin(bytes) }
}

/// `bytes 100-199/200`; the length may be `*`.
fn content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, _) = range.split_once('-')?;
    Some((first.trim().parse().ok()?, total.trim().parse().ok()))
}

/// What the store's refusal means. A link that is refused is taken as ended: a fresh one settles it.
fn refusal(status: StatusCode, body: &ErrorBody, mut trace: VendorTrace) -> SourceError {
    trace.request_id = body.tracking_id.clone().or(trace.request_id);
    let code = body.code.as_deref().unwrap_or_default();
    let source_name = SourceName::Webex;
    let what = format!("the store of recordings answered {}: {}", status.as_u16(), body.summary());
    match (status, code) {
        (_, "RequestTimeTooSkewed") => {
            SourceError::Unavailable { source_name, what: format!("{what} (check this machine's clock)"), trace }
        }
        (_, "SlowDown") => SourceError::Unavailable { source_name, what, trace },
        (_, "SignatureDoesNotMatch" | "InvalidAccessKeyId") => SourceError::Rejected { source_name, what, trace },
        (_, "ExpiredToken") | (StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED, _) => SourceError::LinkExpired { trace },
        (StatusCode::NOT_FOUND, "NoSuchBucket") => SourceError::Unavailable { source_name, what, trace },
        (StatusCode::NOT_FOUND | StatusCode::GONE, _) => SourceError::Gone { trace },
        (StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT, _) => SourceError::Unavailable { source_name, what, trace },
        (status, _) if status.is_server_error() => SourceError::Unavailable { source_name, what, trace },
        _ => SourceError::Rejected { source_name, what, trace },
    }
}

fn trace_of(response: &Response) -> VendorTrace {
    let request_id = ["x-amz-request-id", "trackingid"].into_iter().find_map(|name| response.header(name));
    VendorTrace { status: Some(response.status().as_u16()), request_id: request_id.map(str::to_owned) }
}

fn unavailable(error: &OutboundError, trace: VendorTrace) -> SourceError {
    SourceError::Unavailable { source_name: SourceName::Webex, what: error.chain(), trace }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Reason;

    fn reason(status: u16, code: &str, message: &str) -> Reason {
        let xml = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{message}</Message><RequestId>R1</RequestId></Error>");
        let error = refusal(StatusCode::from_u16(status).unwrap(), &ErrorBody::read(xml.as_bytes()), VendorTrace::default());
        assert!(error.trace().request_id.as_deref() == Some("R1"), "{error:?}");
        error.reason()
    }

    #[test]
    fn every_refusal_of_the_store_has_its_consequence() {
        assert_eq!(reason(403, "AccessDenied", "Request has expired"), Reason::LinkExpired);
        assert_eq!(reason(400, "ExpiredToken", "The provided token has expired."), Reason::LinkExpired);
        assert_eq!(reason(404, "NoSuchKey", "The specified key does not exist."), Reason::RecordingPurged);
        assert_eq!(reason(404, "NoSuchBucket", "gone"), Reason::VendorUnavailable);
        assert_eq!(reason(503, "SlowDown", "Please reduce your request rate."), Reason::VendorUnavailable);
        assert_eq!(reason(403, "RequestTimeTooSkewed", "clock"), Reason::VendorUnavailable);
        assert_eq!(reason(403, "SignatureDoesNotMatch", "signature"), Reason::VendorRejected);
        assert_eq!(reason(400, "InvalidArgument", "Only one auth mechanism allowed"), Reason::VendorRejected);
    }

    #[test]
    fn a_range_is_read_with_and_without_the_whole_length() {
        assert_eq!(content_range("bytes 100-199/200"), Some((100, Some(200))));
        assert_eq!(content_range("bytes 100-199/*"), Some((100, None)));
        for wrong in ["bytes */200", "100-199/200", "bytes 100/200", ""] {
            assert_eq!(content_range(wrong), None, "{wrong}");
        }
    }
}
