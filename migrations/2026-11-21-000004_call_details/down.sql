ALTER TABLE call_interactions
    DROP COLUMN enriched_at,
    DROP COLUMN details_updated_at,
    DROP COLUMN details_payload,
    DROP COLUMN recording_count,
    DROP COLUMN transcription_available,
    DROP COLUMN contact_reason,
    DROP COLUMN handle_type,
    DROP COLUMN terminated_by,
    DROP COLUMN termination_reason,
    DROP COLUMN termination_type,
    DROP COLUMN entry_point_name,
    DROP COLUMN site_name,
    DROP COLUMN team_name,
    DROP COLUMN wrap_up_seconds,
    DROP COLUMN hold_seconds,
    DROP COLUMN queue_seconds,
    DROP COLUMN talk_seconds,
    DROP COLUMN auto_csat,
    DROP COLUMN csat_score;
COMMENT ON COLUMN call_interactions.raw_payload IS 'What the vendor sent, unknown fields kept';
COMMENT ON COLUMN call_interactions.older_fields IS 'Columns whose value was told by an older version than source_updated_at, each with that version''s time; NULL when there are none';
