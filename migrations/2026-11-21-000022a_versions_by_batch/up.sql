-- Only versions that batches asked for: at first none.
CREATE INDEX CONCURRENTLY call_transcripts_by_batch ON call_transcripts (batch_id, session_id, leg, version) WHERE batch_id IS NOT NULL;
