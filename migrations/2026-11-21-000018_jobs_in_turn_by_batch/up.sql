-- One step per class, source and requeue batch, then its jobs by the time they are due. It does all that `jobs_in_turn` did.
CREATE INDEX CONCURRENTLY jobs_in_turn_by_batch ON jobs (kind, priority, coalesce(source, ''), coalesce(batch_id, 0), run_at) WHERE open;
