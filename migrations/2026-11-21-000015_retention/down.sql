DROP TABLE deletions;
DROP TABLE legal_holds;
DROP INDEX call_recordings_deleting;
DROP INDEX call_recordings_by_age;
ALTER TABLE call_recordings DROP CONSTRAINT deleted_recording_says_when, DROP COLUMN deleted_at;
ALTER TABLE call_recordings DROP CONSTRAINT call_recordings_status_check;
ALTER TABLE call_recordings ADD CONSTRAINT call_recordings_status_check CHECK (status IN ('available', 'stored', 'skipped'));
COMMENT ON COLUMN call_recordings.status IS 'available: the vendor offers it; stored: its bytes are in S3; skipped: policy does not copy this leg';
