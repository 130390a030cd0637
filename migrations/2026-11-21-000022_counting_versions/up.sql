-- Versions of transcripts that do not count until somebody says so, and which batch asked for which version.
-- Constant defaults and a nullable column: no row is rewritten. An older version goes on inserting versions that count.

ALTER TABLE call_transcripts
    ADD COLUMN counts   boolean NOT NULL DEFAULT true,
    ADD COLUMN batch_id bigint;
COMMENT ON COLUMN call_transcripts.counts IS 'Whether it counts once it is complete; false: on trial, or switched back. Of a leg the newest complete version that counts is the transcript';
COMMENT ON COLUMN call_transcripts.batch_id IS 'Requeue batch that asked for this version, if one did; jobs.batch_id tells who made the job due last, and goes with the job';

ALTER TABLE requeue_batches ADD COLUMN counts boolean NOT NULL DEFAULT true;
COMMENT ON COLUMN requeue_batches.counts IS 'Whether the versions of transcripts that it is yet to begin count; false while it is a trial, and after it was switched back';

-- the new columns stand at its end: what reads it goes on reading
CREATE OR REPLACE VIEW current_transcripts AS
SELECT DISTINCT ON (session_id, leg) *
FROM call_transcripts
WHERE status = 'complete' AND counts
ORDER BY session_id, leg, version DESC;
COMMENT ON VIEW current_transcripts IS 'The transcript that counts of each leg of a call: the newest complete version that is not on trial or switched back, whatever became of later ones';

COMMENT ON COLUMN transcript_search.version IS 'Version of the transcript: the one that counts';
