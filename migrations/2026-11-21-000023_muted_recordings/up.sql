-- Copies of recordings in which silence stands for what was redacted.

ALTER TABLE call_recordings
    ADD COLUMN muted_key text,
    ADD COLUMN muted_size_bytes bigint,
    ADD COLUMN muted_sha256 text,
    ADD COLUMN muted_at timestamptz,
    ADD CONSTRAINT muted_copy_is_whole CHECK (
        num_nulls(muted_key, muted_size_bytes, muted_sha256, muted_at) IN (0, 4)
        AND muted_key <> '' AND muted_size_bytes >= 0 AND muted_sha256 ~ '^[0-9a-f]{64}$') NOT VALID;
COMMENT ON COLUMN call_recordings.object_key IS 'Key of its bytes in the bucket; the muted copy''s once the original was deleted for it';
COMMENT ON COLUMN call_recordings.muted_key IS 'Key of the copy in which what was redacted is muted; null where no copy was made';
COMMENT ON COLUMN call_recordings.muted_size_bytes IS 'Size of that copy';
COMMENT ON COLUMN call_recordings.muted_sha256 IS 'SHA-256 of its bytes, lower-case hex';
COMMENT ON COLUMN call_recordings.muted_at IS 'When it was made; set exactly while there is one';

-- the older version writes none of the new words
ALTER TABLE deletions DROP CONSTRAINT deletions_what_check;
ALTER TABLE deletions
    ADD CONSTRAINT deletions_what_check CHECK (what IN ('audio', 'muted_audio', 'sidecar', 'vendor_transcript')) NOT VALID;
COMMENT ON TABLE deletions IS 'Proof of deletion: one row per object that retention or redaction removed, kept when its call is gone. What retention removes is written in the transaction that decides, before any object goes. No name, no number, nothing that was said';
COMMENT ON COLUMN deletions.what IS 'audio, a copy of it in which something is muted, the sidecar document beside it, or the file of the vendor''s own transcript';
