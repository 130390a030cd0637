DROP TABLE completeness_gaps;
DROP TABLE completeness_windows;
DROP TABLE backfills;
COMMENT ON COLUMN jobs.kind IS 'sync, recording, transcription, or a kind that only a newer version knows: such rows wait untouched';
