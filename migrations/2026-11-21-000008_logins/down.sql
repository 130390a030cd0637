ALTER TABLE oauth_tokens DROP COLUMN refused_since, DROP COLUMN login_way, DROP COLUMN login_by, DROP COLUMN login_at;
