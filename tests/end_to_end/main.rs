//! The program from outside: its commands, its server, its files, and what is left after it was killed.
//!
//! Nothing here links the ledger: every step is a process or a request, as a user makes them, some by the client for Rust. Each test has a data
//! directory of its own, and waits for nothing but by looking again, a bounded number of times.

#![cfg(test)]

mod abuse;
mod airtable;
mod client;
mod client_lost_answers;
mod client_restart;
mod client_role;
mod client_work;
mod clock;
mod collector;
mod commands;
mod compat;
mod configuration;
mod cutting_proxy;
mod demo;
mod duties;
mod events;
mod fail_over;
mod foreign;
mod gateway;
mod http;
mod import;
mod kill;
mod message;
mod moving;
mod moving_rows;
mod output;
mod postgres;
mod postgres_as_file;
mod program;
mod receiver;
mod seeing;
mod servers;
mod tables;
mod tables_in_database;
mod tls;
mod tokens;
mod traces;
mod webhooks;
mod webhooks_tls;
