-- What transcription services post when their work is done, until the worker that ordered it collects it: days at most.

CREATE TABLE provider_answers (
    provider    text NOT NULL CHECK (provider <> ''),
    job         text COLLATE "C" NOT NULL CHECK (job <> ''),
    body        jsonb NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (provider, job)
);
COMMENT ON TABLE provider_answers IS 'Results that transcription services posted, until they are collected; deleted after a day';
COMMENT ON COLUMN provider_answers.provider IS 'The service, as in call_transcripts.provider';
COMMENT ON COLUMN provider_answers.job IS 'The piece it was asked for, by the id that we gave it';
COMMENT ON COLUMN provider_answers.body IS 'What was posted, as it came: spoken words';
COMMENT ON COLUMN provider_answers.received_at IS 'When it first came; what comes again is dropped';

CREATE INDEX provider_answers_by_time ON provider_answers (received_at);
