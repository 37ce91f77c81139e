//! Comparing subjects on a machine that does other things too: all of them in turns, in slices of milliseconds, so
//! that each meets the same weather; the ratio of two is the median of the ratios within each turn.

use std::time::Duration;

/// The processor time that the calling thread has used: what other programs take of the machine is not in it.
pub fn cpu_time() -> Duration {
    processor_time(rustix::time::ClockId::ThreadCPUTime)
}

/// The processor time that all threads of this process have used.
pub fn process_cpu_time() -> Duration {
    processor_time(rustix::time::ClockId::ProcessCPUTime)
}

fn processor_time(clock: rustix::time::ClockId) -> Duration {
    let time = rustix::time::clock_gettime(clock);
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or_default(), nanos.unwrap_or_default())
}

/// The processor time that this takes, so often.
pub fn timed(count: u64, mut body: impl FnMut(u64)) -> Duration {
    let start = cpu_time();
    for index in 0..count {
        body(index);
    }
    cpu_time() - start
}

/// Does something this often, and says how long it took.
pub type Subject<'a> = (&'a str, Box<dyn Fn(u64) -> Duration + 'a>);

/// How long a slice is to take.
const SLICE: Duration = Duration::from_millis(2);

/// What was measured of several subjects, in nanoseconds an operation: by turn, then by subject.
#[derive(Debug)]
pub struct Paired {
    names: Vec<String>,
    turns: Vec<Vec<f64>>,
}

impl Paired {
    /// Measures all subjects in so many turns.
    pub fn measure(subjects: &[Subject<'_>], turns: usize) -> Self {
        let counts: Vec<u64> = subjects.iter().map(|(_, run)| calibrated(run)).collect();
        let mut random = fastrand::Rng::with_seed(3);
        let mut order: Vec<usize> = (0..subjects.len()).collect();
        let turn = |_| {
            let mut turn = vec![0.0; subjects.len()];
            random.shuffle(&mut order);
            for &subject in &order {
                // The others have had the processor's memory meanwhile.
                (subjects[subject].1)(counts[subject]);
                let took = (subjects[subject].1)(counts[subject]);
                turn[subject] = took.as_secs_f64() * 1e9 / counts[subject] as f64;
            }
            turn
        };
        let turns = (0..turns).map(turn).collect();
        Self { names: subjects.iter().map(|(name, _)| (*name).to_owned()).collect(), turns }
    }

    /// The subjects' names.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The median of a subject, in nanoseconds an operation.
    pub fn ns(&self, subject: usize) -> f64 {
        median(self.turns.iter().map(|turn| turn[subject]).collect())
    }

    /// How many times as long as another one a subject takes.
    pub fn ratio(&self, subject: usize, to: usize) -> f64 {
        median(self.turns.iter().map(|turn| turn[subject] / turn[to]).collect())
    }
}

/// How many operations fill a slice.
fn calibrated(run: &dyn Fn(u64) -> Duration) -> u64 {
    let mut count = 1;
    loop {
        let took = run(count);
        if took >= SLICE / 2 {
            return (count as f64 * SLICE.as_secs_f64() / took.as_secs_f64()).ceil() as u64;
        }
        count *= 2;
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_three_times_as_long_has_a_ratio_of_three() {
        let takes = |each_ns: u64| move |count: u64| Duration::from_nanos(each_ns * count);
        let subjects: [Subject<'_>; 2] =
            [("floor", Box::new(takes(1_000))), ("ours", Box::new(takes(3_000)))];
        let paired = Paired::measure(&subjects, 5);
        assert!((paired.ratio(1, 0) - 3.0).abs() < 1e-9);
        assert!((paired.ns(0) - 1_000.0).abs() < 1e-9);
    }
}
