//! Arguments → one call; exit codes; nothing else.

use std::process::ExitCode;

use courtside::tools;

fn main() -> ExitCode {
    tools::main()
}
