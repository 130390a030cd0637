-- What columns hold by now.

COMMENT ON COLUMN jobs.priority IS '-10: a recording that its vendor will soon delete; 0: fresh; 10: backfill and large requeues; 20: late looks';
COMMENT ON COLUMN call_recordings.codec IS 'pcm, float, mulaw, alaw, mp3, vorbis, opus, flac or aac, read from the file itself';
COMMENT ON COLUMN call_transcripts.transcript_json IS 'Turns and words with times, and how the answer was checked; see docs/TRANSCRIPT_JSON.md';
COMMENT ON COLUMN call_transcripts.audio_seconds IS 'Seconds of audio sent to the provider, all channels and pieces together';
