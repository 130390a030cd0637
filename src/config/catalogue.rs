//! Every setting of every concern: for the generated documents, and to find names that were spelt wrong.

use super::{
    ApiSettings, CaseNumberSettings, ChatSettings, DatabaseSettings, DownloadHosts, EnrichSettings, Environment, NetworkSettings, Reader,
    RedisSettings, Setting, SyncSettings, TelemetrySettings, VaultSettings, WebexLoginSettings, WebexSettings, WebhookSettings,
    WhisperSettings, WorkSettings,
};

/// The settings of one concern.
#[derive(Debug, Clone, Copy)]
pub struct Concern {
    /// Its heading in docs/CONFIGURATION.md.
    pub title: &'static str,
    /// When it is needed and what its absence means.
    pub about: &'static str,
    /// Its settings.
    pub settings: &'static [Setting],
}

/// Every concern, in the order of docs/CONFIGURATION.md.
pub const CONCERNS: &[Concern] = &[
    Concern {
        title: "PostgreSQL",
        about: "Needed by every process. `demo` brings its own; `standalone` does when `DATABASE_URL` is not given.",
        settings: DatabaseSettings::SETTINGS,
    },
    Concern {
        title: "Redis",
        about: "Needed by `scheduler`, `worker` and `api`. `demo` brings its own; `standalone` does when `REDIS_URL` is not given.",
        settings: RedisSettings::SETTINGS,
    },
    Concern { title: "Sync", about: "Which calls are asked for, and when.", settings: SyncSettings::SETTINGS },
    Concern {
        title: "Enrichment",
        about: "When it is asked what calls turned out to be: their real ends, wrap-ups, cases.",
        settings: EnrichSettings::SETTINGS,
    },
    Concern {
        title: "Reconcile",
        about: "Read by `scheduler` and `worker upkeep`: the nightly comparison of the vendor's lists with what is held.",
        settings: super::ReconcileSettings::SETTINGS,
    },
    Concern {
        title: "Transcription",
        about: "Needed by `worker transcribe`. Any server with OpenAI's `POST /audio/transcriptions` will do.",
        settings: WhisperSettings::SETTINGS,
    },
    Concern {
        title: "Deepgram",
        about: "Read by `worker transcribe` when `TRANSCRIPTION_PROVIDER` names `deepgram`, and by `api` for what Deepgram posts; see [TRANSCRIBERS.md](TRANSCRIBERS.md).",
        settings: super::DeepgramSettings::SETTINGS,
    },
    Concern {
        title: "AssemblyAI",
        about: "Read by `worker transcribe` when `TRANSCRIPTION_PROVIDER` names `assemblyai`; see [TRANSCRIBERS.md](TRANSCRIBERS.md).",
        settings: super::AssemblyAiSettings::SETTINGS,
    },
    Concern {
        title: "AWS Transcribe",
        about: "Read by `worker transcribe` when `TRANSCRIPTION_PROVIDER` names `aws-transcribe`, in builds with the cargo feature of that name; see [TRANSCRIBERS.md](TRANSCRIBERS.md).",
        settings: super::AwsTranscribeSettings::SETTINGS,
    },
    Concern {
        title: "Transcription on this machine",
        about: "Read by `worker transcribe` when `TRANSCRIPTION_PROVIDER` names `command`; see [TRANSCRIBERS.md](TRANSCRIBERS.md).",
        settings: super::CommandSettings::SETTINGS,
    },
    Concern {
        title: "Channels, pauses and doubts",
        about: "Read by `worker transcribe`: how recordings are made ready, and what follows from what comes back.",
        settings: super::TranscribingSettings::SETTINGS,
    },
    Concern {
        title: "Redaction",
        about: "Read by `worker transcribe`: what is taken out of transcripts.",
        settings: super::RedactionSettings::SETTINGS,
    },
    Concern {
        title: "Cost",
        about: "Read by `worker transcribe` and `scheduler`: what transcription costs, and may cost.",
        settings: super::PriceSettings::SETTINGS,
    },
    Concern {
        title: "Webex's transcripts and summaries",
        about: "Read by `worker recordings` and `worker transcribe`. With `TRANSCRIPTION_PROVIDER=webex` the latter needs the settings of Webex, too.",
        settings: super::ProviderSettings::SETTINGS,
    },
    Concern {
        title: "S3",
        about: "Needed by `worker recordings` and `worker transcribe`. `demo` brings its own; `standalone` does when `CALL_RECORDING_BUCKET` is not given.",
        settings: super::BlobSettings::SETTINGS,
    },
    Concern { title: "Recordings", about: "Read by `worker recordings`.", settings: super::RecordingSettings::SETTINGS },
    Concern {
        title: "Housekeeping",
        about: "Read by `scheduler`: how long what is over stays in the database.",
        settings: super::KeepSettings::SETTINGS,
    },
    Concern {
        title: "Retention",
        about: "Read by `scheduler` and `worker upkeep`, which needs the settings of S3 for it: what is deleted by its age.",
        settings: super::RetentionSettings::SETTINGS,
    },
    Concern { title: "Work", about: "How jobs are held, tried again and handed back.", settings: WorkSettings::SETTINGS },
    Concern {
        title: "Freshness",
        about: "Read by `status`, `api` and the probes of `worker` and `scheduler`: what is late, and what advice on workers aims at.",
        settings: super::SloSettings::SETTINGS,
    },
    Concern {
        title: "Webex Contact Center",
        about: "Absent: no calls come from Webex. Scope needed: `cjp:config_read`; a service app authorised by an administrator is best.",
        settings: WebexSettings::SETTINGS,
    },
    Concern {
        title: "Webex login",
        about: "Read by `callscribe webex login`; see [WEBEX.md](WEBEX.md).",
        settings: WebexLoginSettings::SETTINGS,
    },
    Concern {
        title: "Webex webhooks",
        about: "Absent: calls are found by asking alone, up to `SYNC_INTERVAL` later. Read by `api`, `scheduler` and `callscribe webex subscribe`; see [WEBEX.md](WEBEX.md).",
        settings: WebhookSettings::SETTINGS,
    },
    Concern {
        title: "Chats",
        about: "Read by `scheduler`: whether conversations that were written are kept in the database. `callscribe webex chats` needs neither.",
        settings: ChatSettings::SETTINGS,
    },
    Concern {
        title: "Case numbers",
        about: "Which case a call belongs to, as the vendor knows it.",
        settings: CaseNumberSettings::SETTINGS,
    },
    Concern { title: "Downloads", about: "Where recordings may come from.", settings: DownloadHosts::SETTINGS },
    Concern {
        title: "Keys",
        about: "Needed as soon as a vendor's tokens are kept, that is with any source that signs in.",
        settings: VaultSettings::SETTINGS,
    },
    Concern {
        title: "Way out",
        about: "For requests to Webex, to the transcriber and to a collector of traces. PostgreSQL, Redis and S3 are never asked through these.",
        settings: NetworkSettings::SETTINGS,
    },
    Concern {
        title: "Alerts",
        about: "Read by `scheduler`: who is told, without Prometheus, that something needs a person. Absent: nobody; `callscribe alerts` shows them all the same.",
        settings: super::AlertSettings::SETTINGS,
    },
    Concern { title: "HTTP", about: "Where processes listen.", settings: ApiSettings::SETTINGS },
    Concern { title: "Logs", about: "See [LOGGING.md](LOGGING.md).", settings: TelemetrySettings::SETTINGS },
    Concern {
        title: "Traces",
        about: "Absent: none. Read by every process that works; see [OPERATIONS.md](OPERATIONS.md#traces).",
        settings: super::TraceSettings::SETTINGS,
    },
];

