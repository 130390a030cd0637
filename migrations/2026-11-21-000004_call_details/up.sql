-- What a call turned out to be: told after its end by another API of the vendor than the one that lists it.
-- Nullable columns without defaults: no row is rewritten, the lock is held for a moment.

ALTER TABLE call_interactions
    ADD COLUMN csat_score integer CHECK (csat_score > 0),
    ADD COLUMN auto_csat text,
    ADD COLUMN talk_seconds integer CHECK (talk_seconds >= 0),
    ADD COLUMN queue_seconds integer CHECK (queue_seconds >= 0),
    ADD COLUMN hold_seconds integer CHECK (hold_seconds >= 0),
    ADD COLUMN wrap_up_seconds integer CHECK (wrap_up_seconds >= 0),
    ADD COLUMN team_name text,
    ADD COLUMN site_name text,
    ADD COLUMN entry_point_name text,
    ADD COLUMN termination_type text,
    ADD COLUMN termination_reason text,
    ADD COLUMN terminated_by text,
    ADD COLUMN handle_type text,
    ADD COLUMN contact_reason text,
    ADD COLUMN transcription_available boolean,
    ADD COLUMN recording_count integer CHECK (recording_count >= 0),
    ADD COLUMN details_payload jsonb,
    ADD COLUMN details_updated_at timestamptz,
    ADD COLUMN enriched_at timestamptz;
COMMENT ON COLUMN call_interactions.csat_score IS 'The customer''s rating, as the vendor counts it';
COMMENT ON COLUMN call_interactions.auto_csat IS 'The rating that the vendor inferred, in its words';
COMMENT ON COLUMN call_interactions.talk_seconds IS 'Whole seconds that customer and agents were connected';
COMMENT ON COLUMN call_interactions.queue_seconds IS 'Whole seconds in queues';
COMMENT ON COLUMN call_interactions.hold_seconds IS 'Whole seconds on hold';
COMMENT ON COLUMN call_interactions.wrap_up_seconds IS 'Whole seconds that the agent took for the wrap-up';
COMMENT ON COLUMN call_interactions.team_name IS 'Last team';
COMMENT ON COLUMN call_interactions.site_name IS 'Last site';
COMMENT ON COLUMN call_interactions.entry_point_name IS 'Last entry point';
COMMENT ON COLUMN call_interactions.termination_type IS 'How the call ended, in the vendor''s words';
COMMENT ON COLUMN call_interactions.termination_reason IS 'Why the call ended, in the vendor''s words';
COMMENT ON COLUMN call_interactions.terminated_by IS 'Who ended the call, in the vendor''s words, lower case';
COMMENT ON COLUMN call_interactions.handle_type IS 'How the call was handled, in the vendor''s words, such as normal, short or abandoned';
COMMENT ON COLUMN call_interactions.contact_reason IS 'What the call was about, as the vendor''s analysis has it';
COMMENT ON COLUMN call_interactions.transcription_available IS 'The vendor has a transcript of its own; NULL until it says so';
COMMENT ON COLUMN call_interactions.recording_count IS 'Recordings that the vendor counts';
COMMENT ON COLUMN call_interactions.details_payload IS 'What the vendor''s details said, unknown fields kept; NULL until they were told';
COMMENT ON COLUMN call_interactions.details_updated_at IS 'The vendor''s clock for the newest details told';
COMMENT ON COLUMN call_interactions.enriched_at IS 'When Callscribe last changed the row from the vendor''s details; NULL until they were told';
COMMENT ON COLUMN call_interactions.raw_payload IS 'What the vendor''s list sent, unknown fields kept; an empty object while only its details told the call';
COMMENT ON COLUMN call_interactions.older_fields IS 'Columns whose value was told by an older version than source_updated_at, each with that version''s time; NULL when there are none. A call told by two APIs has some: they date its versions each by itself';
