//! What was written is what is read back, and what Excel cannot hold is told.

use calamine::{Data, Reader, Xlsx, open_workbook};
use callscribe::domain::{OrgId, Participant, SessionId, SourceName};

use super::*;

fn told(id: &str, texts: impl IntoIterator<Item = String>) -> Told {
    let started_at = DateTime::from_timestamp_millis(1_758_724_953_881).unwrap();
    let message = |(place, text): (usize, String)| ChatMessage {
        key: place.to_string(),
        sent_at: Some(started_at + chrono::TimeDelta::seconds(i64::try_from(place).unwrap())),
        odd_time: None,
        direction: Some("INBOUND".to_owned()),
        text: Some(text),
        participant: Participant {
            name: Some("Customer".to_owned()),
            role: Some("CUSTOMER".to_owned()),
            user_id: None,
            alias_id: Some("alias".to_owned()),
        },
    };
    let chat = Chat {
        session_id: SessionId::parse(id).unwrap(),
        source: SourceName::Webex,
        org_id: OrgId::parse("org").unwrap(),
        channel: "chat".to_owned(),
        queue_name: Some("Q".to_owned()),
        agent_id: None,
        agent_name: None,
        started_at,
        ended_at: None,
        closed: true,
    };
    let messages = texts.into_iter().enumerate().map(message).collect();
    Told { task_id: id.to_owned(), chat: Some(chat), messages, ending: Ending::Complete { unreadable: 0 } }
}

/// The rows of a sheet, heading included.
fn rows(path: &Path, sheet: &str) -> Vec<Vec<Data>> {
    let mut workbook: Xlsx<_> = open_workbook(path).unwrap();
    workbook.worksheet_range(sheet).unwrap().rows().map(<[Data]>::to_vec).collect()
}

fn sheets(path: &Path) -> Vec<String> {
    let workbook: Xlsx<_> = open_workbook(path).unwrap();
    workbook.sheet_names()
}

#[test]
fn a_hundred_thousand_messages_come_back_whole() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("chats.xlsx");
    let mut book = ChatWorkbook::create(&out).unwrap();
    for number in 0..1_000 {
        book.add(&told(&format!("task-{number}"), (0..100).map(|place| format!("message {number}/{place}")))).unwrap();
    }
    let written = book.finish().unwrap();
    assert_eq!(written, Written { conversations: 1_000, messages: 100_000, message_sheets: 1, cells_cut: 0 });
    let rows = rows(&out, "Messages");
    assert_eq!(rows.len(), 100_001);
    for (place, row) in rows.iter().skip(1).enumerate() {
        assert_eq!(row[0].to_string(), format!("task-{}", place / 100));
        assert_eq!(row[3].to_string(), format!("message {}/{}", place / 100, place % 100));
    }
    assert_eq!(super::tests::rows(&out, "Conversations").len(), 1_001);
}

#[test]
fn the_columns_are_the_briefs() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("chats.xlsx");
    let mut book = ChatWorkbook::create(&out).unwrap();
    book.add(&told("task-1", ["Hello".to_owned()])).unwrap();
    book.finish().unwrap();
    let rows = rows(&out, "Messages");
    let words = |row: &[Data]| row.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(words(&rows[0]), MESSAGE_COLUMNS);
    let told = ["task-1", "2025-09-24T14:42:33.881Z", "INBOUND", "Hello", "Customer", "CUSTOMER", "", "alias"];
    assert_eq!(words(&rows[1]), told);
    assert_eq!(sheets(&out), ["Messages", "Conversations"]);
}

#[test]
fn what_looks_like_a_formula_is_a_text_and_no_letter_breaks_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("chats.xlsx");
    let nasty = ["=1+1", "=HYPERLINK(\"https://x.example\")", "+1", "@SUM(A1)", "-2", "<b>&amp;</b>", "line\nline", " blank ", "👍 ü"];
    let mut book = ChatWorkbook::create(&out).unwrap();
    book.add(&told("task-1", nasty.map(str::to_owned))).unwrap();
    book.add(&told("task-2", ["bell \u{7} and \u{ffff}".to_owned()])).unwrap();
    book.finish().unwrap();
    let rows = rows(&out, "Messages");
    for (row, text) in rows.iter().skip(1).zip(nasty) {
        assert_eq!(row[3], Data::String(text.to_owned()));
    }
    assert!(rows.last().unwrap()[3].to_string().starts_with("bell "));
    let mut workbook: Xlsx<_> = open_workbook(&out).unwrap();
    assert!(workbook.worksheet_formula("Messages").unwrap().is_empty(), "no cell holds a formula");
}

#[test]
fn more_rows_than_a_sheet_holds_go_on_to_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("chats.xlsx");
    let mut book = ChatWorkbook::with_rows(&out, 4).unwrap();
    book.add(&told("task-1", (0..7).map(|place| place.to_string()))).unwrap();
    let written = book.finish().unwrap();
    assert_eq!((written.messages, written.message_sheets), (7, 3));
    assert_eq!(sheets(&out), ["Messages", "Conversations", "Messages 2", "Messages 3"]);
    let texts: Vec<String> = ["Messages", "Messages 2", "Messages 3"]
        .iter()
        .flat_map(|sheet| rows(&out, sheet).into_iter().skip(1).map(|row| row[3].to_string()))
        .collect();
    assert_eq!(texts, ["0", "1", "2", "3", "4", "5", "6"]);
}

#[test]
fn a_text_longer_than_a_cell_is_cut_with_a_word_about_it() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("chats.xlsx");
    let mut book = ChatWorkbook::create(&out).unwrap();
    // two UTF-16 units each
    book.add(&told("task-1", ["👍".repeat(20_000), "a".repeat(LONGEST_CELL)])).unwrap();
    assert_eq!(book.finish().unwrap().cells_cut, 1);
    let rows = rows(&out, "Messages");
    let cut = rows[1][3].to_string();
    assert!(cut.ends_with("[cut: 20000 characters, a cell holds 32767]"), "{}", cut.chars().rev().take(60).collect::<String>());
    assert!(cut.encode_utf16().count() <= LONGEST_CELL && cut.encode_utf16().count() > LONGEST_CELL - 3);
    assert_eq!(rows[2][3].to_string().len(), LONGEST_CELL, "what just fits is whole");
}

#[test]
fn a_workbook_that_is_not_finished_leaves_nothing_and_the_old_one_in_place() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("chats.xlsx");
    std::fs::write(&out, "old").unwrap();
    let mut book = ChatWorkbook::create(&out).unwrap();
    book.add(&told("task-1", ["Hello".to_owned()])).unwrap();
    drop(book);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(std::fs::read(&out).unwrap(), b"old");
    let nowhere = ChatWorkbook::create(Path::new("/nowhere/chats.xlsx")).err().expect("there is no such folder");
    assert_eq!(nowhere.to_string(), "cannot write to the folder `/nowhere`");
}