/// Prefixes that nobody but us uses: any unknown name under them is a mistake.
const OUR_PREFIXES: &[&str] =
    &["WEBEX_CC_", "MAX_ATTEMPTS_", "CONCURRENCY_", "CALLSCRIBE_", "TRANSCRIPTION_", "RECORDING_", "RECONCILE_", "SLO_"];
/// Names of test runs and scripts of our own, and neighbours of `HTTP_PROXY`, that are no settings of ours.
const NOT_SETTINGS: &[&str] = &["CALLSCRIBE_TEST", "FTP_PROXY", "ALL_PROXY"];
/// A name this near to a known one is a slip; further away it is somebody else's variable.
const SLIP: usize = 2;

/// One sentence per name in the environment that looks like a setting of ours and is none.
#[must_use]
pub fn misspelt(environment: &Environment) -> Vec<String> {
    let known = || CONCERNS.iter().flat_map(|concern| concern.settings).map(|setting| setting.name);
    let is_known = |name: &str| known().any(|known| known == name || name.strip_suffix("_FILE") == Some(known));
    environment
        .names()
        .filter(|name| !is_known(name) && !NOT_SETTINGS.iter().any(|prefix| name.starts_with(prefix)))
        .filter_map(|name| {
            let (distance, nearest) = known().map(|known| (distance(name, known), known)).min()?;
            if distance <= SLIP && name.len() > 2 * SLIP {
                return Some(format!("`{name}` is not a setting: did you mean `{nearest}`?"));
            }
            OUR_PREFIXES
                .iter()
                .any(|prefix| name.starts_with(prefix))
                .then(|| format!("`{name}` is not a setting; the nearest is `{nearest}` (docs/CONFIGURATION.md lists them all)"))
        })
        .collect()
}

