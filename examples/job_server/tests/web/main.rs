//! The server as its clients meet it: over real sockets, and in a real browser.
//!
//! Time is a manual clock's. What is waited for is an event; each test ends in time or fails.

mod browser;
mod client;
mod commands;
mod crowd;
mod page;
mod program;
mod site;
