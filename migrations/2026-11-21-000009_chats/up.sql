-- What was written: conversations of chats, messengers and e-mail, and every message of them.

CREATE TABLE chats (
    session_id          text COLLATE "C" PRIMARY KEY CHECK (session_id <> ''),
    source              text NOT NULL CHECK (source IN ('webex', 'genesys', 'vapi')),
    org_id              text NOT NULL,
    channel             text NOT NULL CHECK (channel <> ''),
    queue_name          text,
    agent_id            text,
    agent_name          text,
    started_at          timestamptz NOT NULL,
    ended_at            timestamptz,
    completed_at        timestamptz,
    message_count       integer CHECK (message_count >= 0),
    parts_left_out      integer CHECK (parts_left_out >= 0),
    synced_at           timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT chat_ends_after_it_begins CHECK (ended_at >= started_at),
    CONSTRAINT complete_chat_says_how_much CHECK ((completed_at IS NULL) = (message_count IS NULL) AND (completed_at IS NULL) = (parts_left_out IS NULL))
);
COMMENT ON TABLE chats IS 'Conversations that were written, once each; whether one waits or failed, and why, is told by the view chat_states';
COMMENT ON COLUMN chats.session_id IS 'The vendor''s id of it (Webex: task id)';
COMMENT ON COLUMN chats.source IS 'Vendor';
COMMENT ON COLUMN chats.org_id IS 'Tenant';
COMMENT ON COLUMN chats.channel IS 'The vendor''s word for where it was written: chat, social, email';
COMMENT ON COLUMN chats.queue_name IS 'Last queue, if it reached one';
COMMENT ON COLUMN chats.agent_id IS 'Last agent, if one took it';
COMMENT ON COLUMN chats.agent_name IS 'The agent''s name';
COMMENT ON COLUMN chats.started_at IS 'When it began';
COMMENT ON COLUMN chats.ended_at IS 'When it ended, as far as that is told';
COMMENT ON COLUMN chats.completed_at IS 'When its messages were stored; NULL before';
COMMENT ON COLUMN chats.message_count IS 'How many messages were stored';
COMMENT ON COLUMN chats.parts_left_out IS 'Parts of the vendor''s file that are no messages';
COMMENT ON COLUMN chats.synced_at IS 'When the vendor last told of it';

CREATE INDEX chats_by_start ON chats (started_at);

CREATE TABLE chat_messages (
    session_id           text COLLATE "C" NOT NULL REFERENCES chats (session_id) ON DELETE CASCADE,
    message_key          text COLLATE "C" NOT NULL CHECK (message_key <> ''),
    place                integer NOT NULL CHECK (place >= 0),
    sent_at              timestamptz,
    odd_time             text,
    direction            text,
    message              text,
    participant_name     text,
    participant_role     text,
    participant_user_id  text,
    participant_alias_id text,
    PRIMARY KEY (session_id, message_key),
    CONSTRAINT odd_time_stands_for_a_time CHECK (sent_at IS NULL OR odd_time IS NULL)
);
COMMENT ON TABLE chat_messages IS 'Messages of conversations, once each';
COMMENT ON COLUMN chat_messages.session_id IS 'The conversation';
COMMENT ON COLUMN chat_messages.message_key IS 'Names the message within it: the vendor''s id, or a digest of what was told; told twice it is one row';
COMMENT ON COLUMN chat_messages.place IS 'Its place in the conversation, counted from 0';
COMMENT ON COLUMN chat_messages.sent_at IS 'When it was written, if told';
COMMENT ON COLUMN chat_messages.odd_time IS 'What the vendor told in place of a time, where that is none';
COMMENT ON COLUMN chat_messages.direction IS 'The vendor''s word: INBOUND, OUTBOUND';
COMMENT ON COLUMN chat_messages.message IS 'What was written';
COMMENT ON COLUMN chat_messages.participant_name IS 'Who wrote it';
COMMENT ON COLUMN chat_messages.participant_role IS 'The vendor''s word for the part taken, such as AGENT';
COMMENT ON COLUMN chat_messages.participant_user_id IS 'Id of the user, when it is one of the tenant''s';
COMMENT ON COLUMN chat_messages.participant_alias_id IS 'Id within the conversation';

-- A conversation's state is that of its job: kept in one place, the two can never disagree.
CREATE VIEW chat_states AS
SELECT chats.session_id,
       CASE WHEN jobs.state IN ('dead', 'cancelled') THEN 'error' WHEN jobs.state = 'running' THEN 'processing'
            WHEN jobs.open OR chats.completed_at IS NULL THEN 'pending' ELSE 'complete' END AS status,
       CASE WHEN jobs.state <> 'done' THEN jobs.reason END AS reason,
       jobs.id AS job_id
FROM chats LEFT JOIN jobs ON jobs.kind = 'chat' AND jobs.key = chats.session_id;
COMMENT ON VIEW chat_states IS 'How far each conversation is, and why it waits or failed';
COMMENT ON COLUMN chat_states.session_id IS 'The conversation';
COMMENT ON COLUMN chat_states.status IS 'pending, processing, complete or error';
COMMENT ON COLUMN chat_states.reason IS 'Why it waits or failed, see docs/REASONS.md';
COMMENT ON COLUMN chat_states.job_id IS 'The job that reads it';
