//! `GET /v1/authorize`: where a person's browser is sent to log in. The person here says yes at once, or what the faults say.

use std::collections::HashMap;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use url::Url;
use uuid::Uuid;

use super::fault::Fault;
use super::tokens::{Code, Grant, READ_SCOPE, lasts};
use super::{Shared, Site};

/// Another tenant, into which a stale session of the browser logs in.
pub(super) const OTHER_ORG: Uuid = Uuid::from_u128(0x9999_9999_9999_4999_8999_9999_9999_9999);

pub(super) async fn authorize(State(site): Shared, RawQuery(query): RawQuery) -> Response {
    let query: HashMap<String, String> = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect();
    let told = |name: &str| query.get(name).map_or("", String::as_str);
    // what Webex shows the person itself, because it cannot trust the address to send an error to
    if told("client_id") != site.credentials.client_id {
        return page("The application is not known.");
    }
    let Some(back) = registered(told("redirect_uri")) else { return page("The redirect_uri is not registered for this application.") };
    let answer = match decided(&site, &query) {
        Ok(code) => [("code", code)].to_vec(),
        Err((error, why)) => vec![("error", error.to_owned()), ("error_description", why.to_owned())],
    };
    let mut back = back;
    back.query_pairs_mut().extend_pairs(answer).append_pair("state", told("state"));
    let Ok(location) = HeaderValue::from_str(back.as_str()) else { return page("The redirect_uri cannot be used.") };
    (StatusCode::FOUND, [(header::LOCATION, location)]).into_response()
}

/// A code, or the error to carry back.
fn decided(site: &Site, query: &HashMap<String, String>) -> Result<String, (&'static str, &'static str)> {
    let told = |name: &str| query.get(name).map_or("", String::as_str);
    if told("response_type") != "code" {
        return Err(("unsupported_response_type", "Only the code flow is supported."));
    }
    let challenge = query.get("code_challenge").filter(|challenge| !challenge.is_empty());
    if challenge.is_some() && told("code_challenge_method") != "S256" {
        return Err(("invalid_request", "The code challenge method is not supported."));
    }
    if told("scope").trim().is_empty() {
        return Err(("invalid_scope", "No scope was asked for."));
    }
    if site.faults.strikes(&[], &Fault::LoginDenied) {
        return Err(("access_denied", "The resource owner or authorization server denied the request."));
    }
    let org = if site.faults.strikes(&[], &Fault::LoginToOtherOrg) { OTHER_ORG } else { site.org_id };
    let lacks = lasts(site, &Fault::ScopeMissing403);
    let scopes: Vec<&str> = told("scope").split_whitespace().filter(|scope| !(lacks && *scope == READ_SCOPE)).collect();
    let grant = Grant { org, scope: scopes.join(" ") };
    let code = Code { grant, redirect_uri: told("redirect_uri").to_owned(), challenge: challenge.cloned() };
    Ok(site.tokens.new_code(site, code))
}

/// The address, if the simulated application has it: `/callback` on any port of this machine.
fn registered(redirect_uri: &str) -> Option<Url> {
    let url = Url::parse(redirect_uri).ok()?;
    let here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    (url.scheme() == "http" && here && url.path() == "/callback").then_some(url)
}

fn page(why: &str) -> Response {
    let body = format!("<html><head><title>Webex</title></head><body><h1>Sign in</h1><p>{why}</p></body></html>");
    (StatusCode::BAD_REQUEST, [(header::CONTENT_TYPE, "text/html")], body).into_response()
}
