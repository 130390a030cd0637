-- What is known of a transcript while it is made, piece by piece, and what each piece cost.

CREATE TABLE transcript_pieces (
    transcript_id uuid NOT NULL REFERENCES call_transcripts (id) ON DELETE CASCADE,
    piece         text NOT NULL CHECK (piece <> ''),
    provider      text NOT NULL,
    provider_job  text,
    answer        jsonb,
    asked_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (transcript_id, piece),
    CONSTRAINT piece_is_answered_or_under_way CHECK (provider_job IS NOT NULL OR answer IS NOT NULL)
);
COMMENT ON TABLE transcript_pieces IS 'Pieces of recordings that a provider has answered or works on, until their transcript is complete: what is here is not asked for again';
COMMENT ON COLUMN transcript_pieces.transcript_id IS 'The transcript that is being made';
COMMENT ON COLUMN transcript_pieces.piece IS 'What was asked, as a hash: the sound, which part of it, whom and how';
COMMENT ON COLUMN transcript_pieces.provider IS 'Who was asked';
COMMENT ON COLUMN transcript_pieces.provider_job IS 'The provider''s id of work that goes on after its answer';
COMMENT ON COLUMN transcript_pieces.answer IS 'What was heard, times as the provider tells them; null while it works';
COMMENT ON COLUMN transcript_pieces.asked_at IS 'When the provider took it';

CREATE TABLE transcription_costs (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at              timestamptz NOT NULL DEFAULT now(),
    session_id      text COLLATE "C" REFERENCES call_interactions (session_id) ON DELETE SET NULL,
    transcript_id   uuid REFERENCES call_transcripts (id) ON DELETE SET NULL,
    source          text NOT NULL,
    queue_name      text,
    provider        text NOT NULL,
    model           text NOT NULL,
    piece           text NOT NULL,
    request_id      text,
    seconds         double precision NOT NULL CHECK (seconds >= 0),
    trimmed_seconds double precision NOT NULL CHECK (trimmed_seconds >= 0),
    amount_micros   bigint NOT NULL CHECK (amount_micros >= 0),
    currency        text NOT NULL
);
CREATE INDEX transcription_costs_by_time ON transcription_costs (at) INCLUDE (amount_micros);
CREATE INDEX transcription_costs_of_call ON transcription_costs (session_id) WHERE session_id IS NOT NULL;
CREATE INDEX transcription_costs_of_transcript ON transcription_costs (transcript_id) WHERE transcript_id IS NOT NULL;
COMMENT ON TABLE transcription_costs IS 'One row per answer of a provider, in the transaction that kept the answer: what it cost by our price list. Outlives the call, without its id';
COMMENT ON COLUMN transcription_costs.id IS 'Order of the answers';
COMMENT ON COLUMN transcription_costs.at IS 'When the answer was kept';
COMMENT ON COLUMN transcription_costs.session_id IS 'The call; null once it is deleted';
COMMENT ON COLUMN transcription_costs.transcript_id IS 'The transcript; null once it is deleted';
COMMENT ON COLUMN transcription_costs.source IS 'Vendor that took the call';
COMMENT ON COLUMN transcription_costs.queue_name IS 'Queue of the call';
COMMENT ON COLUMN transcription_costs.provider IS 'Who transcribed';
COMMENT ON COLUMN transcription_costs.model IS 'The provider''s model';
COMMENT ON COLUMN transcription_costs.piece IS 'As in transcript_pieces';
COMMENT ON COLUMN transcription_costs.request_id IS 'The provider''s id of the request';
COMMENT ON COLUMN transcription_costs.seconds IS 'Seconds that the provider says it charges for, else seconds sent';
COMMENT ON COLUMN transcription_costs.trimmed_seconds IS 'Seconds of silence that were not sent';
COMMENT ON COLUMN transcription_costs.amount_micros IS 'Cost by TRANSCRIPTION_PRICES, in millionths of the currency; 0 where no price is given';
COMMENT ON COLUMN transcription_costs.currency IS 'TRANSCRIPTION_CURRENCY';
