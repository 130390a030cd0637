//! The dashboard on a terminal made of memory: what stands there at 80 × 24 and with much room.

use callscribe::{
    domain::{JobKind, LeaseId},
    ledger::{Advice, Count, DeadReason, Depth, Freshness, Rate, RunningSeen, WorkerSeen},
    store::alerts::AlertSeen,
};
use chrono::{DateTime, TimeDelta, Utc};
use ratatui::{Terminal, backend::TestBackend, style::Color};

use super::{
    super::picture::{BudgetSeen, Pace},
    *,
};

fn now() -> DateTime<Utc> {
    DateTime::parse_from_rfc3339("2026-11-21T12:00:00Z").unwrap().to_utc()
}

fn depth(kind: JobKind, due: i64, dead: i64) -> Depth {
    let count = |jobs| Count { jobs, or_more: false };
    Depth { kind: kind.as_str().to_owned(), known: true, due: count(due), dead: count(dead), ..Depth::default() }
}

fn pace(kind: JobKind, age_seconds: Option<f64>) -> Pace {
    let oldest = |age_seconds| Freshness {
        kind: kind.as_str().to_owned(),
        source: "webex".to_owned(),
        since: now(),
        call_ended: Some(now() - TimeDelta::hours(1)),
        age_seconds,
    };
    let rate = Rate {
        arrived_per_second: 2.0,
        done_per_second: 1.5,
        slot_seconds_per_job: Some(4.0),
        done_by_minute: (0..30).collect(),
        ..Rate::default()
    };
    let advice = Advice { slots: Some(9), workers: Some(3), empty_in_seconds: None, growing: true, bound_by: None };
    Pace { kind, rate, goal_seconds: Some(600), oldest: age_seconds.map(oldest).into_iter().collect(), advice }
}

fn picture() -> Picture {
    let worker = WorkerSeen {
        lease: LeaseId(7),
        name: "blue-41".to_owned(),
        kinds: vec!["recording".to_owned(), "sync".to_owned()],
        version: "0.1.0".to_owned(),
        started_at: now() - TimeDelta::hours(2),
        expires_at: now() + TimeDelta::seconds(20),
        alive: true,
    };
    let running = RunningSeen { lease: 7, kind: "recording".to_owned(), jobs: 5, since: now() - TimeDelta::seconds(90) };
    let dead = |reason: &str, jobs| DeadReason { kind: "transcription".to_owned(), reason: reason.to_owned(), jobs, last_at: now() };
    let due = |kind: JobKind| match kind {
        JobKind::Recording => 1_200,
        JobKind::Transcription => 77,
        _ => 0,
    };
    Picture {
        at: now(),
        kinds: JobKind::ALL.iter().map(|kind| depth(*kind, due(*kind), 0)).collect(),
        pace: vec![pace(JobKind::Recording, Some(120.0)), pace(JobKind::Transcription, Some(3_700.0))],
        workers: vec![worker],
        running: vec![running],
        dead: vec![dead("provider_unavailable", 12), dead("low_coverage", 3)],
        budgets: vec![BudgetSeen { name: "webex", remaining: 31.0, per_minute: 240, blocked_seconds: None }],
        ..Picture::default()
    }
}

fn view(colours: Colours) -> View {
    let mut view = View::new(colours);
    view.take(Ok(picture()), now());
    view
}

/// The screen as lines.
fn drawn(view: &View, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw::draw(frame, view, now() + TimeDelta::seconds(30))).unwrap();
    let buffer = terminal.backend().buffer().clone();
    (0..height).map(|y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned()).collect()
}

fn line<'l>(lines: &'l [String], part: &str) -> &'l str {
    lines.iter().find(|line| line.contains(part)).unwrap_or_else(|| panic!("no line with `{part}`:\n{}", lines.join("\n")))
}

#[test]
fn eighty_by_twenty_four_holds_everything_that_matters() {
    let lines = drawn(&view(Colours::Some), 80, 24);
    insta::assert_snapshot!(lines.join("\n"));
    assert!(line(&lines, "ALERT").contains("nobody works on `transcription`"));
    assert!(lines[1].starts_with("ALERT") && lines[2].starts_with("warning late:"), "what stands still comes before what is late");
    for part in ["1200", "2m/10m ok", "1h/10m LATE", "blue-41", "provider_unavailable", "budget webex: 31 now of 240", "q quit"] {
        line(&lines, part);
    }
}

#[test]
fn much_room_shows_longer_series_and_the_advice() {
    let lines = drawn(&view(Colours::Some), 200, 50);
    insta::assert_snapshot!(lines.join("\n"));
    let recording = line(&lines, "2m/10m ok");
    assert!(recording.contains("3 workers (9 slots), grows") && recording.contains("▁▁▁▁▁▁▁▂▂▂▃"), "{recording}");
}

#[test]
fn no_room_at_all_is_survived() {
    for (width, height) in [(1, 1), (10, 3), (40, 8), (80, 5), (500, 2)] {
        drawn(&view(Colours::Some), width, height);
        let mut helped = view(Colours::None);
        helped.help = true;
        drawn(&helped, width, height);
    }
}

