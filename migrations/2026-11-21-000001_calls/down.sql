DROP TABLE quarantined_payloads;
DROP TABLE call_transcripts;
DROP TABLE call_recordings;
DROP TABLE call_interactions;
DROP TABLE app_settings;
