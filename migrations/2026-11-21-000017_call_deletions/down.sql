DROP TABLE call_deletions;
