//! The binary: the allocator, then: hands the arguments to `cli` and exits with what it returns.

use std::process::ExitCode;

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOC: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    weir::cli::main(std::env::args_os()).into()
}
