-- What is over is removed from the ledger by its age.

-- allow index-not-concurrently: before the first release nobody has a ledger big enough to notice
CREATE INDEX jobs_ended ON jobs (finished_at) WHERE NOT open AND NOT dead;
COMMENT ON INDEX jobs_ended IS 'Jobs done or cancelled, by age, for pruning; its condition names only columns that a claim leaves alone';

-- Attempts now go as fast as they come: vacuum follows in small steps, as it does for jobs.
ALTER TABLE job_attempts SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
