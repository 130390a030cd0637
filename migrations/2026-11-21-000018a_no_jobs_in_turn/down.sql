CREATE INDEX CONCURRENTLY jobs_in_turn ON jobs (kind, priority, coalesce(source, ''), run_at) WHERE open;
