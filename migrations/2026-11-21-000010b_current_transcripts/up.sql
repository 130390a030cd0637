-- Which version of a transcript counts.

CREATE VIEW current_transcripts AS
SELECT DISTINCT ON (session_id, leg) *
FROM call_transcripts
WHERE status = 'complete'
ORDER BY session_id, leg, version DESC;
COMMENT ON VIEW current_transcripts IS 'The transcript that counts of each leg of a call: the newest complete version, whatever became of later ones';

COMMENT ON COLUMN call_interactions.transcript_status IS 'Moves with call_transcripts.status in the same transaction; none: no transcript is expected; complete stays while a later version is made or fails';
