COMMENT ON COLUMN jobs.priority IS 'Lower runs first: 0 fresh calls, 10 backfill';
COMMENT ON COLUMN call_recordings.codec IS 'pcm, mulaw or alaw, read from the file itself';
COMMENT ON COLUMN call_transcripts.transcript_json IS 'Segments and words with times, and how the answer was checked';
COMMENT ON COLUMN call_transcripts.audio_seconds IS 'Seconds of audio sent to the provider';
