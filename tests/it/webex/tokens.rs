//! Tokens: refreshed once for everyone, kept sealed, and never asked for again in vain.

use std::{sync::Arc, time::Duration};

use callscribe::{
    config::{EncryptionKey, VaultSettings, WebexAccess, WebexSettings},
    sources::{SourceError, webex::Webex},
    store::{
        Store,
        tokens::{self, RefreshClaim, Refusal},
    },
};
use callscribe_simulators::{
    When,
    webex::{Endpoint, ErrorBody, Fault, GrantError, WebexPlan},
};
use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;

use super::office::{Office, read};
use crate::harness::{eventually, travel};

async fn version(store: &Store) -> i64 {
    let mut connection = store.connection().await.unwrap();
    tokens::token_row(&mut connection, "webex").await.unwrap().map_or(0, |row| row.version)
}

fn set_refresh_token(settings: &mut WebexSettings, token: &str) {
    if let WebexAccess::Refreshed { refresh_token, .. } = &mut settings.access {
        *refresh_token = Some(token.into());
    }
}

/// All at once; how many failed.
async fn all_read(office: &Office, processes: &[Arc<Webex>]) -> usize {
    let reads = processes.iter().map(|process| read(&**process, office.day()));
    futures_util::future::join_all(reads).await.into_iter().filter(Result::is_err).count()
}

#[tokio::test]
async fn eight_processes_at_once_make_one_refresh() {
    // the old token dies at once: a second refresh with it would end the integration
    let rotates = Fault::RefreshRotates { old_dies_after: Duration::ZERO };
    let office = Office::open(WebexPlan::ordinary(7, 3).with(rotates, When::Always)).await;
    let processes: Vec<_> = (0..8).map(|_| office.process()).collect();
    assert_eq!(all_read(&office, &processes).await, 0);
    assert_eq!(office.refreshes(), 1);
    for round in 2..=4 {
        office.vendor.expire_access_tokens();
        assert_eq!(all_read(&office, &processes).await, 0, "round {round}");
        assert_eq!(office.refreshes(), round, "one refresh a round");
    }
}

#[tokio::test]
async fn an_expired_token_is_renewed_once_whether_it_answers_401_or_403() {
    for fault in [Fault::ExpiredAccess401, Fault::ExpiredAccess403] {
        let office = Office::open(WebexPlan::ordinary(7, 3).with(fault.clone(), When::First(1))).await;
        let source = office.process();
        assert_eq!(read(&*source, office.day()).await.unwrap().calls.len(), 3, "{fault:?}");
        assert_eq!((office.refreshes(), office.listings()), (2, 2), "{fault:?}: the first token, and one instead of the refused");
    }
}

#[tokio::test]
async fn a_refused_refresh_token_stops_everyone_without_a_storm() {
    for shape in [GrantError::Platform, GrantError::Rfc] {
        let office = Office::open(WebexPlan::ordinary(7, 3).with(Fault::InvalidGrant(shape), When::Always)).await;
        let processes: Vec<_> = (0..4).map(|_| office.process()).collect();
        for _ in 0..5 {
            for process in &processes {
                let error = read(&**process, office.day()).await.unwrap_err();
                assert!(matches!(error, SourceError::LoginNeeded { .. }), "{shape:?}: {error}");
            }
        }
        assert_eq!((office.refreshes(), office.listings()), (1, 0), "{shape:?}");

        // the vendor was wrong: some minutes later one process finds out, for all
        office.vendor.faults().clear();
        assert!(read(&*processes[0], office.day()).await.is_err());
        travel(&office.database.store(), Duration::from_mins(6)).await;
        assert_eq!(all_read(&office, &processes).await, 0, "{shape:?}");
        assert_eq!(office.refreshes(), 2, "{shape:?}");
    }
}

