//! What vendors write into an answer that is not a success. Each has its own shape, some have two, gateways have none.

use serde_json::Value;

use super::scrub;

/// What could be read of an error.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ErrorBody {
    /// The vendor's word for it, such as `invalid_grant` or `NoSuchKey`.
    pub code: Option<String>,
    /// The vendor's sentence, scrubbed.
    pub description: Option<String>,
    /// The vendor's id of the request.
    pub tracking_id: Option<String>,
    /// The first characters of the body, scrubbed.
    pub excerpt: String,
}

/// As much of a body as helps someone; more only fills the log.
const EXCERPT_CHARACTERS: usize = 500;
/// Ids of requests are kept whole, for the vendor's support; none seen has more than 60 characters.
const LONGEST_ID: usize = 120;

impl ErrorBody {
    /// Reads JSON, S3's XML, or anything.
    #[must_use]
    pub fn read(body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        let read = match serde_json::from_slice::<Value>(body) {
            Ok(json) => Self::of_json(&json),
            Err(_) if text.contains("<Code>") => Self::of_xml(&text),
            Err(_) => Self::default(),
        };
        Self { excerpt: scrub(&text, EXCERPT_CHARACTERS), ..read }
    }

    /// The most telling thing there is, for people.
    #[must_use]
    pub fn summary(&self) -> String {
        match (&self.code, &self.description) {
            (Some(code), Some(description)) => format!("{code}: {description}"),
            (Some(only), None) | (None, Some(only)) => only.clone(),
            (None, None) if self.excerpt.is_empty() => "nothing".to_owned(),
            (None, None) => self.excerpt.clone(),
        }
    }

    /// Whether any part of the body says `words`, whatever their case.
    #[must_use]
    pub fn says(&self, words: &str) -> bool {
        let words = words.to_ascii_lowercase();
        [self.code.as_deref(), self.description.as_deref(), Some(self.excerpt.as_str())]
            .into_iter()
            .flatten()
            .any(|text| text.to_ascii_lowercase().contains(&words))
    }

    /// The shapes known: `{error:{key,message:[{description}]}}` with a text or a number as key, `{message,errors:[{description}]}`,
    /// RFC 6749's `{error,error_description}`, `{error:{code,message}}`, `{detail}`, Deepgram's
    /// `{err_code,err_msg,request_id}` and `{category,message,details,request_id}`, and AWS's `{__type,message}`.
    fn of_json(json: &Value) -> Self {
        let error = json.get("error");
        let code = [
            error,
            error.and_then(|error| error.get("code")),
            error.and_then(|error| error.get("key")),
            json.get("err_code"),
            json.get("category"),
            json.get("__type"),
        ];
        let description = [
            error.and_then(|error| error.get("message")),
            json.get("error_description"),
            json.get("errors"),
            json.get("message"),
            json.get("err_msg"),
            json.get("Message"),
            json.get("detail"),
        ];
        Self {
            code: code.into_iter().flatten().find_map(scalar),
            description: description.into_iter().flatten().find_map(sentence).map(|text| scrub(&text, EXCERPT_CHARACTERS)),
            tracking_id: json
                .get("trackingId")
                .or_else(|| json.get("request_id"))
                .and_then(Value::as_str)
                .map(|id| id.chars().take(LONGEST_ID).collect()),
            excerpt: String::new(),
        }
    }

    fn of_xml(text: &str) -> Self {
        let element = |name: &str| {
            let (_, rest) = text.split_once(&format!("<{name}>"))?;
            let (content, _) = rest.split_once(&format!("</{name}>"))?;
            Some(content.trim().to_owned())
        };
        Self {
            code: element("Code"),
            description: element("Message").map(|text| scrub(&text, EXCERPT_CHARACTERS)),
            tracking_id: element("RequestId"),
            excerpt: String::new(),
        }
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(scrub(text, EXCERPT_CHARACTERS)),
        Value::Number(number) => Some(number.to_string()),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A sentence may be a text, an object with a `description` or `message`, or a list of either.
fn sentence(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Array(items) => {
            let sentences: Vec<_> = items.iter().filter_map(sentence).collect();
            if sentences.is_empty() { None } else { Some(sentences.join("; ")) }
        }
        Value::Object(fields) => ["description", "message", "msg"].iter().find_map(|name| fields.get(*name).and_then(sentence)),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> (Option<String>, Option<String>, Option<String>) {
        let read = ErrorBody::read(body.as_bytes());
        (read.code, read.description, read.tracking_id)
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn every_shape_that_vendors_answer_with_is_read() {
        let tasks = r#"{"trackingId":"t-1","error":{"key":"401","message":[{"description":"Incorrect Credentials."}]}}"#;
        assert_eq!(read(tasks), (some("401"), some("Incorrect Credentials."), some("t-1")));
        let subscriptions = r#"{"trackingId":"NOTIFS_1","error":{"key":403}}"#;
        assert_eq!(read(subscriptions), (some("403"), None, some("NOTIFS_1")));
        let platform = r#"{"message":"bad","errors":[{"description":"Client Id is invalid"}],"trackingId":"ROUTER_1"}"#;
        assert_eq!(read(platform), (None, some("Client Id is invalid"), some("ROUTER_1")));
        let oauth = r#"{"error":"invalid_grant","error_description":"revoked"}"#;
        assert_eq!(read(oauth), (some("invalid_grant"), some("revoked"), None));
        let openai = r#"{"error":{"message":"no such model","type":"invalid_request_error","code":"model_not_found"}}"#;
        assert_eq!(read(openai), (some("model_not_found"), some("no such model"), None));
        let deepgram = r#"{"err_code":"INVALID_AUTH","err_msg":"Invalid credentials.","request_id":"r-1"}"#;
        assert_eq!(read(deepgram), (some("INVALID_AUTH"), some("Invalid credentials."), some("r-1")));
        let newer = r#"{"category":"PAYLOAD","message":"too large","details":"x","request_id":"r-2"}"#;
        assert_eq!(read(newer), (some("PAYLOAD"), some("too large"), some("r-2")));
        let aws = r#"{"__type":"ConflictException","Message":"The requested job name already exists."}"#;
        assert_eq!(read(aws), (some("ConflictException"), some("The requested job name already exists."), None));
        let s3 = "<Error><Code>AccessDenied</Code><Message>Request has expired</Message><RequestId>R1</RequestId></Error>";
        assert_eq!(read(s3), (some("AccessDenied"), some("Request has expired"), some("R1")));
    }

    #[test]
    fn html_and_nothing_are_not_errors_of_the_reader() {
        assert_eq!(ErrorBody::read(b"<html><body>502 Bad Gateway</body></html>").summary(), "<html><body>502 Bad Gateway</body></html>");
        assert_eq!(ErrorBody::read(b"").summary(), "nothing");
        assert!(ErrorBody::read(&[0xff, 0xfe]).description.is_none());
    }
}
