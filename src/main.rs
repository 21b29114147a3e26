//! The binary; its commands come with `cli`.

fn main() {}
