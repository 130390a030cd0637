-- Whether anything is missing: windows of the past as they were asked for, and what the vendor lists compared with what is held.

CREATE TABLE backfills (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source      text NOT NULL,
    name        text NOT NULL CHECK (name <> ''),
    from_time   timestamptz NOT NULL,
    to_time     timestamptz NOT NULL CHECK (to_time > from_time),
    job_ids     bigint[] NOT NULL CHECK (cardinality(job_ids) > 0),
    actor       text NOT NULL,
    asked_at    timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz
);
COMMENT ON TABLE backfills IS 'Windows of the past that someone asked for, one row each; how far they have come is told by their jobs';
COMMENT ON COLUMN backfills.id IS 'Number of the backfill';
COMMENT ON COLUMN backfills.source IS 'Vendor';
COMMENT ON COLUMN backfills.name IS 'The window in the words it was asked for with: the same words again mean this backfill while it is open';
COMMENT ON COLUMN backfills.from_time IS 'Calls that began at this time or later';
COMMENT ON COLUMN backfills.to_time IS 'Calls that began before this time';
COMMENT ON COLUMN backfills.job_ids IS 'Its sync jobs, one per day, oldest day first; a day that another backfill asked for as well is one job of both';
COMMENT ON COLUMN backfills.actor IS 'Who asked: user@host, or the name of an API token';
COMMENT ON COLUMN backfills.asked_at IS 'When it was asked for';
COMMENT ON COLUMN backfills.finished_at IS 'When its last job was seen ended; NULL while any is open';

CREATE UNIQUE INDEX backfills_open ON backfills (source, name) WHERE finished_at IS NULL;

CREATE TABLE completeness_windows (
    source                text NOT NULL,
    org_id                text NOT NULL,
    window_from           timestamptz NOT NULL,
    window_to             timestamptz NOT NULL CHECK (window_to > window_from),
    calls_listed          bigint NOT NULL CHECK (calls_listed >= 0),
    calls_open            bigint NOT NULL CHECK (calls_open >= 0),
    calls_missing         bigint NOT NULL CHECK (calls_missing >= 0),
    recordings_expected   bigint NOT NULL CHECK (recordings_expected >= 0),
    recordings_stored     bigint NOT NULL CHECK (recordings_stored >= 0),
    recordings_explained  bigint NOT NULL CHECK (recordings_explained >= 0),
    recordings_under_way  bigint NOT NULL CHECK (recordings_under_way >= 0),
    recordings_missing    bigint NOT NULL CHECK (recordings_missing >= 0),
    transcripts_expected  bigint NOT NULL CHECK (transcripts_expected >= 0),
    transcripts_complete  bigint NOT NULL CHECK (transcripts_complete >= 0),
    transcripts_explained bigint NOT NULL CHECK (transcripts_explained >= 0),
    transcripts_under_way bigint NOT NULL CHECK (transcripts_under_way >= 0),
    transcripts_missing   bigint NOT NULL CHECK (transcripts_missing >= 0),
    compared_at           timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source, org_id, window_from),
    CONSTRAINT every_recording_is_counted
        CHECK (recordings_expected = recordings_stored + recordings_explained + recordings_under_way + recordings_missing),
    CONSTRAINT every_transcript_is_counted
        CHECK (transcripts_expected = transcripts_complete + transcripts_explained + transcripts_under_way + transcripts_missing)
);
COMMENT ON TABLE completeness_windows IS 'One row per day (UTC) of a source''s tenant, as its last comparison with the vendor''s list found it';
COMMENT ON COLUMN completeness_windows.source IS 'Vendor';
COMMENT ON COLUMN completeness_windows.org_id IS 'The vendor''s id of the tenant';
COMMENT ON COLUMN completeness_windows.window_from IS 'Midnight at which the day begins';
COMMENT ON COLUMN completeness_windows.window_to IS 'How far the day was compared: the next midnight, or earlier while the day was young';
COMMENT ON COLUMN completeness_windows.calls_listed IS 'Calls the vendor listed';
COMMENT ON COLUMN completeness_windows.calls_open IS 'Calls among them that were not over, or only just: no gaps, whether held or not';
COMMENT ON COLUMN completeness_windows.calls_missing IS 'Calls that are not held, or held as still open; and moments of which the vendor could not be made to tell everything';
COMMENT ON COLUMN completeness_windows.recordings_expected IS 'Calls held that are over and that the vendor meant to record';
COMMENT ON COLUMN completeness_windows.recordings_stored IS 'Of these: the recording is in S3';
COMMENT ON COLUMN completeness_windows.recordings_explained IS 'Of these: there is none for a reason that is final, such as no_recording or recording_purged';
COMMENT ON COLUMN completeness_windows.recordings_under_way IS 'Of these: a job is still at it';
COMMENT ON COLUMN completeness_windows.recordings_missing IS 'Of these: none of the above';
COMMENT ON COLUMN completeness_windows.transcripts_expected IS 'Calls whose recording is stored or whose transcript is complete';
COMMENT ON COLUMN completeness_windows.transcripts_complete IS 'Of these: the transcript is complete';
COMMENT ON COLUMN completeness_windows.transcripts_explained IS 'Of these: there is none for a reason that is final, such as cancelled';
COMMENT ON COLUMN completeness_windows.transcripts_under_way IS 'Of these: a job is still at it';
COMMENT ON COLUMN completeness_windows.transcripts_missing IS 'Of these: none of the above';
COMMENT ON COLUMN completeness_windows.compared_at IS 'When it was last compared';

CREATE TABLE completeness_gaps (
    source       text NOT NULL,
    org_id       text NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('calls', 'recordings', 'transcripts')),
    subject      text COLLATE "C" NOT NULL CHECK (subject <> ''),
    window_from  timestamptz NOT NULL,
    start_time   timestamptz NOT NULL,
    reason       text NOT NULL CHECK (reason <> ''),
    comparison   uuid NOT NULL,
    found_at     timestamptz NOT NULL DEFAULT now(),
    repaired_at  timestamptz,
    PRIMARY KEY (source, org_id, kind, subject)
);
COMMENT ON TABLE completeness_gaps IS 'What is missing, one row each, since the comparison that found it until one that does not';
COMMENT ON COLUMN completeness_gaps.source IS 'Vendor';
COMMENT ON COLUMN completeness_gaps.org_id IS 'The vendor''s id of the tenant';
COMMENT ON COLUMN completeness_gaps.kind IS 'What is missing: calls, recordings or transcripts';
COMMENT ON COLUMN completeness_gaps.subject IS 'The call; for a call without a readable id, or calls nobody can name, the moment';
COMMENT ON COLUMN completeness_gaps.window_from IS 'Day it belongs to, as in completeness_windows.window_from';
COMMENT ON COLUMN completeness_gaps.start_time IS 'When the call began';
COMMENT ON COLUMN completeness_gaps.reason IS 'Why it is missing: a word of docs/OPERATIONS.md, or the reason code of the job that died';
COMMENT ON COLUMN completeness_gaps.comparison IS 'The comparison of its day that saw it last';
COMMENT ON COLUMN completeness_gaps.found_at IS 'When it was first found';
COMMENT ON COLUMN completeness_gaps.repaired_at IS 'When work was last enqueued to fill it';

CREATE INDEX completeness_gaps_by_window ON completeness_gaps (source, org_id, window_from);

COMMENT ON COLUMN jobs.kind IS 'sync, recording, transcription, upkeep, or a kind that only a newer version knows: such rows wait untouched';
