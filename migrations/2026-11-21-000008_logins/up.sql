-- Who logged in, and since when the vendor refuses what came of it.

ALTER TABLE oauth_tokens
    ADD COLUMN login_at      timestamptz,
    ADD COLUMN login_by      text,
    ADD COLUMN login_way     text CHECK (login_way IN ('browser', 'headless', 'refresh_token', 'settings')),
    ADD COLUMN refused_since timestamptz;
COMMENT ON COLUMN oauth_tokens.login_at IS 'When the credential was last given to us; NULL for one given before this column was';
COMMENT ON COLUMN oauth_tokens.login_by IS 'Who gave it, user@host; NULL when it came from the settings';
COMMENT ON COLUMN oauth_tokens.login_way IS 'browser or headless: a person logged in; refresh_token: of a service app, by hand; settings: WEBEX_CC_REFRESH_TOKEN';
COMMENT ON COLUMN oauth_tokens.refused_since IS 'When the refusals began that refused_at is the last of; means nothing while refused_at is NULL';
