DROP TABLE audit_log;
DROP TABLE job_attempts;
DROP TABLE jobs;
DROP TABLE workers;
