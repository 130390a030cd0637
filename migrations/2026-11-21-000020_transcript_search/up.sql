-- What is said in calls, to be searched.

CREATE TABLE transcript_search (
    transcript_id uuid PRIMARY KEY REFERENCES call_transcripts (id) ON DELETE CASCADE,
    session_id    text COLLATE "C" NOT NULL,
    leg           text NOT NULL,
    version       integer NOT NULL,
    started_at    timestamptz NOT NULL,
    queue_name    text,
    source        text NOT NULL,
    config        regconfig NOT NULL,
    words         tsvector NOT NULL,
    CONSTRAINT one_search_row_per_leg UNIQUE (session_id, leg)
) WITH (toast_tuple_target = 256);
COMMENT ON TABLE transcript_search IS 'One row per transcript that counts: its words, to be searched; made anew from call_transcripts whenever it is lost';
COMMENT ON COLUMN transcript_search.transcript_id IS 'The transcript';
COMMENT ON COLUMN transcript_search.session_id IS 'The call';
COMMENT ON COLUMN transcript_search.leg IS 'Which leg of the call';
COMMENT ON COLUMN transcript_search.version IS 'Version of the transcript; a newer one takes the place of an older one';
COMMENT ON COLUMN transcript_search.started_at IS 'When the call began, as it was when the transcript was complete';
COMMENT ON COLUMN transcript_search.queue_name IS 'Last queue of the call, as it was when the transcript was complete';
COMMENT ON COLUMN transcript_search.source IS 'Vendor';
COMMENT ON COLUMN transcript_search.config IS 'Text search configuration of the transcript''s language; simple where PostgreSQL has none';
COMMENT ON COLUMN transcript_search.words IS 'What was said, without the names of speakers';

-- written once per transcript and read by people who wait: no list of pending entries that each search would have to go through
CREATE INDEX transcript_search_by_words ON transcript_search USING gin (words) WITH (fastupdate = off);
-- what is said in most calls is found sooner by looking through the latest
CREATE INDEX transcript_search_by_start ON transcript_search (started_at, session_id, leg);
CREATE INDEX transcript_search_by_config ON transcript_search (config);
