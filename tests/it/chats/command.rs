//! `callscribe webex chats` as a person calls it, against the simulator.

use std::{path::PathBuf, time::Duration};

use calamine::{Data, Reader, Xlsx, open_workbook};
use callscribe_simulators::{
    When,
    webex::{CallSpec, Endpoint, ErrorBody, Fault, GrantError, WebexPlan},
};
use chrono::SecondsFormat;
use serde_json::Value;

use crate::{hooks::subscriptions::webex, webex::Office};

const MESSAGES: &str = "Messages";
const CONVERSATIONS: &str = "Conversations";

/// A place for a workbook.
struct Desk {
    office: Office,
    folder: tempfile::TempDir,
}

impl Desk {
    async fn with(plan: WebexPlan) -> Self {
        Self { office: Office::open(plan).await, folder: tempfile::tempdir().unwrap() }
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("chats.xlsx")
    }

    /// Exit status, what it printed, what it complained about.
    async fn export(&self, more: &[&str]) -> (i32, String, String) {
        let out = self.out();
        let arguments = [&["chats", "--from", "1d", "--out", out.to_str().unwrap()], more].concat();
        let ran = webex(&self.office, &arguments).await;
        let secrets = [self.office.vendor.credentials().refresh_token.as_str(), "X-Amz-Signature", "+1202555", "Bearer"];
        for secret in secrets {
            assert!(!ran.1.contains(secret) && !ran.2.contains(secret), "`{secret}` is told: {ran:?}");
        }
        ran
    }

    /// The summary of an export that ends with this status.
    async fn summary(&self, status: i32, more: &[&str]) -> Value {
        let ran = self.export(&[&["--json"], more].concat()).await;
        assert_eq!(ran.0, status, "{}{}", ran.1, ran.2);
        serde_json::from_str(&ran.1).unwrap()
    }

    /// Rows of a sheet as text, without the heading.
    fn rows(&self, sheet: &str) -> Vec<Vec<String>> {
        let mut workbook: Xlsx<_> = open_workbook(self.out()).unwrap();
        let range = workbook.worksheet_range(sheet).unwrap();
        range.rows().skip(1).map(|row| row.iter().map(Data::to_string).collect()).collect()
    }

    /// What the sheet of messages must hold of these chats.
    fn truth(&self, numbers: &[u32]) -> Vec<Vec<String>> {
        let row = |number: u32| {
            let task = self.office.vendor.session_id(number).to_string();
            self.office.vendor.messages_of(number).into_iter().map(move |message| {
                let user = message.user_id.map(|id| id.to_string()).unwrap_or_default();
                let at = message.at.to_rfc3339_opts(SecondsFormat::Millis, true);
                let alias = message.alias_id.to_string();
                vec![task.clone(), at, message.direction.to_owned(), message.text, message.name, message.role.to_owned(), user, alias]
            })
        };
        numbers.iter().flat_map(|number| row(*number)).collect()
    }

    /// Of a conversation: its status, its reason, and how many messages it has.
    fn ending(&self, number: u32) -> [String; 3] {
        let task = self.office.vendor.session_id(number).to_string();
        let row = self.rows(CONVERSATIONS).into_iter().find(|row| row[0] == task).expect("the conversation has a row");
        [row[7].clone(), row[8].clone(), row[6].clone()]
    }
}

/// `count` chats of this many messages, an hour apart, the oldest first.
fn chats(count: u32, messages: u32) -> Vec<CallSpec> {
    (0..count).map(|number| CallSpec::chat(Duration::from_hours(u64::from(count - number)), messages)).collect()
}

fn of(number: u32, plan: &WebexPlan) -> When {
    When::sessions([plan.session_id(number)])
}