#[test]
fn without_colours_no_cell_has_one_and_the_words_stay() {
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
    let colourful = |terminal: &Terminal<TestBackend>| terminal.backend().buffer().content.iter().any(|cell| cell.fg != Color::Reset);
    terminal.draw(|frame| draw::draw(frame, &view(Colours::Some), now())).unwrap();
    assert!(colourful(&terminal), "the same picture is coloured otherwise");
    terminal.draw(|frame| draw::draw(frame, &view(Colours::None), now())).unwrap();
    assert!(!colourful(&terminal));
    line(&drawn(&view(Colours::None), 80, 24), "LATE");
}

#[test]
fn a_postgresql_that_is_away_leaves_the_last_picture_and_says_since_when() {
    let mut view = view(Colours::None);
    view.take(Err("no connection".to_owned()), now() + TimeDelta::seconds(10));
    view.take(Err("still none".to_owned()), now() + TimeDelta::seconds(20));
    let lines = drawn(&view, 120, 24);
    assert!(lines[0].contains("PostgreSQL AWAY since 12:00:10, 20s ago: still none"), "{}", lines[0]);
    line(&lines, "1200");
    view.take(Ok(picture()), now());
    assert!(!drawn(&view, 120, 24)[0].contains("AWAY"));
}

#[test]
fn a_frozen_picture_stays_until_it_is_let_go() {
    let mut view = view(Colours::None);
    view.freeze();
    view.take(Ok(Picture::default()), now());
    let lines = drawn(&view, 80, 24);
    assert!(lines[0].contains("FROZEN"), "{}", lines[0]);
    line(&lines, "1200");
    view.freeze();
    view.take(Ok(Picture::default()), now());
    assert!(!drawn(&view, 80, 24).join("\n").contains("1200"));
}

fn key(code: KeyCode) -> KeyEvent {
    KeyEvent::new(code, KeyModifiers::NONE)
}

#[test]
fn keys_move_between_panes_scroll_help_and_leave() {
    let mut view = view(Colours::None);
    line(&drawn(&view, 80, 24), "▶ lanes");
    for _ in 0..2 {
        assert!(press(&mut view, key(KeyCode::Tab)));
    }
    let lines = drawn(&view, 80, 24);
    line(&lines, "▶ dead by reason");
    assert!(!lines.join("\n").contains("▶ lanes"));
    press(&mut view, key(KeyCode::BackTab));
    line(&drawn(&view, 80, 24), "▶ workers");
    press(&mut view, key(KeyCode::Char('?')));
    line(&drawn(&view, 80, 24), "freeze the picture");
    press(&mut view, key(KeyCode::Esc));
    assert!(!view.help);
    assert!(!press(&mut view, key(KeyCode::Char('q'))));
    assert!(!press(&mut view, KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)), "raw mode makes a key of it");
    assert!(press(&mut view, key(KeyCode::Char('c'))));
}

#[test]
fn rows_beyond_the_end_are_never_scrolled_to() {
    let mut view = view(Colours::None);
    for _ in 0..100 {
        view.scroll(Move::On);
    }
    assert_eq!(view.first_row(view::Pane::Lanes, 6, 6), 0);
    assert_eq!(view.first_row(view::Pane::Lanes, 20, 6), 14);
}

#[test]
fn bars_are_as_high_as_their_values_and_nothing_is_no_bar() {
    assert_eq!(draw::spark(&[0, 1, 4, 8], 4), " ▁▄█");
    assert_eq!(draw::spark(&[5, 0, 0], 2), "  ");
    assert_eq!(draw::spark(&[], 10), "");
}

#[test]
fn a_block_of_lines_is_one_headline_a_line_per_kind_and_one_per_alert() {
    let text = lines::block(&view(Colours::None), now());
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "2026-11-21 12:00:00 workers 1 alerts 2");
    assert!(
        lines[1].starts_with("  recording due 1200 running 0 later 0 dead 0 in/min 120.0 done/min 90.0 oldest 2m would-do 3 workers"),
        "{text}"
    );
    assert!(text.contains("\n  ALERT: nobody works on `transcription`"), "{text}");
    assert!(text.ends_with("\n\n"));
    let mut away = View::new(Colours::None);
    away.take(Err("no connection".to_owned()), now());
    assert!(lines::block(&away, now() + TimeDelta::seconds(5)).contains("PostgreSQL is away, noticed 5s ago: no connection"));
}

#[test]
fn what_the_schedulers_found_stands_on_top_and_is_told_once() {
    let seen = |name: &str, send_error: Option<&str>| AlertSeen {
        name: name.to_owned(),
        subject: "transcription".to_owned(),
        value: 30.0,
        summary: format!("summary of {name}"),
        command: "callscribe jobs list".to_owned(),
        firing_since: now() - TimeDelta::minutes(5),
        noted_at: None,
        resolved_at: None,
        unsent: 1,
        send_error: send_error.map(str::to_owned),
    };
    let alerts = vec![seen("CallscribeDeadJobs", Some("the receiver answered 503")), seen("CallscribeGaps", None)];
    let told = super::super::alerts::alerts(&Picture { at: now(), alerts, ..Picture::default() });
    let texts: Vec<_> = told.iter().map(|alert| (alert.word(), alert.text.as_str())).collect();
    assert_eq!(texts.len(), 2, "gaps are told by the accounts: {texts:?}");
    assert!(texts[0].0 == "ALERT" && texts[0].1.starts_with("summary of CallscribeDeadJobs, since 5"), "{texts:?}");
    assert!(
        texts[1].0 == "warning" && texts[1].1.contains("1 messages about alerts have not arrived: the receiver answered 503"),
        "{texts:?}"
    );
}
