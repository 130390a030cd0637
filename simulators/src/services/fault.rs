//! What goes wrong at transcription services that are not OpenAI's (contract 3.9 and 3.11, T17).

/// One way in which such a service misbehaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceFault {
    /// The key is refused, whatever it is.
    KeyRefused,
    /// The account is used up.
    NoCredit,
    /// 429, with `Retry-After` if given.
    TooMany {
        /// Seconds.
        retry_after: Option<u64>,
    },
    /// A status of the 500s, with a body of the service's first shape.
    Failing {
        /// The status.
        status: u16,
    },
    /// The same as a gateway's page.
    FailingAsPage {
        /// The status.
        status: u16,
    },
    /// Audio that it cannot decode.
    CannotDecode,
    /// The connection is cut before an answer.
    Cut,
    /// 200, and the JSON ends in the middle.
    HalfAnswer,
    /// The work is taken and the connection cut: nobody learns its id.
    StartReplyLost,
    /// The job ends as failed, for this reason.
    JobFails {
        /// As the service words it.
        reason: String,
    },
    /// The job takes so many looks; `u32::MAX` is for ever.
    JobLasts {
        /// Looks that find it under way.
        looks: u32,
    },
    /// The job is not known any more when it is asked for.
    JobForgotten,
    /// The result is posted twice.
    CallbackTwice,
    /// The result is posted before the start is answered.
    CallbackFirst,
    /// The result is never posted.
    CallbackNever,
    /// An error is posted instead of a result.
    CallbackFails,
}
