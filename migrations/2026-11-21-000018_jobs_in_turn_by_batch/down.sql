DROP INDEX jobs_in_turn_by_batch;
