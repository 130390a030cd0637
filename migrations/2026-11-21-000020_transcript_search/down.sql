DROP TABLE transcript_search;
