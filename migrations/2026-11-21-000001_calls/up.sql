-- Calls, their recordings and their transcripts: what people come for.

CREATE TABLE app_settings (
    key        text PRIMARY KEY CHECK (key <> ''),
    value      jsonb NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE app_settings IS 'Small facts that outlive a process: watermarks and checkpoints, one row each';
COMMENT ON COLUMN app_settings.key IS 'Dotted or colon-separated name, e.g. webex:<org>:watermark';
COMMENT ON COLUMN app_settings.value IS 'The fact, as JSON';
COMMENT ON COLUMN app_settings.updated_at IS 'When the fact last changed';

CREATE TABLE call_interactions (
    session_id        text COLLATE "C" PRIMARY KEY CHECK (session_id <> ''),
    source            text NOT NULL CHECK (source IN ('webex', 'genesys', 'vapi')),
    org_id            text,
    channel           text NOT NULL DEFAULT 'telephony',
    case_number       text,
    direction         text CHECK (direction IN ('inbound', 'outbound')),
    ani               text,
    dnis              text,
    agent_id          text,
    agent_name        text,
    queue_id          text,
    queue_name        text,
    start_time        timestamptz NOT NULL,
    end_time          timestamptz,
    end_time_source   text CHECK (end_time_source IN ('vendor', 'last_updated')),
    duration_seconds  integer CHECK (duration_seconds >= 0),
    wrap_up_code      text,
    recording_id      text,
    transcript_status text NOT NULL DEFAULT 'none'
                      CHECK (transcript_status IN ('none', 'pending', 'processing', 'complete', 'error')),
    vendor_status     text,
    closed            boolean NOT NULL DEFAULT false,
    capture_requested boolean,
    source_updated_at timestamptz,
    older_fields      jsonb CHECK (jsonb_typeof(older_fields) = 'object'),
    raw_payload       jsonb NOT NULL,
    first_seen_at     timestamptz NOT NULL DEFAULT now(),
    synced_at         timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT call_ends_after_it_starts CHECK (end_time >= start_time),
    CONSTRAINT end_time_names_its_source CHECK ((end_time IS NULL) = (end_time_source IS NULL))
);
COMMENT ON TABLE call_interactions IS 'One row per call a contact centre took, as its vendor tells it';
COMMENT ON COLUMN call_interactions.session_id IS 'The vendor''s id of the call (Webex: task id)';
COMMENT ON COLUMN call_interactions.source IS 'Vendor that took the call';
COMMENT ON COLUMN call_interactions.org_id IS 'The vendor''s id of the tenant';
COMMENT ON COLUMN call_interactions.channel IS 'Vendor''s channel, lower case; only telephony is transcribed';
COMMENT ON COLUMN call_interactions.case_number IS 'Case or incident the call belongs to, when the vendor knows it';
COMMENT ON COLUMN call_interactions.direction IS 'inbound or outbound; NULL when the vendor says neither';
COMMENT ON COLUMN call_interactions.ani IS 'Number the call came from';
COMMENT ON COLUMN call_interactions.dnis IS 'Number that was called';
COMMENT ON COLUMN call_interactions.agent_id IS 'Last agent assigned; NULL for calls that never reached one';
COMMENT ON COLUMN call_interactions.agent_name IS 'Display name of the last agent';
COMMENT ON COLUMN call_interactions.queue_id IS 'Last queue; NULL for calls that never entered one';
COMMENT ON COLUMN call_interactions.queue_name IS 'Display name of the last queue';
COMMENT ON COLUMN call_interactions.start_time IS 'When the call began (UTC)';
COMMENT ON COLUMN call_interactions.end_time IS 'When the call ended (UTC); provisional while end_time_source is last_updated';
COMMENT ON COLUMN call_interactions.end_time_source IS 'vendor: the vendor''s own end; last_updated: the closed call''s last change, an upper bound';
COMMENT ON COLUMN call_interactions.duration_seconds IS 'end_time - start_time, rounded half up';
COMMENT ON COLUMN call_interactions.wrap_up_code IS 'What the agent said the call was about';
COMMENT ON COLUMN call_interactions.recording_id IS 'The vendor''s id of the main recording, once one was found';
COMMENT ON COLUMN call_interactions.transcript_status IS 'Moves with call_transcripts.status in the same transaction; none: no transcript is expected';
COMMENT ON COLUMN call_interactions.vendor_status IS 'The vendor''s own word for the call''s state';
COMMENT ON COLUMN call_interactions.closed IS 'The call is over; it never reopens';
COMMENT ON COLUMN call_interactions.capture_requested IS 'Vendor means to record the call: true, false, or NULL for not yet known';
COMMENT ON COLUMN call_interactions.source_updated_at IS 'The vendor''s clock for this version of the call; an older version never overwrites a newer';
COMMENT ON COLUMN call_interactions.older_fields IS 'Columns whose value was told by an older version than source_updated_at, each with that version''s time; NULL when there are none';
COMMENT ON COLUMN call_interactions.raw_payload IS 'What the vendor sent, unknown fields kept';
COMMENT ON COLUMN call_interactions.first_seen_at IS 'When Callscribe first stored the call';
COMMENT ON COLUMN call_interactions.synced_at IS 'When Callscribe last changed the row from a vendor payload';

CREATE INDEX call_interactions_by_start ON call_interactions (source, start_time);
CREATE INDEX call_interactions_open ON call_interactions (source, start_time) WHERE NOT closed;
CREATE INDEX call_interactions_by_case ON call_interactions (case_number) WHERE case_number IS NOT NULL;

CREATE TABLE call_recordings (
    session_id     text COLLATE "C" NOT NULL REFERENCES call_interactions (session_id) ON DELETE CASCADE,
    recording_id   text NOT NULL CHECK (recording_id <> ''),
    leg            text NOT NULL DEFAULT 'main' CHECK (leg IN ('main', 'consult', 'va-main', 'va-consult', 'other')),
    segment        boolean NOT NULL DEFAULT false,
    status         text NOT NULL DEFAULT 'available' CHECK (status IN ('available', 'stored', 'skipped')),
    channel1       text,
    channel2       text,
    started_at     timestamptz,
    stopped_at     timestamptz,
    object_key     text,
    size_bytes     bigint CHECK (size_bytes >= 0),
    sha256         text CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    codec          text,
    sample_rate_hz integer CHECK (sample_rate_hz > 0),
    channels       smallint CHECK (channels > 0),
    duration_ms    bigint CHECK (duration_ms >= 0),
    flags          text[] NOT NULL DEFAULT '{}',
    stored_at      timestamptz,
    found_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (session_id, recording_id),
    CONSTRAINT stored_recording_is_complete
        CHECK (status <> 'stored' OR (object_key IS NOT NULL AND size_bytes IS NOT NULL AND sha256 IS NOT NULL AND stored_at IS NOT NULL))
);
COMMENT ON TABLE call_recordings IS 'One row per recording the vendor offered for a call; a call may have several';
COMMENT ON COLUMN call_recordings.session_id IS 'The call';
COMMENT ON COLUMN call_recordings.recording_id IS 'The vendor''s id of the recording';
COMMENT ON COLUMN call_recordings.leg IS 'main: the customer''s call; consult and va-*: side legs, kept as rows and never taken for the call';
COMMENT ON COLUMN call_recordings.segment IS 'A piece of a call that was recorded in pieces';
COMMENT ON COLUMN call_recordings.status IS 'available: the vendor offers it; stored: its bytes are in S3; skipped: policy does not copy this leg';
COMMENT ON COLUMN call_recordings.channel1 IS 'Who is on the first channel, in the vendor''s words';
COMMENT ON COLUMN call_recordings.channel2 IS 'Who is on the second channel, in the vendor''s words';
COMMENT ON COLUMN call_recordings.started_at IS 'When the recording began, by the vendor';
COMMENT ON COLUMN call_recordings.stopped_at IS 'When the recording ended, by the vendor';
COMMENT ON COLUMN call_recordings.object_key IS 'Key of the audio in the bucket';
COMMENT ON COLUMN call_recordings.size_bytes IS 'Size of the stored object';
COMMENT ON COLUMN call_recordings.sha256 IS 'SHA-256 of the stored bytes, lower-case hex';
COMMENT ON COLUMN call_recordings.codec IS 'pcm, mulaw or alaw, read from the file itself';
COMMENT ON COLUMN call_recordings.sample_rate_hz IS 'Samples per second per channel';
COMMENT ON COLUMN call_recordings.channels IS 'Number of channels';
COMMENT ON COLUMN call_recordings.duration_ms IS 'Playing time by the bytes received';
COMMENT ON COLUMN call_recordings.flags IS 'What is odd about the file without making it useless, e.g. streamed_header, duration_differs';
COMMENT ON COLUMN call_recordings.stored_at IS 'When the object was complete in S3';
COMMENT ON COLUMN call_recordings.found_at IS 'When Callscribe first saw the vendor offer it';

CREATE TABLE call_transcripts (
    id                  uuid PRIMARY KEY,
    session_id          text COLLATE "C" NOT NULL REFERENCES call_interactions (session_id) ON DELETE CASCADE,
    leg                 text NOT NULL DEFAULT 'main',
    version             integer NOT NULL DEFAULT 1 CHECK (version > 0),
    recording_id        text,
    provider            text NOT NULL,
    model               text,
    status              text NOT NULL DEFAULT 'pending'
                        CHECK (status IN ('pending', 'downloading', 'transcribing', 'complete', 'error')),
    language            text,
    transcript_text     text,
    transcript_json     jsonb,
    audio_url           text,
    error_code          text,
    error_message       text,
    flags               text[] NOT NULL DEFAULT '{}',
    audio_seconds       double precision CHECK (audio_seconds >= 0),
    provider_request_id text,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now(),
    completed_at        timestamptz,
    CONSTRAINT one_transcript_per_leg_and_version UNIQUE (session_id, leg, version),
    CONSTRAINT complete_transcript_has_its_text
        CHECK (status <> 'complete' OR (transcript_text IS NOT NULL AND transcript_json IS NOT NULL AND completed_at IS NOT NULL)),
    CONSTRAINT failed_transcript_says_why CHECK ((status = 'error') = (error_code IS NOT NULL))
) WITH (fillfactor = 85);
COMMENT ON TABLE call_transcripts IS 'One row per transcript a call should have, from the moment it is expected';
COMMENT ON COLUMN call_transcripts.id IS 'Callscribe''s id of the transcript';
COMMENT ON COLUMN call_transcripts.session_id IS 'The call';
COMMENT ON COLUMN call_transcripts.leg IS 'Which leg of the call, as in call_recordings.leg';
COMMENT ON COLUMN call_transcripts.version IS 'Counts re-transcriptions of the same leg';
COMMENT ON COLUMN call_transcripts.recording_id IS 'The recording it was made from, once one was stored';
COMMENT ON COLUMN call_transcripts.provider IS 'Who transcribes, e.g. whisper';
COMMENT ON COLUMN call_transcripts.model IS 'The provider''s model';
COMMENT ON COLUMN call_transcripts.status IS 'See docs/state-machine.md; the moves are in src/domain/status.rs';
COMMENT ON COLUMN call_transcripts.language IS 'Language detected, as an ISO 639-1 code where one is known';
COMMENT ON COLUMN call_transcripts.transcript_text IS 'What was said; empty when nothing was';
COMMENT ON COLUMN call_transcripts.transcript_json IS 'Segments and words with times, and how the answer was checked';
COMMENT ON COLUMN call_transcripts.audio_url IS 's3:// address of the audio it was made from';
COMMENT ON COLUMN call_transcripts.error_code IS 'Reason code, see docs/REASONS.md; set exactly while status is error';
COMMENT ON COLUMN call_transcripts.error_message IS 'What went wrong, for people; the last error while a retry waits';
COMMENT ON COLUMN call_transcripts.flags IS 'What is doubtful about a complete transcript, e.g. low_coverage';
COMMENT ON COLUMN call_transcripts.audio_seconds IS 'Seconds of audio sent to the provider';
COMMENT ON COLUMN call_transcripts.provider_request_id IS 'The provider''s id of the request that made it';
COMMENT ON COLUMN call_transcripts.created_at IS 'When the transcript was first expected';
COMMENT ON COLUMN call_transcripts.updated_at IS 'When the row last changed';
COMMENT ON COLUMN call_transcripts.completed_at IS 'When the transcript became complete';

CREATE TABLE quarantined_payloads (
    source      text NOT NULL,
    fingerprint text NOT NULL,
    error       text NOT NULL,
    payload     jsonb NOT NULL,
    first_seen  timestamptz NOT NULL DEFAULT now(),
    last_seen   timestamptz NOT NULL DEFAULT now(),
    times_seen  bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (source, fingerprint)
);
COMMENT ON TABLE quarantined_payloads IS 'Elements of a vendor''s page that could not be read; kept, so that one bad call never sinks its page';
COMMENT ON COLUMN quarantined_payloads.source IS 'Vendor';
COMMENT ON COLUMN quarantined_payloads.fingerprint IS 'SHA-256 of the payload, lower-case hex';
COMMENT ON COLUMN quarantined_payloads.error IS 'Why it could not be read';
COMMENT ON COLUMN quarantined_payloads.payload IS 'The element as it came';
COMMENT ON COLUMN quarantined_payloads.first_seen IS 'When it first came';
COMMENT ON COLUMN quarantined_payloads.last_seen IS 'When it last came';
COMMENT ON COLUMN quarantined_payloads.times_seen IS 'How often it came';
