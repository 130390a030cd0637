//! Everything that can go wrong at Webex, by the names of the contract (`webex.md`, part b).

use std::time::Duration;

use chrono::TimeDelta;

/// A part of the vendor's platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// All of them.
    Any,
    /// `POST /v1/access_token`.
    Token,
    /// `GET /v1/authorize`.
    Authorize,
    /// `GET /v1/tasks`.
    Tasks,
    /// `POST /v1/captures/query`.
    Captures,
    /// `POST /generated-summaries/search`.
    Summaries,
    /// `POST /search`.
    Search,
    /// The presigned links of recordings and transcripts.
    Links,
    /// `/v1` and `/v2` of `subscriptions` and `event-types`.
    Subscriptions,
}

impl Endpoint {
    pub(super) fn of_path(path: &str) -> Self {
        match path {
            "/v1/access_token" => Self::Token,
            "/v1/authorize" => Self::Authorize,
            "/v1/tasks" => Self::Tasks,
            "/v1/captures/query" => Self::Captures,
            "/generated-summaries/search" => Self::Summaries,
            "/search" => Self::Search,
            other if other.starts_with("/recordings/") => Self::Links,
            other if other.contains("/subscriptions") || other.ends_with("/event-types") => Self::Subscriptions,
            _ => Self::Any,
        }
    }

    pub(super) fn covers(self, other: Self) -> bool {
        self == Self::Any || self == other
    }
}

/// How a dead refresh token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantError {
    /// `{"message", "errors": [{"description"}], "trackingId"}`.
    Platform,
    /// RFC 6749: `{"error": "invalid_grant", "error_description"}`.
    Rfc,
}

/// How a 429 says when to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    /// `Retry-After: 12`.
    Seconds,
    /// `Retry-After: Wed, 21 Oct 2026 07:28:00 GMT`.
    HttpDate,
    /// Not at all.
    Absent,
}

/// What the body of a server error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorBody {
    /// The API's own error object.
    Json,
    /// A gateway's page.
    Html,
    /// Nothing.
    Empty,
}

