//! The request: a multipart body whose length is known before its first byte, streamed from S3 as the server takes it.

use bytes::Bytes;
use uuid::Uuid;

use crate::asr::{
    AudioBytes,
    upload::{AudioFault, Body},
};

/// A request's form: the fields before the file, and what frames the file.
#[derive(Debug, Clone)]
pub(super) struct Form {
    boundary: String,
    head: Bytes,
    tail: Bytes,
}

impl Form {
    /// A form of `fields`, in order, and the file last: some servers read the form as it comes.
    pub(super) fn new(fields: &[(&str, String)], file_name: &str) -> Self {
        let boundary = format!("callscribe-{}", Uuid::new_v4().simple());
        let mut head = String::new();
        for (name, value) in fields {
            head.push_str(&format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"));
        }
        let (file_name, content_type) = (quoted(file_name), content_type_of(file_name));
        head.push_str(&format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{file_name}\"\r\nContent-Type: {content_type}\r\n\r\n"
        ));
        let tail = format!("\r\n--{boundary}--\r\n");
        Self { boundary, head: head.into(), tail: tail.into() }
    }

    pub(super) fn content_type(&self) -> String {
        format!("multipart/form-data; boundary={}", self.boundary)
    }

    /// Length of the whole body around a file of `file_bytes`.
    pub(super) fn body_bytes(&self, file_bytes: u64) -> u64 {
        let frame = self.head.len().saturating_add(self.tail.len());
        file_bytes.saturating_add(u64::try_from(frame).unwrap_or(u64::MAX))
    }

    /// The body, and where to look for what went wrong with the file if sending fails.
    pub(super) fn body(&self, file_bytes: u64, file: AudioBytes) -> (Body, AudioFault) {
        Body::framed(self.head.clone(), file_bytes, file, self.tail.clone())
    }
}

/// A file name as a quoted string may hold it.
fn quoted(name: &str) -> String {
    name.chars().filter(|character| !character.is_control() && !matches!(character, '"' | '\\')).collect()
}

/// By extension, as OpenAI's own clients do; servers look at the name.
fn content_type_of(file_name: &str) -> &'static str {
    match file_name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("wav") => "audio/wav",
        Some("flac") => "audio/flac",
        Some("mp3" | "mpga" | "mpeg") => "audio/mpeg",
        Some("m4a" | "mp4") => "audio/mp4",
        Some("ogg" | "oga") => "audio/ogg",
        Some("webm") => "audio/webm",
        Some(_) | None => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    fn file(pieces: Vec<std::io::Result<Bytes>>) -> AudioBytes {
        Box::pin(futures_util::stream::iter(pieces))
    }

    fn form() -> Form {
        Form::new(&[("model", "whisper-1".to_owned()), ("timestamp_granularities[]", "word".to_owned())], "a\".wav")
    }

    #[tokio::test]
    async fn the_body_is_as_long_as_it_says_and_ends_with_the_file() {
        let form = form();
        let (body, _) = form.body(4, file(vec![Ok(Bytes::from_static(b"RI")), Ok(Bytes::from_static(b"FF"))]));
        let promised = form.body_bytes(4);
        assert_eq!(http_body::Body::size_hint(&body).exact(), Some(promised));
        let sent = body.collect().await.unwrap().to_bytes();
        assert_eq!(u64::try_from(sent.len()).unwrap(), promised);
        let text = String::from_utf8(sent.to_vec()).unwrap().replace(&form.boundary, "B");
        insta::assert_snapshot!(text.replace("\r\n", "␍␊\n"));
    }

    #[tokio::test]
    async fn a_file_of_another_length_is_an_error_and_never_a_whole_request() {
        for pieces in [vec![Ok(Bytes::from_static(b"RIF"))], vec![Ok(Bytes::from_static(b"RIFFRIFF"))]] {
            let (body, _) = form().body(4, file(pieces));
            assert!(body.collect().await.is_err());
        }
    }

    #[tokio::test]
    async fn an_error_of_the_file_is_kept_for_whoever_asks() {
        let (body, fault) = form().body(4, file(vec![Err(std::io::Error::other("S3 went away"))]));
        assert!(body.collect().await.is_err());
        assert_eq!(fault.take().unwrap().to_string(), "S3 went away");
    }
}
