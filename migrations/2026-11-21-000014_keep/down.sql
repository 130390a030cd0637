ALTER TABLE job_attempts RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_cost_delay);
DROP INDEX jobs_ended;
