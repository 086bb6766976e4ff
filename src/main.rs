//! Arguments → one call; exit codes; nothing else.

fn main() {}
