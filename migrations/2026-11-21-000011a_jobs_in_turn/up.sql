-- One step per class and source, then its jobs by the time they are due: a claim in turn reads no job of those it passes over.
CREATE INDEX CONCURRENTLY jobs_in_turn ON jobs (kind, priority, coalesce(source, ''), run_at) WHERE open;
