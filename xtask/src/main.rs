//! The developer's commands: `cargo xtask test`, `bench [name]`, `prove <name>`, `openapi`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "commands speak to people on the terminal")]

mod gateway;
mod packages;
mod run;
mod tools;

use std::path::Path;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", max_term_width = 110)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// All tests; sets up what they need
    Test,
    /// Full-volume proofs; without a name the list is printed
    Prove { name: Option<String> },
    /// Benchmarks, each beside a probe of the same run; without a name all of them
    Bench { name: Option<String> },
    /// Writes docs/openapi.json from the code
    Openapi,
}

fn main() -> Result<()> {
    // Paths below are those of the workspace, wherever the command was called.
    std::env::set_current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))?;
    match Arguments::parse().command {
        Command::Test => run::test(),
        Command::Prove { name } => run::prove(name.as_deref()),
        Command::Bench { name } => run::bench(name.as_deref()),
        Command::Openapi => run::openapi(),
    }
}
