//! The store over a real PostgreSQL server.

mod bed;
mod contract;
mod database;
mod doubt;
mod proxy;
mod several;
