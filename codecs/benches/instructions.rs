//! Counts the instructions of each step of a proxied exchange, under `valgrind --tool=callgrind`.
//!
//! Two runs of different length are compared, so that what happens once does not count. The figures
//! are the same in each run, whatever else the machine does.
//!
//! `cargo bench -p codecs --bench instructions`; with `-- run SHAPE COUNT` it only runs the exchange,
//! for callgrind by hand.

mod exchange;

use exchange::{Exchange, SHAPES, STEPS};
use std::process::Command;

fn main() {
    let args: Vec<_> = std::env::args().collect();
    match args.iter().position(|arg| arg == "run") {
        Some(at) => run(&args[at + 1], args[at + 2].parse().expect("a count")),
        None => print_table(),
    }
}

fn run(shape: &str, count: u32) {
    let mut exchange = Exchange::new(shape);
    (0..count).for_each(|_| exchange.run());
}

#[expect(clippy::print_stdout, reason = "the table is what is wanted")]
fn print_table() {
    print!("{:16}", "instructions");
    SHAPES.iter().for_each(|shape| print!("{:>10}", shape.name));
    let mut sums = vec![0; SHAPES.len()];
    for step in STEPS {
        print!("\n{step:16}");
        for (shape, sum) in SHAPES.iter().zip(&mut sums) {
            let count = (collect(shape.name, step, 1100) - collect(shape.name, step, 100)) / 1000;
            *sum += count;
            print!("{count:>10}");
        }
    }
    print!("\n{:16}", "all");
    sums.iter().for_each(|sum| print!("{sum:>10}"));
    println!();
}

/// Instructions spent within one step while the exchange is run `count` times.
fn collect(shape: &str, step: &str, count: u32) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(format!("--toggle-collect=*::{step}"))
        .arg(std::env::current_exe().expect("a path"))
        .args(["run", shape, &count.to_string()])
        .output()
        .expect("valgrind is installed");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let line = told.lines().find_map(|line| line.split_once("Collected :"));
    let number = line.and_then(|(_, number)| number.trim().parse().ok());
    number.expect("valgrind tells what it collected")
}
