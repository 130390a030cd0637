-- The ledger: every piece of work, every try of it that did not simply succeed, who works, and who changed what by hand.

CREATE TABLE workers (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text NOT NULL,
    host       text NOT NULL,
    pid        integer NOT NULL,
    kinds      text[] NOT NULL,
    version    text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    ended_at   timestamptz,
    ended_by   text CHECK (ended_by IN ('drained', 'lost')),
    CONSTRAINT worker_ends_once CHECK ((ended_at IS NULL) = (expires_at IS NOT NULL) AND (ended_at IS NULL) = (ended_by IS NULL))
) WITH (fillfactor = 50);
COMMENT ON TABLE workers IS 'One row per life of a worker process; its id is the lease under which that process holds jobs';
COMMENT ON COLUMN workers.id IS 'Lease id; a process that loses its lease takes a new row';
COMMENT ON COLUMN workers.name IS 'host-pid, for people';
COMMENT ON COLUMN workers.host IS 'Machine or container';
COMMENT ON COLUMN workers.pid IS 'Process id on that machine';
COMMENT ON COLUMN workers.kinds IS 'Kinds of job it works on';
COMMENT ON COLUMN workers.version IS 'Version of Callscribe it runs';
COMMENT ON COLUMN workers.started_at IS 'When the lease began';
COMMENT ON COLUMN workers.expires_at IS 'When the lease runs out unless renewed; NULL once it ended';
COMMENT ON COLUMN workers.ended_at IS 'When the lease ended';
COMMENT ON COLUMN workers.ended_by IS 'drained: handed back by the process; lost: it ran out';

CREATE INDEX workers_alive ON workers (id) WHERE ended_at IS NULL;

