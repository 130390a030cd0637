-- Retention: audio that is too old goes, what must stay is held, what went is proven.

ALTER TABLE call_recordings DROP CONSTRAINT call_recordings_status_check;
ALTER TABLE call_recordings
    ADD CONSTRAINT call_recordings_status_check CHECK (status IN ('available', 'stored', 'skipped', 'deleting', 'deleted')) NOT VALID;
ALTER TABLE call_recordings
    ADD COLUMN deleted_at timestamptz,
    ADD CONSTRAINT deleted_recording_says_when CHECK ((status = 'deleted') = (deleted_at IS NOT NULL)) NOT VALID;
COMMENT ON COLUMN call_recordings.status IS 'available: the vendor offers it; stored: its bytes are in S3; skipped: policy does not copy this leg; deleting: its objects are being deleted; deleted: they are';
COMMENT ON COLUMN call_recordings.deleted_at IS 'When its audio was deleted from S3; set exactly while status is deleted';

-- allow index-not-concurrently: before the first release nobody has recordings enough to notice
CREATE INDEX call_recordings_by_age ON call_recordings (stored_at, session_id, recording_id) WHERE status = 'stored';
-- allow index-not-concurrently: it holds the few whose objects are going at this moment, and at first none
CREATE INDEX call_recordings_deleting ON call_recordings (session_id, recording_id) WHERE status = 'deleting';

CREATE TABLE legal_holds (
    session_id text COLLATE "C" PRIMARY KEY CHECK (session_id <> ''),
    held_at    timestamptz NOT NULL DEFAULT now(),
    held_by    text NOT NULL,
    why        text NOT NULL CHECK (why <> '')
);
COMMENT ON TABLE legal_holds IS 'Calls that no retention touches, until someone releases them; who released one is in audit_log';
COMMENT ON COLUMN legal_holds.session_id IS 'The call; it need not be known yet';
COMMENT ON COLUMN legal_holds.held_at IS 'When the hold was placed';
COMMENT ON COLUMN legal_holds.held_by IS 'Who placed it: user@host';
COMMENT ON COLUMN legal_holds.why IS 'The reason they gave';

CREATE TABLE deletions (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    what         text NOT NULL CHECK (what IN ('audio', 'sidecar', 'vendor_transcript')),
    session_id   text COLLATE "C" NOT NULL,
    recording_id text NOT NULL,
    object_key   text NOT NULL CHECK (object_key <> ''),
    size_bytes   bigint CHECK (size_bytes >= 0),
    sha256       text CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    policy       text NOT NULL CHECK (policy <> ''),
    job_id       bigint NOT NULL,
    planned_at   timestamptz NOT NULL DEFAULT now(),
    deleted_at   timestamptz
);
COMMENT ON TABLE deletions IS 'Proof of deletion: one row per object that retention removed. Written in the transaction that decides, before any object goes, and kept when its call is gone. No name, no number, nothing that was said';
COMMENT ON COLUMN deletions.id IS 'Order of the deletions';
COMMENT ON COLUMN deletions.what IS 'audio, the sidecar document beside it, or the file of the vendor''s own transcript';
COMMENT ON COLUMN deletions.session_id IS 'The vendor''s id of the call, which may be gone';
COMMENT ON COLUMN deletions.recording_id IS 'The vendor''s id of the recording';
COMMENT ON COLUMN deletions.object_key IS 'Key of the object in the bucket: made of the vendor''s ids and a date, no names and no numbers';
COMMENT ON COLUMN deletions.size_bytes IS 'Its size';
COMMENT ON COLUMN deletions.sha256 IS 'SHA-256 of its bytes, lower-case hex, where it is known';
COMMENT ON COLUMN deletions.policy IS 'Which setting asked for it, with its value';
COMMENT ON COLUMN deletions.job_id IS 'Job that began it';
COMMENT ON COLUMN deletions.planned_at IS 'When it was decided; the object may be gone from here on';
COMMENT ON COLUMN deletions.deleted_at IS 'When the bucket was seen to hold it no more; NULL while the deletion is under way';

CREATE UNIQUE INDEX deletions_under_way ON deletions (object_key) WHERE deleted_at IS NULL;
CREATE INDEX deletions_by_call ON deletions (session_id);
