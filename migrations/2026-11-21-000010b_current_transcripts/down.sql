DROP VIEW current_transcripts;
COMMENT ON COLUMN call_interactions.transcript_status IS 'Moves with call_transcripts.status in the same transaction; none: no transcript is expected';
