//! The store over a real PostgreSQL server.

#![cfg(test)]

mod bed;
mod contract;
mod database;
mod deliveries;
mod doubt;
mod duties;
mod log_in;
mod notices;
mod plans;
mod proxy;
mod row_security;
mod several;
mod tls;
mod versions;