#[tokio::test]
async fn every_message_is_a_row_and_every_conversation_is_one_on_the_second_sheet() {
    let mut calls = chats(3, 5);
    calls.push(CallSpec::ago(Duration::from_mins(20)));
    calls.push(CallSpec::chat(Duration::from_mins(10), 0));
    calls.push(CallSpec { lasts: Duration::from_hours(2), ..CallSpec::chat(Duration::from_mins(3), 4) });
    let desk = Desk::with(WebexPlan::new(3, calls)).await;
    let summary = desk.summary(0, &[]).await;
    assert_eq!(desk.rows(MESSAGES), desk.truth(&[0, 1, 2]));
    assert_eq!(desk.rows(CONVERSATIONS).len(), 5, "a call is no conversation");
    assert_eq!(desk.ending(2), ["complete", "", "5"]);
    assert_eq!(desk.ending(4), ["complete", "", "0"], "nothing was written");
    assert_eq!(desk.ending(5), ["open", "", "0"]);
    let first = desk.office.vendor.truth_at(0).unwrap();
    let row = &desk.rows(CONVERSATIONS)[0];
    assert_eq!((&row[4], &row[5]), (&first.queue_name.unwrap(), &first.agent_name.unwrap()));
    assert_eq!(
        (&summary["messages"], &summary["complete"], &summary["open"], &summary["failed"]),
        (&15.into(), &4.into(), &1.into(), &0.into())
    );
}

#[tokio::test]
async fn every_form_of_the_file_tells_the_same() {
    let forms = [
        vec![Fault::ChatVersioned],
        vec![Fault::ChatBothVersions],
        vec![Fault::ChatTimesAsText, Fault::CapitalKeys],
        vec![Fault::ChatTimesAsIso],
        vec![Fault::TranscriptUnordered],
        vec![Fault::ChatMessageTwice],
        vec![Fault::ChatOddElement],
        vec![Fault::LinkExpires],
    ];
    let mut plan = WebexPlan::new(5, chats(u32::try_from(forms.len()).unwrap(), 6));
    for (number, faults) in (0..).zip(&forms) {
        for fault in faults {
            let once = matches!(fault, Fault::LinkExpires);
            let id = plan.session_id(number);
            let when = if once { When::sessions_first([id], 1) } else { When::sessions([id]) };
            plan = plan.with(fault.clone(), when);
        }
    }
    let desk = Desk::with(plan).await;
    let summary = desk.summary(0, &[]).await;
    let all: Vec<u32> = (0..).take(forms.len()).collect();
    assert_eq!(desk.rows(MESSAGES), desk.truth(&all));
    assert_eq!(summary["parts_left_out"], 1);
}

