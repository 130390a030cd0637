//! What objects are called: after the call, so that copying twice writes one object.

use callscribe::{
    audio::Format,
    domain::{OrgId, RecordingId, SessionId},
    store::recordings::RecordedCall,
};

/// `source=webex/org=…/year=…/month=…/day=…/<session>/<recording>`: the day the call began, in UTC, in the form that
/// query engines read as partitions. What is in it follows, as an extension, once its bytes have told.
pub(crate) fn stem(call: &RecordedCall, configured_org: &OrgId, session: &SessionId, recording: &RecordingId) -> String {
    format!(
        "source={}/org={}/{}/{}/{}",
        call.source,
        element(call.org_id.as_ref().unwrap_or(configured_org).as_str()),
        call.start_time.format("year=%Y/month=%m/day=%d"),
        element(session.as_str()),
        element(recording.as_str()),
    )
}

/// The recording itself.
pub(crate) fn object_key(stem: &str, format: Format) -> String {
    format!("{stem}.{}", format.extension())
}

/// The document beside an object, whatever its format.
pub(crate) fn sidecar_key(object_key: &str) -> String {
    format!("{}.json", Format::stem_of(object_key))
}

/// An id as one element of a path: what a URL, a shell or a file system could take for something else is percent-encoded.
fn element(id: &str) -> String {
    let only_dots = id.bytes().all(|byte| byte == b'.');
    id.bytes()
        .map(|byte| match byte {
            b'.' if only_dots => "%2E".to_owned(),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use callscribe::domain::SourceName;
    use chrono::{TimeZone, Utc};

    use super::*;

    #[test]
    fn the_day_is_that_of_the_calls_start_and_ids_cannot_leave_their_place() {
        let call = RecordedCall {
            source: SourceName::Webex,
            org_id: Some(OrgId::parse("org/1").unwrap()),
            start_time: Utc.with_ymd_and_hms(2026, 3, 9, 23, 59, 59).unwrap(),
        };
        let (session, recording) = (SessionId::parse("..").unwrap(), RecordingId::parse("a b?ü").unwrap());
        let stem = stem(&call, &OrgId::parse("other").unwrap(), &session, &recording);
        let key = object_key(&stem, Format::Wav);
        assert_eq!(key, "source=webex/org=org%2F1/year=2026/month=03/day=09/%2E%2E/a%20b%3F%C3%BC.wav");
        for format in Format::ALL {
            assert_eq!(sidecar_key(&object_key(&stem, format)), key.replace(".wav", ".json"));
        }
    }
}
