DROP VIEW current_transcripts;
ALTER TABLE jobs DROP COLUMN batch_id;
DROP TABLE requeue_batches;
COMMENT ON COLUMN call_interactions.transcript_status IS 'Moves with call_transcripts.status in the same transaction; none: no transcript is expected';
