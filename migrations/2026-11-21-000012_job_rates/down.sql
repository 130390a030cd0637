DROP TABLE job_rates;
