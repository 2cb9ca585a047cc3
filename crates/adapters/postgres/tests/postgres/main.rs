//! The store over a real PostgreSQL server.

#![cfg(test)]

mod bed;
mod contract;
mod database;
mod deliveries;
mod doubt;
mod duties;
mod notices;
mod log_in;
mod log_in;
mod notices;
mod plans;
mod proxy;
mod several;
mod tls;
mod versions;
