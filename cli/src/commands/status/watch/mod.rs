//! `callscribe status --watch`: a dashboard on a terminal, a block of lines per look elsewhere. It only reads.

mod draw;
mod lines;
mod view;

use std::{
    io,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use callscribe::{
    clock::{Clock, SystemClock},
    telemetry::chain,
};
use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers},
};
use tokio::sync::mpsc;

use self::view::{Colours, Move, View};
use super::picture::{Asker, Picture};
use crate::{commands::Ended, output::Output, process::shutdown_on_signal, setup};

/// A look that takes longer has failed: the last picture stays, and says since when it is old.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the keyboard's thread looks whether it is still wanted.
const KEYBOARD_LOOK: Duration = Duration::from_millis(100);
/// Keys pressed and not yet answered.
const KEYS: usize = 64;

/// A look that failed, and why.
type Look = Result<Picture, String>;

pub(super) async fn run(asker: Asker, every: Duration, output: &mut Output) -> Ended {
    if output.is_terminal() {
        let colours = if setup::environment()?.get("NO_COLOR").is_some() { Colours::None } else { Colours::Some };
        dashboard(asker, every, colours).await?;
    } else {
        blocks(asker, every, output).await?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn look(asker: &Asker) -> Look {
    match tokio::time::timeout(PATIENCE, asker.ask()).await {
        Ok(Ok(picture)) => Ok(picture),
        Ok(Err(error)) => Err(chain(&error).to_string()),
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}

/// One block of lines per look, until a signal or until nobody reads any more.
async fn blocks(asker: Asker, every: Duration, output: &mut Output) -> Result<(), crate::failure::Failure> {
    let shutdown = shutdown_on_signal()?;
    let mut view = View::new(Colours::None);
    loop {
        tokio::select! {
            looked = look(&asker) => view.take(looked, SystemClock.now()),
            () = shutdown.cancelled() => return Ok(()),
        }
        output.text(&lines::block(&view, SystemClock.now()))?;
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            () = shutdown.cancelled() => return Ok(()),
        }
    }
}

/// The terminal as it was, whatever ends the dashboard; a panic is seen to by ratatui's own hook.
struct Restored(DefaultTerminal);

impl Drop for Restored {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

async fn dashboard(asker: Asker, every: Duration, colours: Colours) -> Result<(), crate::failure::Failure> {
    let shutdown = shutdown_on_signal()?;
    let mut terminal = Restored(ratatui::try_init()?);
    let wanted = Arc::new(AtomicBool::new(true));
    let (pressed, mut keys) = mpsc::channel(KEYS);
    let keyboard = tokio::task::spawn_blocking({
        let wanted = Arc::clone(&wanted);
        move || read_keyboard(&wanted, &pressed)
    });
    let (seen, mut looks) = mpsc::channel(1);
    let looking = tokio::spawn(async move {
        while seen.send(look(&asker).await).await.is_ok() {
            tokio::time::sleep(every).await;
        }
    });
    let ended = show(&mut terminal.0, &mut View::new(colours), &mut keys, &mut looks, &shutdown).await;
    looking.abort();
    Arc::as_ref(&wanted).store(false, Ordering::Relaxed);
    let read = keyboard.await;
    drop(terminal);
    ended?;
    Ok(read??)
}

async fn show(
    terminal: &mut DefaultTerminal,
    view: &mut View,
    keys: &mut mpsc::Receiver<Event>,
    looks: &mut mpsc::Receiver<Look>,
    shutdown: &tokio_util::sync::CancellationToken,
) -> io::Result<()> {
    loop {
        terminal.draw(|frame| draw::draw(frame, view, SystemClock.now()))?;
        tokio::select! {
            look = looks.recv() => match look {
                Some(look) => view.take(look, SystemClock.now()),
                None => return Ok(()),
            },
            event = keys.recv() => match event {
                Some(Event::Key(key)) => if !press(view, key) { return Ok(()) },
                // a resize needs nothing but to be drawn again
                Some(_) => {}
                None => return Ok(()),
            },
            () = shutdown.cancelled() => return Ok(()),
        }
    }
}

/// Does what the key says; `false`: leave.
fn press(view: &mut View, key: KeyEvent) -> bool {
    if key.kind == KeyEventKind::Release {
        return true;
    }
    match key.code {
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return false,
        KeyCode::Char('q') => return false,
        KeyCode::Esc if view.help => view.help = false,
        KeyCode::Char('?' | 'h') => view.help = !view.help,
        KeyCode::Char('p') => view.freeze(),
        KeyCode::Tab | KeyCode::Right => view.turn(Move::On),
        KeyCode::BackTab | KeyCode::Left => view.turn(Move::Back),
        KeyCode::Down | KeyCode::Char('j') => view.scroll(Move::On),
        KeyCode::Up | KeyCode::Char('k') => view.scroll(Move::Back),
        _ => {}
    }
    true
}

/// Hands on what the keyboard and the window say until nobody wants it.
fn read_keyboard(wanted: &AtomicBool, pressed: &mpsc::Sender<Event>) -> io::Result<()> {
    while AtomicBool::load(wanted, Ordering::Relaxed) {
        if event::poll(KEYBOARD_LOOK)? && pressed.blocking_send(event::read()?).is_err() {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
