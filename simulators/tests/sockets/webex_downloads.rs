//! The links of recordings: how they expire, and everything that goes wrong on the way down.

use std::time::{Duration, Instant};

use callscribe_simulators::When;
use callscribe_simulators::speech::{Length, Shape};
use callscribe_simulators::webex::{CallSpec, Fault, WebexPlan};

use crate::client::Caller;

async fn with(fault: Fault) -> Caller {
    Caller::of(WebexPlan::ordinary(9, 2).with(fault, When::Always)).await
}

#[tokio::test]
async fn a_link_expires_with_the_clock_and_takes_no_bearer() {
    let caller = Caller::of(WebexPlan::ordinary(9, 2)).await;
    let link = caller.link(0).await;
    let refused = caller.http.get(&link).bearer_auth(&caller.token).send().await.unwrap();
    assert_eq!(refused.status(), 400);
    assert!(refused.text().await.unwrap().contains("<Code>InvalidArgument</Code>"));
    let forged = caller.http.get(link.replace("X-Amz-Expires=3600", "X-Amz-Expires=9600")).send().await.unwrap();
    assert_eq!(forged.status(), 403);

    caller.webex.clock().advance(Duration::from_mins(59));
    assert_eq!(caller.http.get(&link).send().await.unwrap().status(), 200);
    caller.webex.clock().advance(Duration::from_mins(2));
    let expired = caller.http.get(&link).send().await.unwrap();
    assert_eq!((expired.status().as_u16(), expired.headers()["content-type"].to_str().unwrap()), (403, "application/xml"));
    let body = expired.text().await.unwrap();
    assert!(body.contains("<Message>Request has expired</Message><X-Amz-Expires>3600</X-Amz-Expires><Expires>"), "{body}");

    let early = with(Fault::LinkExpires).await;
    assert_eq!(early.download(0).await.status(), 403);
}

#[tokio::test]
async fn a_download_is_resumed_by_range() {
    let caller = Caller::of(WebexPlan::ordinary(9, 2)).await;
    let link = caller.link(1).await;
    let whole = caller.http.get(&link).send().await.unwrap();
    let etag = whole.headers()["etag"].clone();
    assert_eq!(whole.headers()["accept-ranges"], "bytes");
    let whole = whole.bytes().await.unwrap();
    let part = |range: &str| caller.http.get(&link).header("range", range).header("if-match", &etag).send();
    let rest = part("bytes=1000-").await.unwrap();
    assert_eq!(rest.status(), 206);
    assert_eq!(rest.headers()["content-range"].to_str().unwrap(), format!("bytes 1000-{}/{}", whole.len() - 1, whole.len()));
    assert_eq!(rest.bytes().await.unwrap(), whole.slice(1_000..));
    assert_eq!(part("bytes=10-19").await.unwrap().bytes().await.unwrap(), whole.slice(10..20));
    assert_eq!(part(&format!("bytes={}-", whole.len())).await.unwrap().status(), 416);
    let other = caller.http.get(&link).header("range", "bytes=5-").header("if-match", "\"other\"").send().await.unwrap();
    assert_eq!(other.status(), 412);
    assert_eq!(caller.webex.requests().count(|each| each.range.is_some()), 4);
}

#[tokio::test]
async fn bodies_break_off_lie_and_are_not_audio() {
    let size = |caller: &Caller| caller.webex.truth_at(0).unwrap().size_bytes();
    let whole = size(&Caller::of(WebexPlan::ordinary(9, 2)).await).unwrap();
    for fault in [Fault::TruncatedBody, Fault::ResetMidStream] {
        let caller = with(fault.clone()).await;
        let mut answer = caller.download(0).await;
        assert_eq!(answer.content_length(), Some(whole));
        let mut got = 0;
        let broke = loop {
            match answer.chunk().await {
                Ok(Some(piece)) => got += piece.len() as u64,
                Ok(None) => break false,
                Err(_) => break true,
            }
        };
        assert!(broke && got > 0 && got <= whole / 2, "{fault:?}: {got} of {whole}");
        assert_eq!(caller.webex.truth_at(0).unwrap().expected.word(), "recording_truncated");
    }
    let short = with(Fault::WrongLength).await.download(0).await;
    assert_eq!(short.content_length(), Some(whole * 3 / 4));
    assert_eq!(short.bytes().await.unwrap().len() as u64, whole * 3 / 4);

    let chunked = with(Fault::ChunkedNoLength).await.download(0).await;
    assert_eq!(chunked.content_length(), None);
    assert_eq!(chunked.bytes().await.unwrap().len() as u64, whole);

    let empty = with(Fault::ZeroBytes).await.download(0).await;
    assert_eq!((empty.status().as_u16(), empty.content_length()), (200, Some(0)));
    let page = with(Fault::HtmlInsteadOfWav).await.download(0).await;
    assert_eq!(page.status(), 200);
    assert!(page.text().await.unwrap().starts_with("<!DOCTYPE html>"));
    for (fault, status, code) in [(Fault::NoSuchKey, 404, "NoSuchKey"), (Fault::SlowDown503, 503, "SlowDown")] {
        let answer = with(fault).await.download(0).await;
        assert_eq!(answer.status(), status);
        assert!(answer.text().await.unwrap().contains(&format!("<Code>{code}</Code>")));
    }
    let began = Instant::now();
    let mut dripping = with(Fault::SlowDrip { bytes_per_second: 1_000 }).await.download(0).await;
    assert!(dripping.chunk().await.unwrap().unwrap().len() <= 100);
    assert!(began.elapsed() >= Duration::from_millis(100));
}

#[tokio::test]
async fn the_demo_brings_each_trouble_once_and_then_lets_the_call_through() {
    let caller = Caller::of(WebexPlan::demo(1, 25)).await;
    let (mut pages, mut broken) = (0, 0);
    for (number, call) in (0..).zip(caller.webex.truth()) {
        if call.expected.word() != "stored" {
            continue;
        }
        for attempt in 0..4 {
            let list = caller.recordings(call.session_id).await;
            let main = list.iter().find(|each| each["attributes"]["callType"] == "main");
            let Some(link) = main.map(|main| main["attributes"]["filePath"].as_str().unwrap()) else { continue };
            let answer = caller.http.get(link).send().await.unwrap();
            let is_page = answer.headers()["content-type"] != "audio/wav";
            match answer.bytes().await {
                Ok(bytes) if !is_page => {
                    assert_eq!(Some(bytes.len() as u64), call.size_bytes());
                    break;
                }
                Ok(_) => pages += 1,
                Err(_) => broken += 1,
            }
            assert!(attempt < 3, "call {number} never comes through");
        }
    }
    assert_eq!((pages, broken), (1, 1));
}

#[tokio::test]
async fn three_hours_of_silence_cost_nothing_to_offer() {
    let silent = CallSpec { audio: Length::Silent(Duration::from_hours(3)), shape: Shape::PCM, ..CallSpec::ago(Duration::from_hours(4)) };
    let caller = Caller::of(WebexPlan::new(9, vec![CallSpec { lasts: Duration::from_hours(3), ..silent }])).await;
    let answer = caller.http.get(caller.link(0).await).header("range", "bytes=-8").send().await.unwrap();
    assert_eq!(answer.headers()["content-range"], "bytes 345600036-345600043/345600044");
    assert_eq!(answer.bytes().await.unwrap().to_vec(), [0; 8]);
}
