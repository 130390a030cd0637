-- What enqueued a job, so that its runs link to it.

ALTER TABLE jobs ADD COLUMN trace_parent text;
COMMENT ON COLUMN jobs.trace_parent IS 'traceparent (W3C Trace Context) of the run or request that enqueued it; NULL where nothing was traced';
