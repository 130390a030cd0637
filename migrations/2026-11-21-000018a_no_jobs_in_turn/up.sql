-- A running older version finds its classes and sources as the first columns of `jobs_in_turn_by_batch`; its claims in turn sort more meanwhile.
DROP INDEX CONCURRENTLY jobs_in_turn;
