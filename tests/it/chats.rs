//! What was written in conversations: as a workbook, and in the database.

mod again;
mod command;
mod worker;
