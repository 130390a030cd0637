//! Whole exchanges over a socket: what is sent, what is remembered, whose fault a broken one is.

use std::sync::Mutex;

use chrono::DateTime;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::{
    asr::{AudioBytes, Speakers},
    clock::ManualClock,
};

const TRANSCRIPT: &str = r#"{"text":"hello"}"#;
const WRONG_FORMAT: &str = r#"{"error":{"message":"response_format 'verbose_json' is not compatible with model 'm'","type":"invalid_request_error","param":"response_format","code":"unsupported_value"}}"#;

/// A server that gives each answer once, in order, and keeps the requests.
struct Server {
    url: Url,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn answering(answers: Vec<(u16, &'static str)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/v1/", listener.local_addr().unwrap())).unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&requests);
        tokio::spawn(async move {
            for (status, body) in answers {
                let (mut connection, _) = listener.accept().await.unwrap();
                let Some(request) = whole_request(&mut connection).await else { continue };
                kept.lock().unwrap().push(request);
                let head =
                    format!("HTTP/1.1 {status} X\r\nx-request-id: req_9\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                connection.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
            }
        });
        Self { url, requests }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// Reads a request to its end; `None` when it breaks off.
async fn whole_request(connection: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        if connection.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&bytes).to_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length: usize = head.split_once("content-length: ")?.1.lines().next()?.parse().ok()?;
        if body.len() >= length {
            return Some(text);
        }
    }
}

/// A recording in memory.
struct Tape(Result<&'static [u8], &'static str>);

#[async_trait]
impl Audio for Tape {
    fn id(&self) -> &str {
        "tape"
    }
    fn speakers(&self) -> Speakers {
        Speakers::One
    }
    fn path(&self) -> Option<&std::path::Path> {
        None
    }
    fn file_name(&self) -> &str {
        "call.wav"
    }
    fn size_bytes(&self) -> u64 {
        8
    }
    fn duration(&self) -> Duration {
        Duration::from_secs(30)
    }
    async fn open(&self) -> std::io::Result<AudioBytes> {
        let pieces = match self.0 {
            Ok(bytes) => vec![Ok(Bytes::from_static(bytes))],
            Err(what) => vec![Ok(Bytes::from_static(b"RIFF")), Err(std::io::Error::other(what))],
        };
        Ok(Box::pin(futures_util::stream::iter(pieces)))
    }
}

fn made(answer: asr::Answer) -> Transcription {
    let asr::Answer::Made(made) = answer else { panic!("{answer:?}") };
    *made
}

const TAPE: Tape = Tape(Ok(b"RIFFWAVE"));

fn whisper(server: &Server, change: impl FnOnce(&mut WhisperSettings)) -> Whisper {
    let mut settings = WhisperSettings { api_key: Some("k3y".to_owned().into()), ..WhisperSettings::for_base_url(server.url.clone()) };
    settings.prompt = Some("acme".to_owned());
    change(&mut settings);
    Whisper::new(settings, Arc::new(ManualClock::at(DateTime::UNIX_EPOCH))).unwrap()
}

#[tokio::test]
async fn the_request_is_what_openai_documents_with_its_exact_length() {
    let server = Server::answering(vec![(200, TRANSCRIPT), (200, TRANSCRIPT)]).await;
    let whisper = whisper(&server, |settings| settings.language = Some("en".to_owned()));
    let transcription = made(whisper.transcribe(&TAPE, Manner::Usual).await.unwrap());
    assert_eq!((transcription.text.as_str(), transcription.request_id.as_deref()), ("hello", Some("req_9")));
    whisper.transcribe(&TAPE, Manner::Different).await.unwrap();
    let [usual, different] = server.requests().try_into().unwrap();
    assert!(usual.starts_with("post /v1/audio/transcriptions http/1.1"), "{usual}");
    for part in ["authorization: bearer k3y", "name=\"language\"\r\n\r\nen", "name=\"prompt\"\r\n\r\nacme", "verbose_json", "riffwave"] {
        assert!(usual.contains(part), "{part}: {usual}");
    }
    assert!(!usual.contains("transfer-encoding") && usual.contains("name=\"temperature\"\r\n\r\n0\r\n"));
    assert!(!different.contains("acme") && different.contains("name=\"temperature\"\r\n\r\n0.2\r\n"));
}

#[tokio::test]
async fn a_model_that_tells_speakers_apart_is_asked_to() {
    let server = Server::answering(vec![(200, TRANSCRIPT), (200, TRANSCRIPT)]).await;
    let whisper = whisper(&server, |settings| *settings = settings.with_model("gpt-4o-transcribe-diarize"));
    assert!(whisper.takes().diarizes);
    for manner in [Manner::Usual, Manner::Different] {
        whisper.transcribe(&TAPE, manner).await.unwrap();
    }
    for request in server.requests() {
        assert!(request.contains("diarized_json") && request.contains("name=\"chunking_strategy\"\r\n\r\nauto"), "{request}");
        assert!(!request.contains("acme") && !request.contains("granularities"), "it takes neither: {request}");
    }
}

#[tokio::test]
async fn a_model_without_verbose_json_is_asked_for_json_and_remembered() {
    let server = Server::answering(vec![(400, WRONG_FORMAT), (200, TRANSCRIPT), (200, TRANSCRIPT)]).await;
    let whisper = whisper(&server, |_| ());
    for _ in 0..2 {
        assert_eq!(made(whisper.transcribe(&TAPE, Manner::Usual).await.unwrap()).text, "hello");
    }
    let verbose: Vec<bool> = server.requests().iter().map(|request| request.contains("verbose_json")).collect();
    assert_eq!(verbose, [true, false, false]);
    assert!(server.requests().iter().skip(1).all(|request| !request.contains("granularities")));
}

#[tokio::test]
async fn a_server_that_does_no_format_is_misconfigured_and_asked_twice_at_most() {
    let server = Server::answering(vec![(400, WRONG_FORMAT); 5]).await;
    let refused = whisper(&server, |_| ()).transcribe(&TAPE, Manner::Usual).await;
    assert!(matches!(refused, Err(TranscribeError::Misconfigured { .. })), "{refused:?}");
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn audio_that_breaks_off_is_not_the_providers_fault_and_no_whole_request() {
    let server = Server::answering(vec![(200, TRANSCRIPT); 2]).await;
    let whisper = whisper(&server, |_| ());
    match whisper.transcribe(&Tape(Err("S3 went away")), Manner::Usual).await {
        Err(TranscribeError::Audio(why)) => assert_eq!(why.to_string(), "S3 went away"),
        other => panic!("{other:?}"),
    }
    let short = whisper.transcribe(&Tape(Ok(b"RIFF")), Manner::Usual).await;
    assert!(matches!(&short, Err(TranscribeError::Audio(why)) if why.to_string().contains("shorter")), "{short:?}");
    assert_eq!(server.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn what_frames_the_file_counts_towards_the_largest_body() {
    let server = Server::answering(vec![(200, TRANSCRIPT)]).await;
    let whisper = whisper(&server, |settings| settings.max_duration = Some(Duration::from_secs(20)));
    let takes = whisper.takes();
    assert_eq!((takes.max_duration, takes.paid), (Some(Duration::from_secs(20)), false));
    let most = takes.max_bytes.unwrap();
    whisper.transcribe(&TAPE, Manner::Usual).await.unwrap();
    let request = server.requests().pop().unwrap();
    let body_bytes = u64::try_from(request.split_once("\r\n\r\n").unwrap().1.len()).unwrap();
    assert!(most + body_bytes - TAPE.size_bytes() <= whisper.settings.max_bytes, "{most} and {body_bytes}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_down_and_one_that_never_answers_is_unavailable() {
    let nobody = Server { url: Url::parse("http://127.0.0.1:9/v1").unwrap(), requests: Arc::default() };
    let refused = whisper(&nobody, |_| ()).transcribe(&TAPE, Manner::Usual).await;
    assert!(matches!(refused, Err(TranscribeError::Down { .. })), "{refused:?}");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mute = Server { url: Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap(), requests: Arc::default() };
    let mut settings = WhisperSettings::for_base_url(mute.url.clone());
    settings.timeout = Duration::from_millis(200);
    let whisper = Whisper::new(settings, Arc::new(ManualClock::at(DateTime::UNIX_EPOCH))).unwrap();
    let timed_out = whisper.transcribe(&TAPE, Manner::Usual).await;
    assert!(matches!(&timed_out, Err(TranscribeError::Unavailable { what, .. }) if what.contains("in time")), "{timed_out:?}");
}