#[tokio::test]
async fn what_a_message_does_not_tell_stays_empty_and_a_text_too_long_is_cut_with_a_word() {
    let plan = WebexPlan::new(6, chats(3, 4));
    let (nameless, timeless, long) = (of(0, &plan), of(1, &plan), of(2, &plan));
    let plan =
        plan.with(Fault::ChatWithoutParticipant, nameless).with(Fault::ChatWithoutTimes, timeless).with(Fault::ChatLongMessage, long);
    let desk = Desk::with(plan).await;
    let summary = desk.summary(0, &[]).await;
    let (told, truth) = (desk.rows(MESSAGES), desk.truth(&[0, 1, 2]));
    assert_eq!(told[0][4..], ["", "", "", ""]);
    assert_eq!((&told[0][..4], &told[1]), (&truth[0][..4], &truth[1]));
    for place in 4..8 {
        assert_eq!((told[place][1].as_str(), &told[place][2..]), ("", &truth[place][2..]), "in the order of the file");
    }
    assert!(told[8][3].ends_with("[cut: 40000 characters, a cell holds 32767]"));
    assert_eq!(summary["cells_cut"], 1);
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_listed_and_stops_nothing() {
    let plan = WebexPlan::new(7, chats(5, 3));
    let (odd, cut, none, gone) = (of(0, &plan), of(1, &plan), of(2, &plan), of(3, &plan));
    let plan = plan.with(Fault::TranscriptUnknownShape, odd).with(Fault::TranscriptInvalidJson, cut);
    let plan = plan.with(Fault::NoTranscript, none).with(Fault::NoSuchKey, gone);
    let desk = Desk::with(plan).await;
    let (status, printed, _) = desk.export(&[]).await;
    assert_eq!(status, 1);
    assert_eq!(desk.rows(MESSAGES), desk.truth(&[4]));
    assert_eq!(desk.ending(0), ["error", "unrecognised_transcript_format", "0"]);
    assert_eq!(desk.ending(1), ["error", "unrecognised_transcript_format", "0"]);
    assert_eq!(desk.ending(2), ["no transcript", "", "0"]);
    assert_eq!(desk.ending(3), ["error", "no_transcript", "0"]);
    for number in [0, 1, 3] {
        assert!(printed.contains(&desk.office.vendor.session_id(number).to_string()), "{printed}");
    }
    assert!(printed.contains("3 failed") && printed.contains("1 conversations have no transcript"), "{printed}");
}

#[tokio::test]
async fn an_access_token_that_ended_is_renewed_and_the_question_asked_again() {
    let desk = Desk::with(WebexPlan::new(8, chats(2, 2))).await;
    desk.summary(0, &[]).await;
    let refreshes = desk.office.refreshes();
    desk.office.vendor.expire_access_tokens();
    desk.summary(0, &[]).await;
    assert_eq!(desk.rows(MESSAGES), desk.truth(&[0, 1]));
    assert_eq!(desk.office.refreshes(), refreshes + 1);
}

#[tokio::test]
async fn a_vendor_that_fails_for_a_while_is_asked_again() {
    let failure = |at| Fault::ServerError { at, status: 503, body: ErrorBody::Html };
    let plan = WebexPlan::new(9, chats(2, 2))
        .with(failure(Endpoint::Search), When::First(1))
        .with(failure(Endpoint::Captures), When::First(1))
        .with(Fault::SlowDown503, When::First(1))
        .with(Fault::Throttled { seconds: 1, retry_after: callscribe_simulators::webex::RetryAfter::Seconds }, When::First(1));
    let desk = Desk::with(plan).await;
    desk.summary(0, &[]).await;
    assert_eq!(desk.rows(MESSAGES), desk.truth(&[0, 1]));
}

#[tokio::test]
async fn only_the_queues_that_are_named_are_told() {
    let desk = Desk::with(WebexPlan::new(10, chats(6, 1))).await;
    desk.summary(0, &["--queue", "q_support_1"]).await;
    assert_eq!(desk.rows(MESSAGES), desk.truth(&[0, 3]));
    desk.summary(0, &["--queue", "Q_Support_1", "--queue", "Q_Support_3"]).await;
    assert_eq!(desk.rows(MESSAGES), desk.truth(&[0, 2, 3, 5]));
    let (status, printed, _) = desk.export(&["--queue", "Q_Other"]).await;
    assert_eq!(status, 0);
    assert!(printed.contains("there are some in `Q_Support_1`, `Q_Support_2`, `Q_Support_3`"), "{printed}");
}

#[tokio::test]
async fn nothing_is_written_when_webex_lets_nobody_in() {
    let plan = WebexPlan::new(11, chats(1, 1)).with(Fault::InvalidGrant(GrantError::Platform), When::Always);
    let desk = Desk::with(plan).await;
    std::fs::write(desk.out(), "of last week").unwrap();
    let (status, _, complaint) = desk.export(&[]).await;
    assert_eq!(status, 1);
    assert!(complaint.contains("nothing was written") && complaint.contains("hint: "), "{complaint}");
    assert_eq!(std::fs::read(desk.out()).unwrap(), b"of last week");
    assert_eq!(std::fs::read_dir(desk.folder.path()).unwrap().count(), 1, "nothing half is left");
}

#[tokio::test]
async fn a_window_that_is_none_and_a_folder_that_is_none_are_told() {
    let desk = Desk::with(WebexPlan::new(12, Vec::new())).await;
    let (status, _, complaint) = webex(&desk.office, &["chats", "--from", "1d", "--to", "2d", "--out", "x.xlsx"]).await;
    assert_eq!(status, 2, "{complaint}");
    let (status, _, complaint) = webex(&desk.office, &["chats", "--from", "1d", "--out", "/nowhere/x.xlsx"]).await;
    assert!(status == 1 && complaint.contains("/nowhere"), "{complaint}");
    desk.summary(0, &[]).await;
    assert!(desk.rows(MESSAGES).is_empty(), "an empty day makes an empty workbook");
}
