//! The house rules that a compiler does not hold us to: layers, module headers, sizes, and documents that say what the code says.

mod alerts;
mod behaviours;
mod commands;
mod deployment;
mod documents;
mod kubernetes;
mod layers;
mod migrations;
mod schema;
mod source_text;
mod states;
