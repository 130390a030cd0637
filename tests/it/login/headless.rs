//! No browser here: a person pastes what theirs brought.

use callscribe_simulators::{
    When,
    webex::{Endpoint, ErrorBody, Fault, WebexPlan},
};

use super::{
    ask::{calls, process},
    desk::Desk,
};

fn code_of(address: &url::Url) -> String {
    address.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned()
}

#[tokio::test]
async fn the_code_alone_or_the_whole_address_can_be_pasted() {
    let desk = Desk::new(WebexPlan::ordinary(7, 3)).await;
    for whole in [true, false] {
        let login = desk.begin(&["--headless", "--json"]).await;
        let address = login.sent_back().await;
        assert_eq!(address.as_str().split('?').next().unwrap(), "http://localhost:8089/callback", "as registered, letter by letter");
        let ended = login.paste(&if whole { address.to_string() } else { code_of(&address) }).await;
        assert_eq!(ended.status, 0, "{}", ended.stderr);
        let told: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!((&told["login_way"], &told["login_needed"]), (&"headless".into(), &false.into()));
        assert!(
            told["refresh_seconds_left"].as_i64().unwrap() > 89 * 86_400 && told["access_seconds_left"].as_i64().unwrap() > 13 * 86_400
        );
        assert_eq!(calls(&desk, &*process(&desk, &[]).await).await.unwrap(), 3);
        assert!(!ended.stdout.contains("simulated-refresh") && !ended.stderr.contains("simulated-refresh"));
    }
}

#[tokio::test]
async fn what_was_pasted_wrong_is_told_with_what_to_paste() {
    let desk = Desk::new(WebexPlan::ordinary(7, 3)).await;
    let login = desk.begin(&["--headless"]).await;
    let mut address = login.sent_back().await;
    let code = code_of(&address);
    address.set_query(Some(&format!("code={code}&state=of-an-older-login")));
    let ended = login.paste(address.as_str()).await;
    assert!(ended.status == 1 && ended.stderr.contains("another login"), "{ended:?}");
    for (pasted, said) in [("", "`code=`"), ("the page did not load", "`code=`"), ("no-such-code", "a code works once")] {
        let ended = desk.begin(&["--headless"]).await.paste(pasted).await;
        assert!(ended.status == 1 && ended.stderr.contains(said), "`{pasted}`: {ended:?}");
    }
    assert_eq!(desk.stored().await, 0);
}

#[tokio::test]
async fn a_refused_code_is_told_with_the_vendors_request_id() {
    let desk = Desk::new(WebexPlan::ordinary(7, 3)).await;
    let ended = desk.begin(&["--headless"]).await.paste("no-such-code").await;
    assert!(ended.stderr.contains("request id CALLSCRIBE_"), "{ended:?}");
}

#[tokio::test]
async fn an_api_that_is_away_costs_no_login_and_is_told() {
    let fails = Fault::ServerError { at: Endpoint::Tasks, status: 503, body: ErrorBody::Html };
    let desk = Desk::new(WebexPlan::ordinary(7, 3).with(fails, When::Always)).await;
    let ended = desk.log_in().await;
    assert!(ended.status == 0 && ended.stderr.contains("could not be asked whose token it is"), "{ended:?}");
    desk.vendor.faults().clear();
    assert_eq!(calls(&desk, &*process(&desk, &[]).await).await.unwrap(), 3);
}

#[tokio::test]
async fn an_older_refresh_token_in_the_settings_does_not_undo_a_login() {
    let mut desk = Desk::new(WebexPlan::ordinary(7, 3)).await;
    let (old, setting) = (desk.vendor.mint_refresh_token(), "WEBEX_CC_REFRESH_TOKEN");
    desk.environment.insert(setting, old);
    assert_eq!(desk.log_in().await.status, 0);
    // a worker starts that still has the setting, which no process ever used
    assert_eq!(calls(&desk, &*process(&desk, &[]).await).await.unwrap(), 3);
    assert_eq!(desk.vendor.requests().to("/v1/access_token"), 1, "the login's own");
}