#[tokio::test]
async fn a_new_setting_is_taken_and_an_older_one_never_comes_back() {
    let office = Office::open(WebexPlan::ordinary(7, 3)).await;
    let dead = office.process_with(|settings| set_refresh_token(settings, "dead-token"));
    assert!(matches!(read(&*dead, office.day()).await.unwrap_err(), SourceError::LoginNeeded { .. }));
    let logged_in_again = office.process();
    assert_eq!(read(&*logged_in_again, office.day()).await.unwrap().calls.len(), 3);
    // a machine that still has the old setting starts, and the running one goes on as well
    let behind = office.process_with(|settings| set_refresh_token(settings, "dead-token"));
    assert_eq!(all_read(&office, &[behind, dead, logged_in_again]).await, 0);
    assert_eq!(office.refreshes(), 2);
}

#[tokio::test]
async fn a_refresh_token_that_is_not_given_again_stays() {
    let office = Office::open(WebexPlan::ordinary(7, 3).with(Fault::RefreshAbsent, When::Always)).await;
    let source = office.process();
    for refreshes in 1..=3 {
        assert!(read(&*source, office.day()).await.is_ok());
        assert_eq!(office.refreshes(), refreshes);
        office.vendor.expire_access_tokens();
    }
}

#[tokio::test]
async fn a_refresh_token_that_counts_down_is_believed_to_end_when_the_vendor_last_said() {
    let office = Office::open(WebexPlan::ordinary(7, 3).with(Fault::RefreshCountsDown, When::Always)).await;
    let (source, store) = (office.process(), office.database.store());
    let ends = async || {
        assert!(read(&*source, office.day()).await.is_ok());
        let row = tokens::token_row(&mut store.connection().await.unwrap(), "webex").await.unwrap().unwrap();
        row.refresh_expires_at.unwrap().timestamp()
    };
    let first = ends().await;
    for refreshes in 2..=4 {
        office.vendor.clock().advance(Duration::from_hours(24));
        office.vendor.expire_access_tokens();
        assert!((ends().await - first).abs() <= 2, "a refresh moves the end by no day");
        assert_eq!(office.refreshes(), refreshes);
    }
}

#[tokio::test]
async fn a_missing_scope_is_forbidden_and_does_not_refresh_again_and_again() {
    let office = Office::open(WebexPlan::ordinary(7, 3).with(Fault::ScopeMissing403, When::Always)).await;
    let source = office.process();
    for _ in 0..5 {
        let error = read(&*source, office.day()).await.unwrap_err();
        assert!(matches!(&error, SourceError::Forbidden { what, .. } if what.contains("scope")), "{error}");
    }
    assert_eq!(office.refreshes(), 2, "the first token, and one to make sure");
}

#[tokio::test]
async fn a_refresher_that_died_is_replaced_when_its_time_is_over() {
    let office = Office::open(WebexPlan::ordinary(7, 3)).await;
    let source = office.process();
    read(&*source, office.day()).await.unwrap();
    let store = office.database.store();
    let before = version(&store).await;
    let mut connection = store.connection().await.unwrap();
    let (holder, lease) = ("a process that dies", Duration::from_millis(700));
    let claim = RefreshClaim { holder, lease, probe_after: Duration::from_mins(5) };
    assert!(tokens::claim_refresh(&mut connection, "webex", before, claim).await.unwrap());
    office.vendor.expire_access_tokens();
    assert_eq!(read(&*source, office.day()).await.unwrap().calls.len(), 3);
    assert_eq!(version(&store).await, before + 1);
}

#[tokio::test]
async fn whoever_looked_just_before_a_refusal_does_not_ask_as_well() {
    let office = Office::open(WebexPlan::ordinary(7, 3)).await;
    read(&*office.process(), office.day()).await.unwrap();
    let store = office.database.store();
    let (seen, connection) = (version(&store).await, &mut *store.connection().await.unwrap());
    for refusal in [Refusal::First, Refusal::Again] {
        assert_eq!(tokens::refuse(connection, "webex", seen, "revoked").await.unwrap(), refusal);
        let claim = RefreshClaim { holder: "late", lease: Duration::from_secs(1), probe_after: Duration::from_mins(5) };
        assert!(!tokens::claim_refresh(connection, "webex", seen, claim).await.unwrap(), "minutes must pass");
        travel(&store, Duration::from_mins(6)).await;
        assert!(tokens::claim_refresh(connection, "webex", seen, claim).await.unwrap(), "then one may look");
    }
    assert_eq!(tokens::refuse(connection, "webex", seen - 1, "revoked").await.unwrap(), Refusal::Late);
}