/// One way in which Webex misbehaves. `README.md` says for each what a client must do.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    // 1–5: tokens
    /// The access token in use is expired from now on and answers 401.
    ExpiredAccess401,
    /// The same, answered with 403, as Service Apps were seen to.
    ExpiredAccess403,
    /// Every refresh gives a new refresh token; the old one dies this much later.
    RefreshRotates {
        /// Zero makes two parallel refreshes kill each other.
        old_dies_after: Duration,
    },
    /// A refresh answers without `refresh_token` and `refresh_token_expires_in`: the old one stays good.
    RefreshAbsent,
    /// `refresh_token_expires_in` counts down instead of starting anew.
    RefreshCountsDown,
    /// The refresh token is dead.
    InvalidGrant(GrantError),
    /// The token lacks the scope: 403 for ever.
    ScopeMissing403,
    /// `meta.orgId` names another tenant.
    WrongOrg,
    /// A stale session of the browser logs in to another tenant: code, tokens and answers are that one's.
    LoginToOtherOrg,
    /// The person, or an administrator's policy, says no.
    LoginDenied,
    /// Access tokens say nothing of their tenant; a state, knows only `Always`.
    OpaqueTokens,
    /// `scope` is left out where tokens are given; a state, knows only `Always`.
    ScopeUntold,

    // 6–13: tasks
    /// `from` and `to` include their own millisecond; without this they do not.
    BoundaryInclusive,
    /// These calls, by number, all begin in the millisecond of the first.
    SameMillisecondBurst {
        /// Number of the first call.
        first: u64,
        /// How many calls.
        count: u64,
    },
    /// A call is listed only this long after it began.
    LateArrival {
        /// From its beginning.
        by: Duration,
    },
    /// An older view of a call: still assigned, with its older `lastUpdatedTime`.
    StaleRead,
    /// `owner`, `queue`, `captureRequested`, `origin` and `destination` are not there.
    MissingFields,
    /// The same fields are `null`.
    NullFields,
    /// Unknown words for status and direction.
    UnknownWords,
    /// Fields that no contract names.
    ExtraFields,
    /// An element that is no task: its id a number, its attributes a string.
    MalformedElement,
    /// A page with `items` in place of `data`.
    WrongShapeItems,
    /// Chats in the answer although only telephony was asked for.
    NonTelephony,
    /// The last call before the page is on the page again.
    DuplicateAcrossPages,
    /// A window longer than this is answered with 413.
    TooWide413 {
        /// The longest window that is answered.
        longest: Duration,
    },
    /// A page larger than this is answered with 413, however short the window.
    PageTooLarge413 {
        /// The largest page that is answered.
        largest: usize,
    },
    /// A full page links to the next one, as other APIs of the product do: `meta.links.next`, a path.
    NextLink,
    /// `to` in the future is taken as now; without this it is a 400.
    FutureToClamped,

    /// A call that the list of tasks never tells; search does.
    UnlistedTask,

    // 14, 15: search
    /// A call is in the answers to these requests only, the first request to the search being number 1: rows come and go between
    /// two pages, and every row after them moves to another page.
    ShiftingPages {
        /// The first request that sees it.
        first: u64,
        /// The last one.
        last: u64,
    },
    /// Pages of so many rows in place of 250.
    SearchPagesOf {
        /// Rows on a full page.
        rows: u64,
    },
    /// Paging ends after so many rows, as if there were no more; the platform's own number is 100,000.
    SearchCap {
        /// Rows that paging reaches.
        rows: u64,
    },
    /// This field is not in the tenant's schema: 200 with `errors` and no data. Named below `tasks`, as `csatScore` or `lastSite/name`.
    FieldUndefined {
        /// The field.
        field: &'static str,
    },
    /// Half of the rows beside an error: 200 with `data` and `errors`.
    PartialData,
    /// 200 with `data` null and an error of the server.
    SearchFailed,
    /// `endedTime` -1 and `totalDuration` 0 although `isActive` is false.
    EndlessInactive,
    /// The fields of a call that search tells are null, but for its id and `createdTime`.
    BareDetails,
    /// `globalVariables` as a list of names and values; without this as an object.
    VariablesAsList,
    /// An element of `tasks` that is none: its id a number.
    MalformedDetails,

    // 16–19: captures
    /// No recording the first `polls` times a call is asked for.
    NotReadyFor {
        /// Polls per call that find nothing.
        polls: u64,
    },
    /// No recording until this long after the end of the call.
    NotReadyUntil {
        /// From the end of the call.
        after: Duration,
    },
    /// No recording, ever, although `captureRequested` is true.
    NeverRecorded,
    /// The recording was there and was deleted: nothing is listed any more.
    Purged,
    /// `data` in the opposite order of the request.
    OutOfOrder,
    /// A task that was asked for is missing in `data`.
    MissingTaskId,
    /// A consult leg and, when asked for, segments beside the call's own recording.
    SeveralLegs,
    /// Nothing but a consult leg.
    OnlyConsult,
    /// No recording of the whole call; its segments are listed when asked for.
    OnlySegments,
    /// Recordings of virtual agents beside the call's own, when asked for.
    VaLegs,
    /// An API from before April 2026: `includeVARecordings` is answered with 400.
    VaRecordingsUnknown,
    /// `startTime` and `stopTime` as strings.
    StringTimes,
    /// No `channel1`, `channel2`, `callType` and `segment`, as in old data.
    MissingLabels,
    /// `participants` names the customer by the whole number; without this it is masked.
    UnmaskedParticipants,

    // 22: transcripts and summaries; calls have them when their plan says so
    /// The file holds a vCon in place of the older form, under the same name.
    VconTranscript,
    /// Turns in the opposite order of time.
    TranscriptUnordered,
    /// `words` is empty.
    TranscriptWithoutWords,
    /// `seconds` as a string.
    TranscriptSecondsAsText,
    /// `has_applied_recording_offsets` is false: times begin with each utterance.
    TranscriptRelativeTimes,
    /// A vCon with `{}` and an incomplete dialog in it.
    TranscriptEmptyDialog,
    /// Only the first half of the turns.
    TranscriptCutShort,
    /// The file ends in the middle of its JSON.
    TranscriptInvalidJson,
    /// JSON of a form that no guide tells of.
    TranscriptUnknownShape,
    /// The transcript is offered only this long after the end of the call.
    TranscriptLate {
        /// From the end of the call.
        after: Duration,
    },
    /// A recording, and never a transcript.
    NoTranscript,
    /// Before it, a second file that was written while the call went on and lacks its end.
    RealtimeTranscriptToo,
    /// `Source` and `Provider` in place of `source` and `provider`.
    CapitalKeys,
    /// A chat's file in the form that names its version, an object with `messages`; without this a list.
    ChatVersioned,
    /// Two files of a chat, the list and the one that names its version.
    ChatBothVersions,
    /// `timestamp` of messages as the number in a text.
    ChatTimesAsText,
    /// `timestamp` of messages as ISO 8601.
    ChatTimesAsIso,
    /// Messages without `timestamp`.
    ChatWithoutTimes,
    /// Every third message has no `participant`.
    ChatWithoutParticipant,
    /// Every fourth message is in the file twice.
    ChatMessageTwice,
    /// An element that is no message among the messages.
    ChatOddElement,
    /// The first message of a chat has 40,000 characters.
    ChatLongMessage,
    /// The tenant has no summaries.
    SummariesRefused {
        /// 403 or 404.
        status: u16,
    },
    /// A summary of a transfer beside the one of the call.
    TransferSummary,

    // 20, 21: links and downloads
    /// The link has expired by the time it is used.
    LinkExpires,
    /// The object is gone: 404.
    NoSuchKey,
    /// The store throttles: 503.
    SlowDown503,
    /// The body ends, with its connection, half-way through what `Content-Length` promised.
    TruncatedBody,
    /// `Content-Length` tells less than the file has, and the body ends there in good order.
    WrongLength,
    /// The connection is reset half-way.
    ResetMidStream,
    /// The body drips.
    SlowDrip {
        /// At this pace.
        bytes_per_second: u64,
    },
    /// No `Content-Length`: the body comes in chunks.
    ChunkedNoLength,
    /// 200 and not a single byte.
    ZeroBytes,
    /// 200 and a web page.
    HtmlInsteadOfWav,

    // 27, 28: webhooks
    /// The token may read subscriptions and not change them: 403 on every write.
    WriteScopeMissing403,
    /// An event is delivered twice, under the same id. Keys of these faults: session ids and event types.
    HookDuplicated,
    /// `capture:available` comes before `task:ended`.
    HookOutOfOrder,
    /// An event never comes.
    HookMissing,
    /// Two more `task:ended` while the call goes on, as after a courtesy callback.
    HookEndedThrice,
    /// The signature is made with another secret.
    HookBadSignature,
    /// The body was read and written again on its way: the same JSON, other bytes than were signed.
    HookReserialised,
    /// The event carries an old timestamp, and is signed well: a recorded delivery played again.
    HookStale {
        /// From its timestamp to now.
        age: Duration,
    },
    /// `comciscotimestamp` is a number; without this a text.
    HookTimestampNumber,
    /// A delivery that failed is tried again at once before the subscription becomes inactive; without this it is not.
    HookRepeated {
        /// More attempts.
        times: u64,
    },

    // 23–26: platform
    /// No more than `requests` in a window, for the API and tokens together; links are not counted.
    RateLimit {
        /// Webex gives 300 a minute.
        requests: u64,
        /// Length of the window, in real time.
        per: Duration,
        /// How the 429 says when to come back.
        retry_after: RetryAfter,
    },
    /// A 429 whatever the pace.
    Throttled {
        /// The wait that it tells.
        seconds: u64,
        /// How it tells it.
        retry_after: RetryAfter,
    },
    /// A server error.
    ServerError {
        /// Where.
        at: Endpoint,
        /// 500, 502, 503 or 504.
        status: u16,
        /// What its body is.
        body: ErrorBody,
    },
    /// The answer begins late.
    Latency {
        /// Where.
        at: Endpoint,
        /// By this much real time.
        by: Duration,
    },
    /// No answer at all; the connection stays open.
    Hang {
        /// Where.
        at: Endpoint,
    },
    /// The server's clock is off by this much.
    ClockSkew(TimeDelta),
    /// No `trackingid` header and no `trackingId` in error bodies.
    MissingTrackingId,
    /// `error.key` of error bodies is a number.
    IntegerKey,
    /// Bodies are compressed from the first byte when the client takes gzip; without this from 1 MB on.
    GzipAlways,
}
