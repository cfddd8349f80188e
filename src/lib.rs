//! Tells why WebSockets closed, from packet captures alone.

pub mod analyze;
pub mod capture;
pub mod close_code;
pub mod connection;
pub mod dataframe;
pub mod error;
pub mod flow;
pub mod http;
pub mod limits;
pub mod packet;
pub mod report;
pub mod tcp;
pub mod websocket;
