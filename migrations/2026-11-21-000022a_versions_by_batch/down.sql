DROP INDEX call_transcripts_by_batch;
