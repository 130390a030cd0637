//! The dashboard, drawn. 80 columns by 24 rows are enough to work with; more room shows more rows and longer series.

use std::time::Duration;

use chrono::{DateTime, Utc};
use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::{Block, Clear, Paragraph, Row, Table, Wrap},
};

use super::{
    super::{
        alerts::Urgency,
        picture::{Pace, Picture},
        text::{service_line, would_do},
    },
    view::{Colours, Pane, View},
};
use crate::{
    commands::sync,
    times::{relative, span},
};

/// Alerts that are shown one by one.
const MOST_ALERTS: usize = 4;
/// From this width on the lanes say how many workers would do.
const WIDE: u16 = 120;

/// Draws everything.
pub(super) fn draw(frame: &mut Frame<'_>, view: &View, now: DateTime<Utc>) {
    let alerts = view.alerts.len().clamp(1, MOST_ALERTS);
    let lanes = view.picture.as_ref().map_or(0, |picture| picture.kinds.len()).max(6) + 3;
    let heights = [1, rows(alerts), rows(lanes)].map(Constraint::Length);
    let [head, top, middle, bottom, foot] =
        Layout::vertical([heights[0], heights[1], heights[2], Constraint::Min(4), Constraint::Length(1)]).areas(frame.area());
    let pen = Pen(view.colours);
    headline(frame, head, view, now, pen);
    let Some(picture) = &view.picture else {
        frame.render_widget(Paragraph::new("looking …"), top);
        return;
    };
    alert_lines(frame, top, view, pen);
    lane_rows(frame, middle, view, picture, pen);
    let [left, right] = Layout::horizontal([Constraint::Percentage(50), Constraint::Percentage(50)]).areas(bottom);
    worker_rows(frame, left, view, picture);
    let [upper, lower] = Layout::vertical([Constraint::Percentage(55), Constraint::Percentage(45)]).areas(right);
    dead_rows(frame, upper, view, picture);
    flow_rows(frame, lower, view, picture);
    frame.render_widget(Line::from("q quit  tab panes  ↑↓ rows  p freeze  ? help").style(pen.faint()), foot);
    if view.help {
        help(frame);
    }
}

/// Colours where they are wanted.
#[derive(Clone, Copy)]
struct Pen(Colours);

impl Pen {
    fn colour(self, colour: Color) -> Style {
        match self.0 {
            Colours::Some => Style::new().fg(colour),
            Colours::None => Style::new(),
        }
    }

    fn alarming(self) -> Style {
        self.colour(Color::Red).add_modifier(Modifier::BOLD)
    }

    fn warning(self) -> Style {
        self.colour(Color::Yellow)
    }

    fn good(self) -> Style {
        self.colour(Color::Green)
    }

    fn faint(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }
}

fn rows(number: usize) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

fn headline(frame: &mut Frame<'_>, area: Rect, view: &View, now: DateTime<Utc>, pen: Pen) {
    let mut spans = vec![Span::styled("callscribe", Style::new().add_modifier(Modifier::BOLD))];
    if let Some(picture) = &view.picture {
        let alive = picture.workers.iter().filter(|worker| worker.alive).count();
        spans.push(format!("  {} UTC  {alive} workers", picture.at.format("%H:%M:%S")).into());
    }
    if view.frozen {
        spans.push(Span::styled("  FROZEN: p goes on", pen.warning()));
    }
    if let Some((since, why)) = &view.away {
        spans.push(Span::styled(
            format!("  PostgreSQL AWAY since {}, {}: {why}", since.format("%H:%M:%S"), relative(*since, now)),
            pen.alarming(),
        ));
    }
    frame.render_widget(Line::from(spans), area);
}

fn alert_lines(frame: &mut Frame<'_>, area: Rect, view: &View, pen: Pen) {
    if view.alerts.is_empty() {
        frame.render_widget(Line::from(Span::styled("no alerts", pen.good())), area);
        return;
    }
    let hidden = view.alerts.len().saturating_sub(MOST_ALERTS);
    let lines: Vec<Line<'_>> = view
        .alerts
        .iter()
        .take(MOST_ALERTS)
        .enumerate()
        .map(|(place, alert)| {
            let style = if alert.urgency == Urgency::Alert { pen.alarming() } else { pen.warning() };
            let more = if hidden > 0 && place + 1 == MOST_ALERTS { format!(" (and {hidden} more)") } else { String::new() };
            Line::from(vec![Span::styled(alert.word(), style), format!("{more} {}", alert.text).into()])
        })
        .collect();
    frame.render_widget(Paragraph::new(lines), area);
}

