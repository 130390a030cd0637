DROP INDEX jobs_by_batch;
