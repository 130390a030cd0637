//! What was written in conversations: as a workbook, and in the database.

mod command;
mod worker;