/// A pane's frame; the one that keys go to has a mark and a heavy title.
fn pane(view: &View, pane: Pane, title: &str) -> Block<'static> {
    if view.pane == pane {
        Block::bordered().title(format!("▶ {title}")).title_style(Style::new().add_modifier(Modifier::BOLD))
    } else {
        Block::bordered().title(format!(" {title}"))
    }
}

fn lane_rows(frame: &mut Frame<'_>, area: Rect, view: &View, picture: &Picture, pen: Pen) {
    let wide = area.width >= WIDE;
    let all: Vec<Row<'_>> = picture
        .kinds
        .iter()
        .map(|depth| {
            let pace = picture.pace.iter().find(|pace| pace.kind.as_str() == depth.kind);
            let number =
                |per_second: fn(&Pace) -> f64| pace.map_or_else(|| "-".to_owned(), |pace| format!("{:.1}", per_second(pace) * 60.0));
            let (oldest, style) = freshness(pace, pen);
            let series = pace.map(|pace| spark(&pace.rate.done_by_minute, if wide { 30 } else { 10 })).unwrap_or_default();
            let mut cells = vec![
                Line::from(depth.kind.clone()),
                Line::from(depth.due.to_string()).right_aligned(),
                Line::from(depth.running.to_string()).right_aligned(),
                Line::from(depth.later.to_string()).right_aligned(),
                Line::from(depth.dead.to_string()).right_aligned(),
                Line::from(number(|pace| pace.rate.arrived_per_second)).right_aligned(),
                Line::from(number(|pace| pace.rate.done_per_second)).right_aligned(),
                Line::from(series),
                Line::from(Span::styled(oldest, style)),
            ];
            if wide {
                cells.push(Line::from(pace.map(advice).unwrap_or_default()));
            }
            Row::new(cells)
        })
        .collect();
    let first = view.first_row(Pane::Lanes, all.len(), usize::from(area.height.saturating_sub(3)));
    let mut widths = [13, 7, 5, 6, 6, 6, 6, if wide { 30 } else { 10 }].map(Constraint::Length).to_vec();
    widths.push(if wide { Constraint::Length(20) } else { Constraint::Min(10) });
    let mut headings = vec!["lane", "    due", "  run", " later", "  dead", "in/min", "  done", "done/min", "oldest/goal"];
    if wide {
        widths.push(Constraint::Min(20));
        headings.push("workers that would do");
    }
    let table = Table::new(all.into_iter().skip(first), widths)
        .header(Row::new(headings).style(pen.faint()))
        .column_spacing(1)
        .block(pane(view, Pane::Lanes, "lanes"));
    frame.render_widget(table, area);
}

/// Age against the goal; the word says what the colour says.
fn freshness(pace: Option<&Pace>, pen: Pen) -> (String, Style) {
    let Some((pace, age)) = pace.and_then(|pace| Some((pace, pace.oldest_age()?))) else { return ("-".to_owned(), Style::new()) };
    let short = |span_of: Duration| span(Duration::from_secs(span_of.as_secs())).split(' ').next().unwrap_or_default().to_owned();
    match pace.goal() {
        Some(goal) if pace.is_late() => (format!("{}/{} LATE", short(age), short(goal)), pen.alarming()),
        Some(goal) => (format!("{}/{} ok", short(age), short(goal)), pen.good()),
        None => (short(age), Style::new()),
    }
}

fn advice(pace: &Pace) -> String {
    let empty = match pace.advice.empty_in_seconds {
        _ if pace.advice.growing => ", grows".to_owned(),
        Some(seconds) => format!(", empty in {}", span(Duration::from_secs_f64(seconds.clamp(0.0, 3e7)))),
        None => String::new(),
    };
    format!("{}{empty}", would_do(pace))
}

/// The last `width` values as bars of eight heights; no bar where nothing was.
pub(super) fn spark(values: &[i64], width: usize) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let shown = values.get(values.len().saturating_sub(width)..).unwrap_or_default();
    let highest = shown.iter().copied().max().unwrap_or(0);
    let bar = |value: i64| {
        let height = value.saturating_mul(8).checked_div(highest).filter(|_| value > 0)?;
        usize::try_from((height - 1).clamp(0, 7)).ok().and_then(|height| BARS.get(height).copied())
    };
    shown.iter().map(|value| bar(*value).unwrap_or(' ')).collect()
}

