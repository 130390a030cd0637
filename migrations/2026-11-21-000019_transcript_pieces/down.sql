DROP TABLE transcription_costs;
DROP TABLE transcript_pieces;
