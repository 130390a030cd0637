-- What vendors told by webhook: kept so that an event that comes again is known, and so that its work is never lost between
-- "received" and "enqueued".

CREATE TABLE webhook_events (
    source          text NOT NULL CHECK (source <> ''),
    event_id        text COLLATE "C" NOT NULL CHECK (event_id <> ''),
    kind            text NOT NULL CHECK (kind IN ('recording_available', 'call_ended', 'call_changed', 'other')),
    word            text NOT NULL,
    subscription_id text,
    session_id      text,
    sent_at         timestamptz,
    received_at     timestamptz NOT NULL DEFAULT now(),
    times_seen      integer NOT NULL DEFAULT 1 CHECK (times_seen > 0),
    outcome         text CHECK (outcome IN ('kept', 'hurried', 'reopened', 'sync_asked', 'nothing_to_do', 'left_to_polling')),
    settled_at      timestamptz,
    job_id          bigint,
    payload         jsonb NOT NULL,
    PRIMARY KEY (source, event_id),
    CONSTRAINT settled_event_says_how CHECK ((outcome IS NULL) = (settled_at IS NULL))
);
COMMENT ON TABLE webhook_events IS 'Events that vendors sent, once each; polling stays the source of truth';
COMMENT ON COLUMN webhook_events.source IS 'Vendor that sent it';
COMMENT ON COLUMN webhook_events.event_id IS 'The vendor''s id; the same event may come again under it';
COMMENT ON COLUMN webhook_events.kind IS 'What it means to us';
COMMENT ON COLUMN webhook_events.word IS 'The vendor''s word for it';
COMMENT ON COLUMN webhook_events.subscription_id IS 'Subscription it was sent for, if it said';
COMMENT ON COLUMN webhook_events.session_id IS 'Call it is about, if one; the call may not be known yet';
COMMENT ON COLUMN webhook_events.sent_at IS 'When it was sent, by the vendor''s clock, if it said';
COMMENT ON COLUMN webhook_events.received_at IS 'When it first came';
COMMENT ON COLUMN webhook_events.times_seen IS 'How often it came';
COMMENT ON COLUMN webhook_events.outcome IS 'kept: nothing follows from it; hurried, reopened: the call''s recording is due at once; sync_asked: a sync that begins after it will find what it tells; nothing_to_do: it was done already; left_to_polling: its work could not be hurried; NULL while it waits for a job that runs';
COMMENT ON COLUMN webhook_events.settled_at IS 'When that was decided';
COMMENT ON COLUMN webhook_events.job_id IS 'Job that does what follows from it, if one';
COMMENT ON COLUMN webhook_events.payload IS 'The event as it came';

CREATE INDEX webhook_events_waiting ON webhook_events (received_at) WHERE outcome IS NULL;
CREATE INDEX webhook_events_by_time ON webhook_events (received_at);
CREATE INDEX webhook_events_by_call ON webhook_events (session_id);
