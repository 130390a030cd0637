//! A simulated Webex, a database, and the command `callscribe webex` as a person runs it.

use std::{collections::BTreeMap, process::Stdio, time::Duration};

use callscribe_simulators::webex::{Webex, WebexPlan};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStderr, Command},
};
use url::Url;

use crate::{
    cli::callscribe,
    harness::{self, TestDatabase},
};

/// Everything a person has on the desk.
pub(super) struct Desk {
    pub(super) vendor: Webex,
    pub(super) database: TestDatabase,
    pub(super) environment: BTreeMap<&'static str, String>,
}

/// How a command ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) status: i32,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Desk {
    /// Nobody has logged in yet.
    pub(super) async fn new(plan: WebexPlan) -> Self {
        let (vendor, database) = (Webex::start(plan).await.unwrap(), harness::database().await);
        let credentials = vendor.credentials().clone();
        let environment = BTreeMap::from([
            ("DATABASE_URL", database.url().to_owned()),
            ("USER", "ada".to_owned()),
            ("WEBEX_CC_CLIENT_ID", credentials.client_id),
            ("WEBEX_CC_CLIENT_SECRET", credentials.client_secret),
            ("WEBEX_CC_ORG_ID", vendor.org_id().to_string()),
            ("WEBEX_CC_BASE_URL", vendor.base_url()),
            ("WEBEX_CC_TOKEN_URL", vendor.token_url()),
            ("WEBEX_CC_AUTHORIZE_URL", vendor.authorize_url()),
            ("CALLSCRIBE_ENCRYPTION_KEY", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=".to_owned()),
        ]);
        Self { vendor, database, environment }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = callscribe(&[&["webex"], arguments].concat());
        command.envs(&self.environment).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut command = Command::from(command);
        command.kill_on_drop(true);
        command
    }

    /// Runs a command to its end, with `input` on its standard input.
    pub(super) async fn run(&self, arguments: &[&str], input: &str) -> Ended {
        let mut child = self.command(arguments).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // a command that needs no input may have ended
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        let output = child.wait_with_output().await.unwrap();
        Ended {
            status: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Begins `webex login` and reads the address that it shows.
    pub(super) async fn begin(&self, arguments: &[&str]) -> Login {
        let mut child = self.command(&[&["login"], arguments].concat()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = String::new();
        loop {
            let line = lines.next_line().await.unwrap().unwrap_or_else(|| panic!("it ended without an address: {said}"));
            if let Ok(url) = Url::parse(&line) {
                return Login { child, lines, said, url };
            }
            said.push_str(&line);
            said.push('\n');
        }
    }

    /// Logs in with a pasted address.
    pub(super) async fn log_in(&self) -> Ended {
        let login = self.begin(&["--headless"]).await;
        let address = login.sent_back().await;
        login.paste(address.as_str()).await
    }

    /// How many rows of tokens there are.
    pub(super) async fn stored(&self) -> i64 {
        crate::ledger_rows::number(&self.database.store(), "SELECT count(*) AS number FROM oauth_tokens").await
    }
}

/// A login under way.
pub(super) struct Login {
    child: Child,
    lines: Lines<BufReader<ChildStderr>>,
    said: String,
    pub(super) url: Url,
}

impl Login {
    /// Opens the address in a browser that follows wherever it is sent: what the person sees at the end.
    pub(super) async fn browse(&self) -> (u16, String) {
        look(self.url.clone()).await
    }

    /// Where Webex sends the browser, which does not get there.
    pub(super) async fn sent_back(&self) -> Url {
        let answer = browser(reqwest::redirect::Policy::none()).get(self.url.clone()).send().await.unwrap();
        Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap()
    }

    pub(super) async fn paste(mut self, text: &str) -> Ended {
        let mut stdin = self.child.stdin.take().unwrap();
        stdin.write_all(format!("{text}\n").as_bytes()).await.unwrap();
        self.ended().await
    }

    pub(super) async fn ended(mut self) -> Ended {
        let mut stdout = self.child.stdout.take().unwrap();
        let mut out = String::new();
        while let Some(line) = self.lines.next_line().await.unwrap() {
            self.said.push_str(&line);
            self.said.push('\n');
        }
        stdout.read_to_string(&mut out).await.unwrap();
        let status = tokio::time::timeout(Duration::from_secs(30), self.child.wait()).await.unwrap().unwrap();
        Ended { status: status.code().unwrap(), stdout: out, stderr: self.said }
    }
}

fn browser(redirects: reqwest::redirect::Policy) -> reqwest::Client {
    // a second installation is refused and harmless
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().redirect(redirects).build().unwrap()
}

/// A page as a browser shows it.
pub(super) async fn look(url: Url) -> (u16, String) {
    let answer = browser(reqwest::redirect::Policy::limited(3)).get(url).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}