fn worker_rows(frame: &mut Frame<'_>, area: Rect, view: &View, picture: &Picture) {
    let all: Vec<Row<'_>> = picture
        .workers
        .iter()
        .map(|worker| {
            let (running, oldest) = picture.held_by(worker);
            let kinds: Vec<String> = worker
                .kinds
                .iter()
                .map(|kind| {
                    let held = picture.running.iter().find(|running| running.lease == worker.lease.0 && running.kind == *kind);
                    held.map_or_else(|| kind.clone(), |held| format!("{kind} {}", held.jobs))
                })
                .collect();
            let name = if worker.alive { worker.name.clone() } else { format!("{} SILENT", worker.name) };
            let oldest = oldest.map_or_else(|| "-".to_owned(), span);
            Row::new([
                Line::from(name),
                Line::from(running.to_string()).right_aligned(),
                Line::from(oldest).right_aligned(),
                Line::from(kinds.join(", ")),
            ])
        })
        .collect();
    let title = format!("workers {}", all.len());
    let first = view.first_row(Pane::Workers, all.len(), usize::from(area.height.saturating_sub(3)));
    let widths = [Constraint::Min(10), Constraint::Length(4), Constraint::Length(7), Constraint::Percentage(40)];
    let table = Table::new(all.into_iter().skip(first), widths)
        .header(Row::new(["name", " run", "longest", "kinds"]).style(Style::new().add_modifier(Modifier::DIM)))
        .block(pane(view, Pane::Workers, &title));
    frame.render_widget(table, area);
}

fn dead_rows(frame: &mut Frame<'_>, area: Rect, view: &View, picture: &Picture) {
    let lines: Vec<Line<'_>> = picture
        .dead
        .iter()
        .map(|row| Line::from(format!("{:>6} {} {}, {}", row.jobs, row.reason, row.kind, relative(row.last_at, picture.at))))
        .collect();
    list(frame, area, view, Pane::Dead, "dead by reason", lines, "nothing is dead");
}

/// What comes through: budgets, backfills, setbacks.
fn flow_rows(frame: &mut Frame<'_>, area: Rect, view: &View, picture: &Picture) {
    let mut lines = Vec::new();
    for budget in &picture.budgets {
        let state = match budget.blocked_seconds {
            Some(seconds) => format!("CLOSED by the vendor, {}", span(Duration::from_secs(seconds))),
            None => format!("{:.0} now of {} a minute", budget.remaining, budget.per_minute),
        };
        lines.push(Line::from(format!("budget {}: {state}", budget.name)));
    }
    lines.extend(picture.services.iter().map(|service| Line::from(service_line(service))));
    for backfill in &picture.backfills {
        lines.push(Line::from(format!("backfill {}: {}", backfill.seen.name, sync::line(&backfill.seen))));
    }
    for row in &picture.setbacks_of_10_minutes {
        lines.push(Line::from(format!("{:>6} {} {} {} in 10m", row.runs, row.reason, row.kind, row.outcome)));
    }
    list(frame, area, view, Pane::Flow, "budgets, backfills, setbacks", lines, "nothing to tell");
}

fn list(frame: &mut Frame<'_>, area: Rect, view: &View, of: Pane, title: &str, lines: Vec<Line<'_>>, none: &str) {
    let first = view.first_row(of, lines.len(), usize::from(area.height.saturating_sub(2)));
    let lines = if lines.is_empty() { vec![Line::from(none.to_owned())] } else { lines.into_iter().skip(first).collect() };
    frame.render_widget(Paragraph::new(lines).block(pane(view, of, title)), area);
}

fn help(frame: &mut Frame<'_>) {
    const TEXT: &str = "q, Ctrl-C    leave\n\
                        tab, ← →     next pane, the one before; ▶ marks it\n\
                        ↑ ↓, k j     rows of that pane\n\
                        p            freeze the picture, and go on\n\
                        ?            this; again or Esc: away\n\n\
                        due: waits for a worker. later: waits for its time.\n\
                        dead: waits for a person. oldest/goal: age of the\n\
                        oldest work against SLO_SYNC, SLO_RECORDING,\n\
                        SLO_TRANSCRIBE; LATE when it is over.";
    let area = frame.area();
    let (width, height) = (area.width.min(56), area.height.min(12));
    let place = Rect::new(area.x + (area.width - width) / 2, area.y + (area.height - height) / 2, width, height);
    frame.render_widget(Clear, place);
    frame.render_widget(Paragraph::new(TEXT).wrap(Wrap { trim: false }).block(Block::bordered().title(" help ")), place);
}
