//! What an answer that is not a success means: one status, one consequence. Contract: Webex's common API errors.

use std::time::Duration;

use http::StatusCode;

use crate::{domain::SourceName, ledger::VendorTrace, outbound::ErrorBody, sources::SourceError};

/// What is known of a failed exchange.
#[derive(Debug)]
pub(super) struct Failed<'a> {
    pub(super) status: StatusCode,
    pub(super) body: &'a ErrorBody,
    pub(super) trace: VendorTrace,
    /// `Retry-After`, or our own wait where the vendor named none.
    pub(super) wait: Option<Duration>,
    /// A smaller request could succeed.
    pub(super) divisible: bool,
}

impl Failed<'_> {
    /// Names the failure.
    pub(super) fn into_error(self) -> SourceError {
        let Self { status, body, trace, wait, divisible } = self;
        let source_name = SourceName::Webex;
        let what = format!("{}: {}", status.as_u16(), body.summary());
        if let Some(wait) = wait {
            return SourceError::RateLimited { source_name, wait, own_budget: false, trace };
        }
        match status {
            StatusCode::UNAUTHORIZED => SourceError::LoginNeeded { source_name, what, trace },
            StatusCode::FORBIDDEN => SourceError::Forbidden { source_name, what, trace },
            StatusCode::PAYLOAD_TOO_LARGE | StatusCode::GATEWAY_TIMEOUT if divisible => SourceError::TooWide { source_name, trace },
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY => SourceError::Unavailable { source_name, what, trace },
            status if status.is_server_error() => SourceError::Unavailable { source_name, what, trace },
            _ => SourceError::Rejected { source_name, what, trace },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Reason;

    fn reason(status: u16, divisible: bool) -> Reason {
        let body = ErrorBody::read(b"");
        let status = StatusCode::from_u16(status).unwrap();
        Failed { status, body: &body, trace: VendorTrace::default(), wait: None, divisible }.into_error().reason()
    }

    #[test]
    fn every_status_has_its_consequence() {
        for status in [408, 425, 500, 502, 503, 504, 599] {
            assert_eq!(reason(status, false), Reason::VendorUnavailable, "{status}");
        }
        for status in [302, 400, 404, 409, 413, 422] {
            assert_eq!(reason(status, false), Reason::VendorRejected, "{status}");
        }
        assert_eq!(reason(401, true), Reason::LoginNeeded);
        assert_eq!(reason(403, true), Reason::Forbidden);
    }

    #[test]
    fn only_what_can_be_divided_is_too_wide() {
        let error = |status, divisible| {
            let body = ErrorBody::read(b"");
            Failed { status, body: &body, trace: VendorTrace::default(), wait: None, divisible }.into_error()
        };
        for status in [StatusCode::PAYLOAD_TOO_LARGE, StatusCode::GATEWAY_TIMEOUT] {
            assert!(matches!(error(status, true), SourceError::TooWide { .. }));
            assert!(!matches!(error(status, false), SourceError::TooWide { .. }));
        }
    }
}
