//! The store over a real PostgreSQL server.

#![cfg(test)]

mod bed;
mod contract;
mod database;
mod deliveries;
mod doubt;
mod duties;
mod notices;
mod proxy;
mod several;
mod tls;
mod versions;