#[tokio::test]
async fn a_job_that_is_cancelled_during_a_refresh_takes_no_rotated_token_with_it() {
    let late = Fault::Latency { at: Endpoint::Token, by: Duration::from_millis(400) };
    let rotates = Fault::RefreshRotates { old_dies_after: Duration::ZERO };
    let office = Office::open(WebexPlan::ordinary(7, 3).with(late, When::Always).with(rotates, When::Always)).await;
    let source = office.process();
    {
        let mut work = std::pin::pin!(read(&*source, office.day()));
        eventually("the refresh is on its way", async || {
            let _ = futures_util::poll!(work.as_mut());
            office.refreshes() == 1
        })
        .await;
    }
    let store = office.database.store();
    eventually("the pair is stored", async || version(&store).await == 2).await;
    assert_eq!(read(&*office.process(), office.day()).await.unwrap().calls.len(), 3);
    assert_eq!(office.refreshes(), 1);
}

#[tokio::test]
async fn an_endpoint_that_fails_is_left_alone_for_a_while() {
    let fails = Fault::ServerError { at: Endpoint::Token, status: 503, body: ErrorBody::Html };
    let office = Office::open(WebexPlan::ordinary(7, 3).with(fails, When::Always)).await;
    let error = read(&*office.process(), office.day()).await.unwrap_err();
    assert!(matches!(error, SourceError::Unavailable { .. }), "{error}");
    let error = read(&*office.process(), office.day()).await.unwrap_err();
    assert!(matches!(error, SourceError::RenewalPending { wait, .. } if !wait.is_zero()), "it waits for who asked, at no cost: {error}");
    assert_eq!(office.refreshes(), 1);
    office.vendor.faults().clear();
    travel(&office.database.store(), Duration::from_mins(1)).await;
    assert!(read(&*office.process(), office.day()).await.is_ok());
}

#[tokio::test]
async fn tokens_at_rest_cannot_be_read_without_the_key() {
    let office = Office::open(WebexPlan::ordinary(7, 3)).await;
    read(&*office.process(), office.day()).await.unwrap();

    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = sql_types::Text)]
        fields: String,
        #[diesel(sql_type = sql_types::Binary)]
        bytes: Vec<u8>,
    }
    let store = office.database.store();
    let mut connection = store.connection().await.unwrap();
    let Row { fields, bytes } =
        diesel::sql_query("SELECT oauth_tokens::text AS fields, access_token || refresh_token AS bytes FROM oauth_tokens")
            .get_result(&mut connection)
            .await
            .unwrap();
    let readable = format!("{fields} {}", String::from_utf8_lossy(&bytes));
    for secret in [office.vendor.credentials().refresh_token.as_str(), "_PF84_", office.vendor.credentials().client_secret.as_str()] {
        assert!(!readable.contains(secret), "`{secret}` can be read in the table");
    }

    let key = |byte| EncryptionKey::new([byte; 32]);
    let with_keys = |new, old: Option<u8>| {
        office.process_with(|settings| {
            if let WebexAccess::Refreshed { vault, .. } = &mut settings.access {
                *vault = VaultSettings { key: key(new), previous: old.map(key) };
            }
        })
    };
    let error = read(&*with_keys(8, None), office.day()).await.unwrap_err().to_string();
    assert!(error.contains("CALLSCRIBE_ENCRYPTION_KEY_PREVIOUS"), "{error}");
    assert!(read(&*with_keys(8, Some(7)), office.day()).await.is_ok(), "keys rotate");
}

#[tokio::test]
async fn a_token_given_by_hand_is_used_as_it_is_and_never_refreshed() {
    let office = Office::open(WebexPlan::ordinary(7, 3)).await;
    let source = office.process_with(|settings| settings.access = WebexAccess::Fixed("by-hand".into()));
    assert!(matches!(read(&*source, office.day()).await.unwrap_err(), SourceError::LoginNeeded { .. }));
    assert_eq!(office.refreshes(), 0);
}
