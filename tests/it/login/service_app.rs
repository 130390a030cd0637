//! A service app has no person: its refresh token comes by standard input.

use std::time::Duration;

use callscribe_simulators::{
    When,
    webex::{Fault, WebexPlan},
};

use super::{
    ask::{calls, process},
    desk::Desk,
};

#[tokio::test]
async fn a_service_apps_refresh_token_is_taken_and_rotates_like_any_other() {
    let rotates = Fault::RefreshRotates { old_dies_after: Duration::ZERO };
    let desk = Desk::new(WebexPlan::ordinary(7, 3).with(rotates, When::Always)).await;
    let token = desk.vendor.mint_refresh_token();
    let ended = desk.run(&["login", "--refresh-token-stdin"], &format!("  {token}\n")).await;
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    assert!(ended.stdout.contains("with a refresh token") && !ended.stdout.contains(&token), "{}", ended.stdout);
    let process = process(&desk, &[]).await;
    for _ in 0..3 {
        assert_eq!(calls(&desk, &process).await.unwrap(), 3);
        desk.vendor.expire_access_tokens();
    }
}

#[tokio::test]
async fn a_refresh_token_that_is_not_given_again_is_kept_as_it_came() {
    let desk = Desk::new(WebexPlan::ordinary(7, 3).with(Fault::RefreshAbsent, When::Always)).await;
    let token = desk.vendor.mint_refresh_token();
    assert_eq!(desk.run(&["login", "--refresh-token-stdin"], &token).await.status, 0);
    let process = process(&desk, &[]).await;
    desk.vendor.expire_access_tokens();
    assert_eq!(calls(&desk, &process).await.unwrap(), 3);
}

#[tokio::test]
async fn another_tenants_a_dead_and_no_token_are_refused() {
    let desk = Desk::new(WebexPlan::ordinary(7, 3)).await;
    let foreign = desk.vendor.mint_foreign_refresh_token();
    for (token, status, said) in [(foreign.as_str(), 1, "99999999-9999"), ("dead", 1, "does not take it"), (" \n", 2, "no refresh token")] {
        let ended = desk.run(&["login", "--refresh-token-stdin"], token).await;
        assert!(ended.status == status && ended.stderr.contains(said), "`{token}`: {ended:?}");
    }
    assert_eq!(desk.stored().await, 0);
}
