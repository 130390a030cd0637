//! The tables as diesel sees them, column for column as `migrations/` leave them (`tests/it/calls/schema.rs` compares the two).
//! Bulk statements are written as SQL beside the questions they answer; these files keep their column names honest.

pub(crate) mod calls;
pub(crate) mod work;
