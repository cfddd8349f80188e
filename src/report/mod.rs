//! Reports: what an analysis found, for people on a terminal and as files for other programs. One file per output.

pub mod directory;
pub mod explain;
mod figures;
pub mod staged;
pub mod summary;
pub mod terminal;
