//! Opening the person's browser, where there is one. Nothing depends on it: the address is printed as well.

use std::process::{Command, Stdio};

use url::Url;

/// Asks the desktop to open `url`; says whether somebody took it on.
pub(super) fn open(url: &Url) -> bool {
    let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    if !cfg!(target_os = "macos") && !has_desktop() {
        return false;
    }
    let mut command = Command::new(program);
    command.arg(url.as_str()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(mut child) = command.spawn() else { return false };
    // it may stay as long as the browser does; waiting for it keeps no process of ours and leaves none behind
    std::thread::spawn(move || child.wait());
    true
}

/// Without a display there is only a browser of text, which would take the terminal.
fn has_desktop() -> bool {
    let environment = crate::setup::environment().unwrap_or_default();
    ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| environment.get(name).is_some())
}
