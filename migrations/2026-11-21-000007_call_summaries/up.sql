-- What a vendor's assistant made of a call, where a tenant has one.

CREATE TABLE call_summaries (
    session_id          text COLLATE "C" PRIMARY KEY REFERENCES call_interactions (session_id) ON DELETE CASCADE,
    source              text NOT NULL CHECK (source IN ('webex', 'genesys', 'vapi')),
    summary             jsonb NOT NULL CHECK (jsonb_typeof(summary) = 'object'),
    chosen_wrap_up_code text CHECK (chosen_wrap_up_code <> ''),
    stored_at           timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE call_summaries IS 'One row per call that the vendor''s assistant summarised; most calls have none';
COMMENT ON COLUMN call_summaries.session_id IS 'The call';
COMMENT ON COLUMN call_summaries.source IS 'Vendor whose assistant made it';
COMMENT ON COLUMN call_summaries.summary IS 'post_call and mid_call: lists of notes, each with the fields the assistant filled; see docs/TRANSCRIPT_JSON.md';
COMMENT ON COLUMN call_summaries.chosen_wrap_up_code IS 'Wrap-up code the agent chose in the assistant; fills call_interactions.wrap_up_code only while no vendor record tells one';
COMMENT ON COLUMN call_summaries.stored_at IS 'When it was last stored';
