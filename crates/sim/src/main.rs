//! The simulator's command line.
fn main() {
    let a: Vec<String> = std::env::args().collect();
    unstale_sim::try_out(
        &a[1],
        a[2].parse().unwrap(),
        a[3].parse().unwrap(),
        a[4].parse().unwrap(),
    );
}
