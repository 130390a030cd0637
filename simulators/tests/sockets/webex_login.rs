//! Logging in as a person's browser does it.

use callscribe_simulators::When;
use callscribe_simulators::webex::{Fault, WebexPlan};
use serde_json::Value;
use url::Url;

use crate::client::{Caller, http, read};

const BACK: &str = "http://localhost:8089/callback";
/// The example of RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// Where the login page sends the browser.
async fn sent_back(caller: &Caller, more: &[(&str, &str)]) -> Url {
    let client_id = &caller.webex.credentials().client_id;
    let mut url = Url::parse(&caller.webex.authorize_url()).unwrap();
    let pairs = [("response_type", "code"), ("client_id", client_id), ("redirect_uri", BACK), ("scope", "cjp:config_read"), ("state", "s")];
    url.query_pairs_mut().extend_pairs(pairs).extend_pairs(more);
    let browser = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let answer = browser.get(url).send().await.unwrap();
    assert_eq!(answer.status(), 302);
    Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap()
}

fn told(url: &Url, name: &str) -> String {
    url.query_pairs().find(|(each, _)| each == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
}

async fn exchange(caller: &Caller, code: &str, verifier: &str, back: &str) -> (u16, Value) {
    let known = caller.webex.credentials();
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", &known.client_id),
        ("client_secret", &known.client_secret),
        ("code", code),
        ("code_verifier", verifier),
        ("redirect_uri", back),
    ];
    read(http().post(caller.webex.token_url()).form(&form).send().await.unwrap()).await
}

#[tokio::test]
async fn a_code_works_once_and_only_with_its_verifier_and_address() {
    let caller = Caller::of(WebexPlan::ordinary(1, 1)).await;
    let pkce = [("code_challenge", CHALLENGE), ("code_challenge_method", "S256")];
    for (verifier, back, status) in [("wrong", BACK, 400), (VERIFIER, "http://localhost:1/callback", 400), (VERIFIER, BACK, 200)] {
        let back_at_client = sent_back(&caller, &pkce).await;
        assert_eq!((told(&back_at_client, "state"), told(&back_at_client, "error")), ("s".to_owned(), String::new()));
        let code = told(&back_at_client, "code");
        let (answered, body) = exchange(&caller, &code, verifier, back).await;
        assert_eq!(answered, status, "{body}");
        assert_eq!(exchange(&caller, &code, VERIFIER, BACK).await.0, 400, "a second time");
        if status == 200 {
            assert_eq!(body["scope"], "cjp:config_read");
            assert_eq!(caller.refresh(body["refresh_token"].as_str().unwrap()).await.0, 200);
        }
    }
}

#[tokio::test]
async fn a_login_may_be_denied_or_land_in_another_tenant() {
    let plan = WebexPlan::ordinary(1, 1).with(Fault::LoginDenied, When::First(1)).with(Fault::LoginToOtherOrg, When::Always);
    let mut caller = Caller::of(plan).await;
    assert_eq!(told(&sent_back(&caller, &[]).await, "error"), "access_denied");
    let (_, tokens) = exchange(&caller, &told(&sent_back(&caller, &[]).await, "code"), "", BACK).await;
    caller.token = tokens["access_token"].as_str().unwrap().to_owned();
    let (status, body) = caller.day().await;
    assert_eq!((status, body["meta"]["orgId"].as_str().unwrap()), (200, "99999999-9999-4999-8999-999999999999"));
    let ours = caller.webex.org_id();
    assert_eq!(caller.tasks(&format!("from={}&orgId={ours}", caller.now() - 1000)).await.0, 403);
}

#[tokio::test]
async fn revoked_tokens_stay_dead_and_new_ones_work() {
    let caller = Caller::of(WebexPlan::ordinary(1, 1)).await;
    caller.webex.revoke_refresh_tokens();
    assert_eq!(caller.refresh(&caller.webex.credentials().refresh_token).await.0, 400);
    assert_eq!(caller.refresh(&caller.webex.mint_refresh_token()).await.0, 200);
}
