-- What needs a person, and who was told.

CREATE TABLE alerts (
    name         text NOT NULL CHECK (name <> ''),
    subject      text NOT NULL,
    value        double precision NOT NULL,
    summary      text NOT NULL,
    command      text NOT NULL,
    firing_since timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    noted_at     timestamptz,
    resolved_at  timestamptz,
    PRIMARY KEY (name, subject)
);
COMMENT ON TABLE alerts IS 'What needs or needed a person: one row per alert and thing, kept after it is over';
COMMENT ON COLUMN alerts.name IS 'Alert, as its page in docs/runbooks is called';
COMMENT ON COLUMN alerts.subject IS 'Which kind, source or credential it is about';
COMMENT ON COLUMN alerts.value IS 'The figure, as last seen';
COMMENT ON COLUMN alerts.summary IS 'What is the matter, for people';
COMMENT ON COLUMN alerts.command IS 'Command to run next';
COMMENT ON COLUMN alerts.firing_since IS 'When it began';
COMMENT ON COLUMN alerts.last_seen_at IS 'When it was last found true';
COMMENT ON COLUMN alerts.noted_at IS 'When a notice of it was last written; NULL before the first';
COMMENT ON COLUMN alerts.resolved_at IS 'When it was found over; NULL while it fires';

CREATE TABLE alert_notices (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message_id uuid NOT NULL DEFAULT gen_random_uuid(),
    channel    text NOT NULL CHECK (channel IN ('slack', 'webhook')),
    event      text NOT NULL CHECK (event IN ('firing', 'reminder', 'resolved')),
    name       text NOT NULL,
    subject    text NOT NULL,
    body       jsonb NOT NULL,
    attempts   integer NOT NULL DEFAULT 0,
    try_at     timestamptz NOT NULL,
    sent_at    timestamptz,
    error      text
);
COMMENT ON TABLE alert_notices IS 'Messages about alerts: written with the change of the alert, sent afterwards until they arrive';
COMMENT ON COLUMN alert_notices.id IS 'Order in which a channel is told';
COMMENT ON COLUMN alert_notices.message_id IS 'The same for every sending of this message, so that a receiver can drop repeats';
COMMENT ON COLUMN alert_notices.channel IS 'slack: ALERT_SLACK_WEBHOOK_URL; webhook: ALERT_WEBHOOK_URL';
COMMENT ON COLUMN alert_notices.event IS 'firing, reminder or resolved';
COMMENT ON COLUMN alert_notices.name IS 'Alert';
COMMENT ON COLUMN alert_notices.subject IS 'What it is about';
COMMENT ON COLUMN alert_notices.body IS 'What is told';
COMMENT ON COLUMN alert_notices.attempts IS 'How often it was taken to be sent';
COMMENT ON COLUMN alert_notices.try_at IS 'Not sent again before this time; while it is being sent, when another process may';
COMMENT ON COLUMN alert_notices.sent_at IS 'When the receiver took it';
COMMENT ON COLUMN alert_notices.error IS 'Why it was not taken, last time';

CREATE INDEX alert_notices_unsent ON alert_notices (channel, id) WHERE sent_at IS NULL;
