ALTER TABLE workers DROP CONSTRAINT drain_says_who, DROP COLUMN draining_since, DROP COLUMN draining_by, DROP COLUMN draining_why;
DROP TABLE controls;
