//! What the dashboard shows: the last picture, how old it is, where the person looks.

use chrono::{DateTime, Utc};

use super::{
    super::{
        alerts::{Alert, alerts},
        picture::Picture,
    },
    Look,
};

/// Whether colours may be used; without them words and marks say the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colours {
    Some,
    None,
}

/// A part of the dashboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pane {
    Lanes,
    Workers,
    Dead,
    Flow,
}

impl Pane {
    pub(super) const ALL: [Self; 4] = [Self::Lanes, Self::Workers, Self::Dead, Self::Flow];
}

/// Forth or back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Move {
    On,
    Back,
}

/// The dashboard's state.
pub(super) struct View {
    pub(super) picture: Option<Picture>,
    pub(super) alerts: Vec<Alert>,
    /// Since when looks fail, and why the last one did.
    pub(super) away: Option<(DateTime<Utc>, String)>,
    pub(super) frozen: bool,
    pub(super) help: bool,
    pub(super) pane: Pane,
    pub(super) colours: Colours,
    scrolled: [usize; Pane::ALL.len()],
}

impl View {
    pub(super) fn new(colours: Colours) -> Self {
        let (picture, alerts, away) = (None, Vec::new(), None);
        Self { picture, alerts, away, frozen: false, help: false, pane: Pane::Lanes, colours, scrolled: [0; Pane::ALL.len()] }
    }

    /// Takes the outcome of a look at `now`. A failed one keeps the picture; a frozen dashboard keeps it, too, and still notices that
    /// PostgreSQL went away or came back.
    pub(super) fn take(&mut self, look: Look, now: DateTime<Utc>) {
        match look {
            Ok(picture) => {
                self.away = None;
                if !self.frozen {
                    self.alerts = alerts(&picture);
                    self.picture = Some(picture);
                }
            }
            Err(why) => {
                let since = self.away.as_ref().map_or(now, |(since, _)| *since);
                self.away = Some((since, why));
            }
        }
    }

    pub(super) fn freeze(&mut self) {
        self.frozen = !self.frozen;
    }

    /// To the next pane, or the one before.
    pub(super) fn turn(&mut self, to: Move) {
        let at = self.place(self.pane);
        let next = match to {
            Move::On => at + 1,
            Move::Back => at + Pane::ALL.len() - 1,
        };
        self.pane = Pane::ALL.get(next % Pane::ALL.len()).copied().unwrap_or(Pane::Lanes);
    }

    /// A row down or up within the pane.
    pub(super) fn scroll(&mut self, to: Move) {
        let at = self.place(self.pane);
        if let Some(row) = self.scrolled.get_mut(at) {
            *row = match to {
                Move::On => row.saturating_add(1),
                Move::Back => row.saturating_sub(1),
            };
        }
    }

    /// The first row of a pane that is shown, of `rows` of which `room` fit.
    pub(super) fn first_row(&self, pane: Pane, rows: usize, room: usize) -> usize {
        let wanted = self.scrolled.get(self.place(pane)).copied().unwrap_or(0);
        wanted.min(rows.saturating_sub(room))
    }

    fn place(&self, pane: Pane) -> usize {
        Pane::ALL.iter().position(|known| *known == pane).unwrap_or(0)
    }
}
