-- OAuth tokens, sealed before they reach this table.

CREATE TABLE oauth_tokens (
    name               text PRIMARY KEY CHECK (name <> ''),
    org_id             text,
    access_token       bytea,
    access_expires_at  timestamptz,
    refresh_token      bytea NOT NULL,
    refresh_expires_at timestamptz,
    scope              text,
    version            bigint NOT NULL DEFAULT 1,
    refreshing_until   timestamptz,
    refreshing_by      text,
    refused_at         timestamptz,
    refused_why        text,
    seeds              text[] NOT NULL DEFAULT '{}',
    updated_at         timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE oauth_tokens IS 'One row per OAuth credential; both tokens sealed with CALLSCRIBE_ENCRYPTION_KEY';
COMMENT ON COLUMN oauth_tokens.name IS 'Credential, e.g. webex';
COMMENT ON COLUMN oauth_tokens.org_id IS 'Tenant the tokens belong to, as the vendor said';
COMMENT ON COLUMN oauth_tokens.access_token IS 'Sealed access token; NULL until the first refresh';
COMMENT ON COLUMN oauth_tokens.access_expires_at IS 'When the access token ends';
COMMENT ON COLUMN oauth_tokens.refresh_token IS 'Sealed refresh token, the newest the vendor gave';
COMMENT ON COLUMN oauth_tokens.refresh_expires_at IS 'When the refresh token ends, if the vendor said';
COMMENT ON COLUMN oauth_tokens.scope IS 'Scopes granted, if the vendor said';
COMMENT ON COLUMN oauth_tokens.version IS 'Counts token pairs; a refresh succeeds only from the version it read';
COMMENT ON COLUMN oauth_tokens.refreshing_until IS 'One process refreshes; the others wait until it is done or this time has passed';
COMMENT ON COLUMN oauth_tokens.refreshing_by IS 'Which process refreshes';
COMMENT ON COLUMN oauth_tokens.refused_at IS 'When the vendor refused the refresh token: a person must log in again';
COMMENT ON COLUMN oauth_tokens.refused_why IS 'What the vendor said then';
COMMENT ON COLUMN oauth_tokens.seeds IS 'SHA-256 of the refresh tokens taken from the settings, newest last; a setting seen before is not taken again';
COMMENT ON COLUMN oauth_tokens.updated_at IS 'When the token pair last changed';