CREATE TABLE jobs (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind          text NOT NULL CHECK (kind <> ''),
    key           text COLLATE "C" NOT NULL CHECK (key <> ''),
    priority      smallint NOT NULL DEFAULT 0,
    state         text NOT NULL DEFAULT 'ready' CHECK (state IN ('ready', 'running', 'done', 'dead', 'cancelled')),
    open          boolean NOT NULL GENERATED ALWAYS AS (state IN ('ready', 'running')) STORED,
    dead          boolean NOT NULL GENERATED ALWAYS AS (state = 'dead') STORED,
    run_at        timestamptz NOT NULL DEFAULT now(),
    attempt       smallint NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    max_attempts  smallint NOT NULL CHECK (max_attempts > 0),
    run           integer NOT NULL DEFAULT 0 CHECK (run >= attempt),
    put_off       integer NOT NULL DEFAULT 0 CHECK (put_off >= 0),
    lease_id      bigint,
    source        text,
    session_id    text,
    transcript_id uuid,
    payload       jsonb NOT NULL DEFAULT '{}',
    checkpoint    jsonb,
    reason        text,
    created_at    timestamptz NOT NULL DEFAULT now(),
    started_at    timestamptz,
    finished_at   timestamptz,
    CONSTRAINT same_work_is_one_row UNIQUE (kind, key),
    CONSTRAINT running_job_has_a_lease CHECK (state <> 'running' OR (lease_id IS NOT NULL AND started_at IS NOT NULL)),
    CONSTRAINT ended_job_says_when CHECK ((state IN ('done', 'dead', 'cancelled')) = (finished_at IS NOT NULL)),
    CONSTRAINT dead_job_says_why CHECK (state <> 'dead' OR reason IS NOT NULL)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
COMMENT ON TABLE jobs IS 'Every piece of work, once; the truth that Redis only hints at';
COMMENT ON COLUMN jobs.id IS 'Job id; what a hint in Redis carries';
COMMENT ON COLUMN jobs.kind IS 'sync, recording, transcription, or a kind that only a newer version knows: such rows wait untouched';
COMMENT ON COLUMN jobs.key IS 'Names the work; unique within its kind, so the same work twice is one row';
COMMENT ON COLUMN jobs.priority IS 'Lower runs first: 0 fresh calls, 10 backfill';
COMMENT ON COLUMN jobs.state IS 'See docs/state-machine.md';
COMMENT ON COLUMN jobs.open IS 'Work is left to do; kept beside state so that a claim touches no index (heap-only update)';
COMMENT ON COLUMN jobs.dead IS 'Given up until someone requeues it; kept beside state for the same reason';
COMMENT ON COLUMN jobs.run_at IS 'Not before this time';
COMMENT ON COLUMN jobs.attempt IS 'Attempts used up; an answer "later" gives its attempt back';
COMMENT ON COLUMN jobs.max_attempts IS 'Attempts allowed since it was enqueued or last requeued';
COMMENT ON COLUMN jobs.run IS 'Counts claims and never falls: with lease_id the fencing token of a finish';
COMMENT ON COLUMN jobs.put_off IS 'How often it answered "later" since it was enqueued or last requeued';
COMMENT ON COLUMN jobs.lease_id IS 'Worker that holds it while running; the last one that held it otherwise';
COMMENT ON COLUMN jobs.source IS 'Vendor, for filters and fairness';
COMMENT ON COLUMN jobs.session_id IS 'Call the work belongs to, if one';
COMMENT ON COLUMN jobs.transcript_id IS 'Transcript whose status moves with the job, if one';
COMMENT ON COLUMN jobs.payload IS 'Parameters: ids, windows; never a URL, a token or a spoken word';
COMMENT ON COLUMN jobs.checkpoint IS 'How far long work has come, so that a later run goes on from there';
COMMENT ON COLUMN jobs.reason IS 'Why it waits or died, see docs/REASONS.md';
COMMENT ON COLUMN jobs.created_at IS 'When the work became necessary';
COMMENT ON COLUMN jobs.started_at IS 'When the last run began';
COMMENT ON COLUMN jobs.finished_at IS 'When it was done, died or was cancelled';

CREATE INDEX jobs_due ON jobs (kind, priority, run_at) WHERE open;
CREATE INDEX jobs_dead ON jobs (kind, finished_at) WHERE dead;

CREATE TABLE job_attempts (
    job_id         bigint NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    run            integer NOT NULL,
    attempt        smallint NOT NULL,
    outcome        text NOT NULL CHECK (outcome IN ('later', 'failed', 'dead', 'lost', 'handed_back')),
    reason         text NOT NULL,
    error          text,
    vendor_status  integer,
    vendor_request text,
    lease_id       bigint,
    worker         text,
    started_at     timestamptz,
    ended_at       timestamptz NOT NULL DEFAULT now(),
    next_run_at    timestamptz,
    PRIMARY KEY (job_id, run)
);
COMMENT ON TABLE job_attempts IS 'Every run that did not simply succeed; a run that did is told by the job row alone';
COMMENT ON COLUMN job_attempts.job_id IS 'The job';
COMMENT ON COLUMN job_attempts.run IS 'Which claim of the job, counted from 1';
COMMENT ON COLUMN job_attempts.attempt IS 'Attempts used up when the run began, itself included';
COMMENT ON COLUMN job_attempts.outcome IS 'later: not now, no attempt used; failed: will retry; dead: gave up; lost: the lease ran out; handed_back: returned unfinished at shutdown';
COMMENT ON COLUMN job_attempts.reason IS 'Reason code, see docs/REASONS.md';
COMMENT ON COLUMN job_attempts.error IS 'The whole chain of errors, for people';
COMMENT ON COLUMN job_attempts.vendor_status IS 'HTTP status the vendor answered with, if one did';
COMMENT ON COLUMN job_attempts.vendor_request IS 'The vendor''s id of the request, for its support';
COMMENT ON COLUMN job_attempts.lease_id IS 'Lease under which it ran';
COMMENT ON COLUMN job_attempts.worker IS 'Worker that ran it, host-pid';
COMMENT ON COLUMN job_attempts.started_at IS 'When the run began';
COMMENT ON COLUMN job_attempts.ended_at IS 'When the run ended';
COMMENT ON COLUMN job_attempts.next_run_at IS 'When the job was due again, if it was';

CREATE INDEX job_attempts_by_time ON job_attempts (ended_at);

CREATE TABLE audit_log (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      timestamptz NOT NULL DEFAULT now(),
    actor   text NOT NULL,
    action  text NOT NULL,
    why     text,
    details jsonb NOT NULL DEFAULT '{}'
);
COMMENT ON TABLE audit_log IS 'What people changed by hand: who, when, why, and how much';
COMMENT ON COLUMN audit_log.id IS 'Order of the entries';
COMMENT ON COLUMN audit_log.at IS 'When';
COMMENT ON COLUMN audit_log.actor IS 'Who: user@host, or the name of an API token';
COMMENT ON COLUMN audit_log.action IS 'What: requeue, cancel, sync, …';
COMMENT ON COLUMN audit_log.why IS 'The reason they gave';
COMMENT ON COLUMN audit_log.details IS 'The filter and the counts';
