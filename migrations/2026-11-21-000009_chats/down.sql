DROP VIEW chat_states;
DROP TABLE chat_messages;
DROP TABLE chats;
