//! What a person pastes, read on a thread of its own: one that still waits for input must not keep the process from ending.

use std::io;

use secrecy::SecretString;
use tokio::sync::oneshot;

use crate::failure::Failure;

/// Longer than any address or token; what is longer is something else.
const LONGEST: u64 = 64 * 1024;

/// One line.
pub(super) async fn line() -> Result<String, Failure> {
    read(|input| {
        let mut line = String::new();
        io::BufRead::read_line(&mut io::Read::take(input, LONGEST), &mut line)?;
        Ok(line)
    })
    .await
}

/// Everything up to the end of the input, without the white space around it.
pub(super) async fn everything() -> Result<SecretString, Failure> {
    let text = read(|input| {
        let mut text = String::new();
        io::Read::read_to_string(&mut io::Read::take(input, LONGEST), &mut text)?;
        Ok(text)
    })
    .await?;
    match text.trim() {
        "" => Err(Failure::wrong_use("standard input holds no refresh token", "pipe it in: `… --refresh-token-stdin < file`")),
        token => Ok(token.to_owned().into()),
    }
}

async fn read(act: impl FnOnce(io::StdinLock<'static>) -> io::Result<String> + Send + 'static) -> Result<String, Failure> {
    let (sender, receiver) = oneshot::channel();
    std::thread::spawn(move || {
        // nobody listens any more once the time is over
        let _ = sender.send(act(io::stdin().lock()));
    });
    match receiver.await {
        Ok(read) => Ok(read?),
        Err(_) => Err(Failure::with_hint("standard input could not be read", "run it again")),
    }
}
