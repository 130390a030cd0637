-- Live control: what people paused and scaled, and which worker is told to drain.

CREATE TABLE controls (
    action       text NOT NULL CHECK (action IN ('pause', 'scale')),
    scope        text NOT NULL CHECK (scope IN ('all', 'kind', 'source')),
    subject      text COLLATE "C" NOT NULL,
    jobs_at_once smallint CHECK (jobs_at_once > 0),
    since        timestamptz NOT NULL DEFAULT now(),
    actor        text NOT NULL,
    why          text,
    PRIMARY KEY (action, scope, subject),
    CONSTRAINT only_a_scale_has_a_number CHECK ((action = 'scale') = (jobs_at_once IS NOT NULL)),
    CONSTRAINT only_kinds_are_scaled CHECK (action = 'pause' OR scope = 'kind'),
    CONSTRAINT all_has_no_subject CHECK ((scope = 'all') = (subject = ''))
);
COMMENT ON TABLE controls IS 'What people paused and scaled while everything runs; a row is in force until it is taken back';
COMMENT ON COLUMN controls.action IS 'pause: nothing of it is claimed; scale: jobs at once in one process';
COMMENT ON COLUMN controls.scope IS 'What the subject is: everything, a kind of job, a source';
COMMENT ON COLUMN controls.subject IS 'The kind or source; empty for everything';
COMMENT ON COLUMN controls.jobs_at_once IS 'For a scale: jobs of the kind at once in one process, in place of CONCURRENCY_<KIND>';
COMMENT ON COLUMN controls.since IS 'Since when it is in force';
COMMENT ON COLUMN controls.actor IS 'Who: user@host';
COMMENT ON COLUMN controls.why IS 'The reason they gave';

ALTER TABLE workers ADD COLUMN draining_since timestamptz, ADD COLUMN draining_by text, ADD COLUMN draining_why text;
-- allow constraint-not-valid: a row per life of a process, a few thousand, and both columns were added just above
ALTER TABLE workers ADD CONSTRAINT drain_says_who CHECK ((draining_since IS NULL) = (draining_by IS NULL));
COMMENT ON COLUMN workers.draining_since IS 'When a person told the process to drain and exit; NULL: nobody did';
COMMENT ON COLUMN workers.draining_by IS 'Who told it: user@host';
COMMENT ON COLUMN workers.draining_why IS 'The reason they gave';
