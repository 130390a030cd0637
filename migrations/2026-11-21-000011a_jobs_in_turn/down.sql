DROP INDEX jobs_in_turn;
