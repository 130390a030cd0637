ALTER TABLE jobs DROP COLUMN batch_id;
DROP TABLE requeue_batches;
