-- Only jobs of batches, which at first are none; a claim changes no column of it.
CREATE INDEX CONCURRENTLY jobs_by_batch ON jobs (batch_id) WHERE batch_id IS NOT NULL;
