//! Logging in to Webex, as a person at a terminal and in a browser does it.

mod ask;
mod browser;
mod circuit;
mod desk;
mod headless;
mod service_app;
mod token;
