//! The browser comes back to a port of this machine.

use callscribe_simulators::{
    When,
    webex::{Fault, WebexPlan},
};
use chrono::TimeDelta;

use super::{
    ask::{calls, process},
    desk::{Desk, look},
};

const HERE: &[&str] = &["--port", "0", "--no-browser"];

#[tokio::test]
async fn a_login_in_a_browser_is_kept_and_every_process_reads_with_it() {
    let desk = Desk::new(WebexPlan::ordinary(7, 3)).await;
    let login = desk.begin(HERE).await;
    let asked: Vec<_> = login.url.query_pairs().into_owned().collect();
    for (name, value) in [("response_type", "code"), ("scope", "cjp:config_read"), ("code_challenge_method", "S256")] {
        assert!(asked.contains(&(name.to_owned(), value.to_owned())), "{asked:?}");
    }
    let (status, page) = login.browse().await;
    assert!(status == 200 && page.contains("Logged in") && page.contains("close this window"), "{page}");
    let ended = login.ended().await;
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    assert!(ended.stdout.contains("cjp:config_read") && ended.stdout.contains("ada@"), "{}", ended.stdout);
    assert_eq!(calls(&desk, &*process(&desk, &[]).await).await.unwrap(), 3);
    assert_eq!(desk.vendor.requests().to("/v1/access_token"), 1, "the code alone: the first token is good for days");
    let noted =
        "SELECT count(*) AS number FROM audit_log WHERE action = 'webex login' AND actor LIKE 'ada@%' AND details->>'way' = 'browser'";
    assert_eq!(crate::ledger_rows::number(&desk.database.store(), noted).await, 1);
}

#[tokio::test]
async fn an_answer_with_another_state_is_refused_and_the_login_goes_on() {
    let desk = Desk::new(WebexPlan::ordinary(7, 3)).await;
    let login = desk.begin(HERE).await;
    let mut forged = login.sent_back().await;
    forged.set_query(Some("code=theirs&state=theirs"));
    let (status, page) = look(forged.clone()).await;
    assert!(status == 400 && page.contains("another login"), "{page}");
    forged.set_query(Some("error=access_denied&error_description=%3Cscript%3E"));
    assert_eq!(look(forged.clone()).await.0, 400, "nor is an error believed without the state");
    forged.set_path("/elsewhere");
    assert_eq!(look(forged).await.0, 404);
    assert_eq!(desk.vendor.requests().to("/v1/access_token"), 0, "no code was tried");
    assert_eq!(login.browse().await.0, 200);
    assert_eq!(login.ended().await.status, 0);
}

#[tokio::test]
async fn a_denied_login_is_told_in_the_browser_and_on_the_terminal_and_keeps_nothing() {
    let desk = Desk::new(WebexPlan::ordinary(7, 3).with(Fault::LoginDenied, When::Always)).await;
    let login = desk.begin(HERE).await;
    let (status, page) = login.browse().await;
    assert!(status == 400 && page.contains("Not logged in") && page.contains("access_denied"), "{page}");
    let ended = login.ended().await;
    assert!(ended.status == 1 && ended.stderr.contains("access_denied") && ended.stderr.contains("hint: "), "{ended:?}");
    assert_eq!(desk.stored().await, 0);
}

#[tokio::test]
async fn a_login_to_another_organisation_is_refused_and_the_one_before_stays() {
    for opaque in [false, true] {
        let desk = Desk::new(WebexPlan::ordinary(7, 3)).await;
        if opaque {
            desk.vendor.faults().on(Fault::OpaqueTokens, When::Always);
        }
        assert_eq!(desk.log_in().await.status, 0);
        desk.vendor.faults().on(Fault::LoginToOtherOrg, When::Always);
        let login = desk.begin(HERE).await;
        let (status, page) = login.browse().await;
        assert!(status == 400 && page.contains("99999999-9999-4999-8999-999999999999"), "{page}");
        let ended = login.ended().await;
        assert!(ended.status == 1 && ended.stderr.contains("nothing was kept"), "{ended:?}");
        let told = desk.run(&["token", "--json"], "").await;
        let told: serde_json::Value = serde_json::from_str(&told.stdout).unwrap();
        assert_eq!(
            (told["org_id"].as_str().unwrap(), &told["version"]),
            (&*desk.vendor.org_id().to_string(), &1.into()),
            "opaque {opaque}"
        );
        assert_eq!(calls(&desk, &*process(&desk, &[]).await).await.unwrap(), 3);
    }
}

#[tokio::test]
async fn a_login_without_the_scope_to_read_is_refused_by_the_name_of_the_scope() {
    for told in [true, false] {
        let plan = WebexPlan::ordinary(7, 3).with(Fault::ScopeMissing403, When::Always);
        let desk = Desk::new(if told { plan } else { plan.with(Fault::ScopeUntold, When::Always) }).await;
        let login = desk.begin(&["--port", "0", "--no-browser", "--webhooks"]).await;
        assert_eq!(login.browse().await.0, 400);
        let ended = login.ended().await;
        assert!(ended.status == 1 && ended.stderr.contains("lacks the scope `cjp:config_read`"), "told {told}: {ended:?}");
        assert_eq!(desk.stored().await, 0);
    }
}

#[tokio::test]
async fn a_vendor_whose_clock_is_off_by_five_minutes_is_logged_in_to_and_read_from() {
    for minutes in [-5, 5] {
        let skew = Fault::ClockSkew(TimeDelta::minutes(minutes));
        let desk = Desk::new(WebexPlan::ordinary(7, 3).with(skew, When::Always)).await;
        let ended = desk.log_in().await;
        assert!(ended.status == 0 && !ended.stderr.contains("warning"), "{minutes}: {ended:?}");
        let process = process(&desk, &[]).await;
        assert_eq!(calls(&desk, &process).await.unwrap(), 3, "{minutes}");
        desk.vendor.expire_access_tokens();
        assert_eq!(calls(&desk, &process).await.unwrap(), 3, "{minutes}: refreshed");
    }
}

#[tokio::test]
async fn a_login_that_nobody_finishes_ends_when_its_time_is_over() {
    let desk = Desk::new(WebexPlan::ordinary(7, 3)).await;
    for arguments in [&["--port", "0", "--no-browser", "--timeout", "300ms"][..], &["--headless", "--timeout", "300ms"]] {
        let ended = desk.begin(arguments).await.ended().await;
        assert!(ended.status == 1 && ended.stderr.contains("within 0.3s"), "{ended:?}");
    }
    assert_eq!(desk.stored().await, 0);
}

#[tokio::test]
async fn a_port_that_is_taken_and_an_address_elsewhere_are_told_with_the_way_out() {
    let mut desk = Desk::new(WebexPlan::ordinary(7, 3)).await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ended = desk.run(&["login", "--port", &port], "").await;
    assert!(ended.status == 1 && ended.stderr.contains(&port) && ended.stderr.contains("--headless"), "{ended:?}");
    desk.environment.insert("WEBEX_CC_REDIRECT_URI", "https://calls.example/callback".to_owned());
    let ended = desk.run(&["login"], "").await;
    assert!(ended.status == 2 && ended.stderr.contains("--headless"), "{ended:?}");
}
