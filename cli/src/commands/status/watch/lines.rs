//! The picture in a few lines, for logs and pipes.

use chrono::{DateTime, Utc};

use super::{super::text::would_do, view::View};
use crate::times::{relative, span, stamp};

/// One block: a headline, a line per kind with work, a line per alert. It ends with an empty line.
pub(super) fn block(view: &View, now: DateTime<Utc>) -> String {
    let mut lines = Vec::new();
    match (&view.picture, &view.away) {
        (Some(picture), None) => {
            let alive = picture.workers.iter().filter(|worker| worker.alive).count();
            lines.push(format!("{} workers {alive} alerts {}", stamp(picture.at), view.alerts.len()));
        }
        (picture, Some((since, why))) => {
            let kept = picture.as_ref().map_or_else(String::new, |picture| format!("; below: {}", stamp(picture.at)));
            lines.push(format!("{} PostgreSQL is away, noticed {}: {why}{kept}", stamp(now), relative(*since, now)));
        }
        (None, None) => lines.push(format!("{} nothing seen yet", stamp(now))),
    }
    if let Some(picture) = &view.picture {
        for depth in
            picture.kinds.iter().filter(|depth| [depth.due, depth.running, depth.later, depth.dead].iter().any(|count| count.jobs > 0))
        {
            let mut line =
                format!("  {} due {} running {} later {} dead {}", depth.kind, depth.due, depth.running, depth.later, depth.dead);
            if let Some(pace) = picture.pace.iter().find(|pace| pace.kind.as_str() == depth.kind) {
                line.push_str(&format!(
                    " in/min {:.1} done/min {:.1}",
                    pace.rate.arrived_per_second * 60.0,
                    pace.rate.done_per_second * 60.0
                ));
                if let Some(age) = pace.oldest_age() {
                    line.push_str(&format!(" oldest {}", span(age).replace(' ', "")));
                }
                line.push_str(&format!(" would-do {}", would_do(pace)));
            }
            lines.push(line);
        }
        lines.extend(view.alerts.iter().map(|alert| format!("  {}: {}", alert.word(), alert.text)));
    }
    lines.join("\n") + "\n\n"
}
