-- Retention of calls: rows that are too old go, and what went is proven without saying whom it was about.

CREATE TABLE call_deletions (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    what            text NOT NULL CHECK (what IN ('calls', 'conversations')),
    source          text NOT NULL,
    calls           bigint NOT NULL CHECK (calls > 0),
    recordings      bigint NOT NULL CHECK (recordings >= 0),
    transcripts     bigint NOT NULL CHECK (transcripts >= 0),
    began_from      timestamptz NOT NULL,
    began_to        timestamptz NOT NULL CHECK (began_to >= began_from),
    sessions_sha256 text NOT NULL CHECK (sessions_sha256 ~ '^[0-9a-f]{64}$'),
    policy          text NOT NULL CHECK (policy <> ''),
    job_id          bigint NOT NULL,
    deleted_at      timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE call_deletions IS 'Proof of deletion: one row per batch of calls or conversations that retention removed with everything that hung on them, in the transaction that removed them';
COMMENT ON COLUMN call_deletions.id IS 'Order of the deletions';
COMMENT ON COLUMN call_deletions.what IS 'calls, with recordings, transcripts, summaries, jobs, events; or conversations, with messages and jobs';
COMMENT ON COLUMN call_deletions.source IS 'Vendor';
COMMENT ON COLUMN call_deletions.calls IS 'How many went';
COMMENT ON COLUMN call_deletions.recordings IS 'Rows of recordings that went with them; their objects are in deletions';
COMMENT ON COLUMN call_deletions.transcripts IS 'Transcripts that went with them, every version counted';
COMMENT ON COLUMN call_deletions.began_from IS 'When the oldest of them began';
COMMENT ON COLUMN call_deletions.began_to IS 'When the youngest of them began';
COMMENT ON COLUMN call_deletions.sessions_sha256 IS 'SHA-256, lower-case hex, of their session ids, sorted by their bytes, a line feed between two: who has the list can prove that it is this one';
COMMENT ON COLUMN call_deletions.policy IS 'Which setting asked for it, with its value';
COMMENT ON COLUMN call_deletions.job_id IS 'Job that did it';
COMMENT ON COLUMN call_deletions.deleted_at IS 'When they went';
