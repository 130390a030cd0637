//! `callscribe webex token`: what the login is worth, and for how long.

use std::time::Duration;

use callscribe_simulators::webex::WebexPlan;

use super::desk::Desk;
use crate::{harness::travel, ledger_rows};

#[tokio::test]
async fn before_anybody_logged_in_it_says_how() {
    let desk = Desk::new(WebexPlan::ordinary(7, 1)).await;
    let ended = desk.run(&["token"], "").await;
    assert!(ended.status == 1 && ended.stderr.contains("callscribe webex login"), "{ended:?}");
}

#[tokio::test]
async fn it_warns_two_weeks_before_the_refresh_token_ends_and_the_status_stays_0() {
    let desk = Desk::new(WebexPlan::ordinary(7, 1)).await;
    assert_eq!(desk.log_in().await.status, 0);
    let ended = desk.run(&["token"], "").await;
    assert!(ended.status == 0 && !ended.stderr.contains("warning"), "{ended:?}");
    assert!(ended.stdout.contains("--webhooks"), "what else it could allow: {}", ended.stdout);
    for (days, said) in [(70, false), (6, true), (1, true)] {
        travel(&desk.database.store(), Duration::from_hours(24 * days)).await;
        let ended = desk.run(&["token"], "").await;
        assert_eq!((ended.status, ended.stderr.contains("the refresh token ends in 1")), (0, said), "{ended:?}");
    }
    travel(&desk.database.store(), Duration::from_hours(24 * 20)).await;
    let ended = desk.run(&["token", "--json"], "").await;
    let told: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((ended.status, &told["login_needed"], &told["refresh_seconds_left"]), (0, &true.into(), &0.into()));
    assert!(told["warnings"][0].as_str().unwrap().contains("has ended"), "{told}");
}

#[tokio::test]
async fn another_organisations_token_and_a_refused_one_are_told() {
    let mut desk = Desk::new(WebexPlan::ordinary(7, 1)).await;
    assert_eq!(desk.log_in().await.status, 0);
    desk.environment.insert("WEBEX_CC_ORG_ID", "22222222-2222-4333-8444-555555555555".to_owned());
    let refuse = "UPDATE oauth_tokens SET refused_at = now(), refused_since = now() - interval '1 hour', refused_why = 'revoked'";
    ledger_rows::run(&desk.database.store(), refuse).await;
    let ended = desk.run(&["token"], "").await;
    assert_eq!(ended.status, 0);
    assert!(ended.stderr.contains("`WEBEX_CC_ORG_ID` is 22222222") && ended.stderr.contains("revoked"), "{}", ended.stderr);
}
