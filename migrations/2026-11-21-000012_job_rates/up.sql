-- How fast work comes and goes, by the minute: written with the jobs themselves, so that nobody has to count a million rows.

CREATE TABLE job_rates (
    minute   timestamptz NOT NULL,
    backend  integer NOT NULL,
    kind     text NOT NULL,
    source   text NOT NULL,
    arrived  bigint NOT NULL DEFAULT 0,
    done     bigint NOT NULL DEFAULT 0,
    setbacks bigint NOT NULL DEFAULT 0,
    run_ms   bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (minute, backend, kind, source)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
COMMENT ON TABLE job_rates IS 'Jobs that came and went per minute, for rates and advice; kept for hours, the truth about jobs is in jobs';
COMMENT ON COLUMN job_rates.minute IS 'Beginning of the minute in which the transaction began';
COMMENT ON COLUMN job_rates.backend IS 'Server process that wrote the row: each has rows of its own, so that no two transactions wait for each other';
COMMENT ON COLUMN job_rates.kind IS 'Kind of job';
COMMENT ON COLUMN job_rates.source IS 'Vendor; empty for jobs of none';
COMMENT ON COLUMN job_rates.arrived IS 'Jobs enqueued by other work; the scheduler''s own ticks are not counted';
COMMENT ON COLUMN job_rates.done IS 'Jobs that were done';
COMMENT ON COLUMN job_rates.setbacks IS 'Runs that ended otherwise: later, failed, dead, handed back';
COMMENT ON COLUMN job_rates.run_ms IS 'Milliseconds that all these runs took a slot';
