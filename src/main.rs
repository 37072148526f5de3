//! The command line: everything else is in the library, where tests use it.

use std::process::ExitCode;

fn main() -> ExitCode {
    lienthong::cli::run()
}
