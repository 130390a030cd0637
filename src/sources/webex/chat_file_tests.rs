//! The forms of a conversation's file, and what is none.

use serde_json::json;

use super::*;

fn told_of(file: &Value) -> Conversation {
    read(file.to_string().as_bytes()).unwrap()
}

fn texts(conversation: &Conversation) -> Vec<&str> {
    conversation.messages.iter().map(|message| message.text.as_deref().unwrap_or("-")).collect()
}

#[test]
fn the_briefs_form_is_read_whole() {
    let told = told_of(&json!([{"timestamp": 1_758_724_953_881_i64, "direction": "INBOUND", "message": "Hello",
        "participant": {"name": "A", "role": "CUSTOMER", "userId": "u-1", "aliasId": "a-1"}}]));
    let [message] = &told.messages[..] else { panic!("one message") };
    assert_eq!(message.sent_at.unwrap().timestamp_millis(), 1_758_724_953_881);
    assert_eq!((message.direction.as_deref(), message.text.as_deref()), (Some("INBOUND"), Some("Hello")));
    let of = |text: &str| Some(text.to_owned());
    assert_eq!(message.participant, Participant { name: of("A"), role: of("CUSTOMER"), user_id: of("u-1"), alias_id: of("a-1") });
}

#[test]
fn a_form_that_names_its_version_is_read_by_what_it_holds() {
    let list = json!([{"createdTime": "2026-11-20T10:00:00.000Z", "text": "Hi", "sender": "Ada"}]);
    for file in [json!({"schemaVersion": "1.0.0", "messages": list}), json!({"version": 2, "Data": {"Messages": list}})] {
        let told = told_of(&file);
        assert_eq!(texts(&told), ["Hi"], "{file}");
        assert_eq!(told.messages[0].participant.name.as_deref(), Some("Ada"));
    }
}

#[test]
fn times_come_as_numbers_as_text_and_as_iso_and_what_is_none_is_kept_as_told() {
    let at = |time: Value| told_of(&json!([{ "timestamp": time, "message": "x" }])).messages.remove(0);
    for time in [
        json!(1_758_724_953_000_i64),
        json!("1758724953000"),
        json!(1_758_724_953),
        json!("2025-09-24T14:42:33Z"),
        json!("2025-09-24T16:42:33.000+0200"),
        json!("2025-09-24 14:42:33"),
        json!(1_758_724_953_000.0),
    ] {
        assert_eq!(at(time.clone()).sent_at.map(|at| at.timestamp()), Some(1_758_724_953), "{time}");
    }
    let odd = at(json!("yesterday"));
    assert_eq!((odd.sent_at, odd.odd_time.as_deref()), (None, Some("yesterday")));
}

#[test]
fn what_is_missing_is_untold_and_the_message_stays() {
    let told =
        told_of(&json!([{"message": "no one"}, {"timestamp": 1_758_724_953_881_i64}, {"message": null, "participant": {"name": "NA"}}]));
    assert_eq!(texts(&told), ["no one", "-", "-"]);
    assert!(told.messages.iter().all(|message| message.participant == Participant::default()));
    assert_eq!(told_of(&json!([])).messages.len(), 0, "nothing was written");
}

#[test]
fn a_message_told_twice_is_one_and_two_that_say_the_same_are_two() {
    let said = |time: Value, text: &str| json!({"timestamp": time, "message": text, "participant": {"name": "A"}});
    let (first, later) = (json!(1_758_724_953_881_i64), json!(1_758_724_953_882_i64));
    let told = told_of(&json!([said(first.clone(), "ok"), said(first.clone(), "ok"), said(later, "ok"), said(first, "other")]));
    assert_eq!(texts(&told), ["ok", "other", "ok"]);
    let untimed = told_of(&json!([said(Value::Null, "ok"), said(Value::Null, "ok")]));
    assert_eq!(texts(&untimed), ["ok", "ok"]);
    assert_ne!(untimed.messages[0].key, untimed.messages[1].key);
    let numbered = told_of(&json!([{"id": 7, "message": "ok"}, {"id": 7, "message": "ok"}]));
    assert_eq!(texts(&numbered), ["ok"]);
}

#[test]
fn a_file_read_again_names_every_message_alike() {
    let file = json!([{"message": "a"}, {"message": "a"}, {"timestamp": 1_758_724_953_881_i64, "message": "b"}]);
    assert_eq!(told_of(&file), told_of(&file));
}

#[test]
fn messages_stand_by_time_and_one_without_stays_behind_the_one_before() {
    let told = told_of(
        &json!([{"timestamp": 1_758_724_953_002_i64, "message": "2"}, {"message": "2b"}, {"timestamp": 1_758_724_953_001_i64, "message": "1"}]),
    );
    assert_eq!(texts(&told), ["1", "2", "2b"]);
}

#[test]
fn an_attachment_is_told_by_its_name() {
    let told = told_of(&json!([{"message": "see", "attachments": [{"fileName": "a.pdf"}, {}]}, {"attachments": [{"name": "b.png"}]}]));
    assert_eq!(texts(&told), ["see\n[attachment: a.pdf]\n[attachment: without a name]", "[attachment: b.png]"]);
}

#[test]
fn what_is_no_message_is_counted_and_the_others_are_kept() {
    let told = told_of(&json!(["typing", {"message": "x"}, 7, {"unknown": 1}]));
    assert_eq!((texts(&told), told.unreadable), (vec!["x"], 3));
}

#[test]
fn an_unknown_form_is_told_by_its_shape_and_never_by_its_words() {
    let error = |text: &str| read(text.as_bytes()).unwrap_err();
    let shape = error(r#"{"turns": ["a secret"], "count": 1}"#);
    assert!(shape.to_string().contains("turns") && !shape.to_string().contains("secret") && !shape.may_pass(), "{shape}");
    assert!(!error("[\"a secret\"]").to_string().contains("secret"));
    assert!(matches!(error("\"a secret\""), Unrecognised::Shape(_)));
    let cut = error(r#"[{"message": "a sec"#);
    assert!(cut.may_pass() && !cut.to_string().contains("sec"), "{cut}");
    assert_eq!(error(" \n"), Unrecognised::Empty);
}

#[test]
fn a_letter_that_postgres_cannot_hold_is_replaced() {
    assert_eq!(texts(&told_of(&json!([{"message": "a\u{0}b"}]))), ["a\u{fffd}b"]);
}