/// Reads settings out of `environment` and reports everything that is wrong with them at once.
pub fn read<T>(environment: &Environment, read: impl FnOnce(&mut Reader<'_>) -> T) -> Result<T, super::Problems> {
    let mut reader = Reader::new(environment);
    let settings = read(&mut reader);
    reader.finish()?;
    Ok(settings)
}

/// Edits (insert, delete, replace, swap of neighbours) between two names.
fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    for (row, a) in left.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, b) in right.iter().enumerate() {
            let at = |line: &[usize], index: usize| line.get(index).copied().unwrap_or(usize::MAX / 2);
            let mut cost = (at(&above, column) + usize::from(a != b)).min(at(&above, column + 1) + 1).min(at(&current, column) + 1);
            let swapped = row > 0 && column > 0 && left.get(row - 1) == Some(b) && right.get(column - 1) == Some(a);
            if swapped {
                cost = cost.min(at(&before, column - 1) + 1);
            }
            current.push(cost);
        }
        before = std::mem::replace(&mut above, current);
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(names: &[&str]) -> Environment {
        names.iter().map(|name| ((*name).to_owned(), "x".to_owned())).collect()
    }

    #[test]
    fn a_misspelt_name_is_told_with_its_nearest() {
        let told = misspelt(&environment(&["DATABSE_URL", "JOB_LEASES"]));
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told.iter().any(|line| line.contains("did you mean `DATABASE_URL`")), "{told:?}");
        assert!(misspelt(&environment(&["MAX_ATTEMPTS_RECORDINGS_EVER"]))[0].contains("`MAX_ATTEMPTS_RECORDING`"));
    }

    #[test]
    fn other_peoples_variables_are_left_alone() {
        assert_eq!(
            misspelt(&environment(&["HOME", "PATH", "REDIS_SERVICE_HOST", "CARGO_TARGET_DIR", "DATABASE_URL"])),
            Vec::<String>::new()
        );
        assert_eq!(misspelt(&environment(&["DATABASE_URL_FILE"])), Vec::<String>::new());
    }

    #[test]
    fn no_setting_is_declared_twice() {
        let mut names: Vec<_> = CONCERNS.iter().flat_map(|concern| concern.settings).map(|setting| setting.name).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn neighbours_swapped_are_one_slip() {
        assert_eq!(distance("REDSI_URL", "REDIS_URL"), 1);
        assert_eq!(distance("", "AB"), 2);
        assert_eq!(distance("SAME", "SAME"), 0);
    }
}
