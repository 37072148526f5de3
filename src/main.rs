//! The command line: everything else is in the library, where tests use it.

use std::process::ExitCode;

/// Memory that one thread gets and another gives back is the rule here: under overload the system's allocator takes a tenth
/// of what the gateway gets done (docs/performance.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    lienthong::cli::run()
}
