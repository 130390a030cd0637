COMMENT ON COLUMN deletions.what IS 'audio, the sidecar document beside it, or the file of the vendor''s own transcript';
COMMENT ON TABLE deletions IS 'Proof of deletion: one row per object that retention removed. Written in the transaction that decides, before any object goes, and kept when its call is gone. No name, no number, nothing that was said';
COMMENT ON COLUMN call_recordings.object_key IS 'Key of the audio in the bucket';
ALTER TABLE deletions DROP CONSTRAINT deletions_what_check;
ALTER TABLE deletions ADD CONSTRAINT deletions_what_check CHECK (what IN ('audio', 'sidecar', 'vendor_transcript'));
ALTER TABLE call_recordings
    DROP CONSTRAINT muted_copy_is_whole,
    DROP COLUMN muted_key,
    DROP COLUMN muted_size_bytes,
    DROP COLUMN muted_sha256,
    DROP COLUMN muted_at;
