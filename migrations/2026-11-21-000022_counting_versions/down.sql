COMMENT ON COLUMN transcript_search.version IS 'Version of the transcript; a newer one takes the place of an older one';

DROP VIEW current_transcripts;
ALTER TABLE requeue_batches DROP COLUMN counts;
ALTER TABLE call_transcripts DROP COLUMN batch_id, DROP COLUMN counts;
CREATE VIEW current_transcripts AS
SELECT DISTINCT ON (session_id, leg) *
FROM call_transcripts
WHERE status = 'complete'
ORDER BY session_id, leg, version DESC;
COMMENT ON VIEW current_transcripts IS 'The transcript that counts of each leg of a call: the newest complete version, whatever became of later ones';
