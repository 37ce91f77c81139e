//! How fast a library is when nothing fails.

use serde_json::{Value, json};

use crate::adapter::{Adapter, Refusal};
use crate::report::{Latency, Measured, rounded};

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    runs: usize,
    hit_keys: u64,
    /// How long one run of hits is to take.
    hit_seconds: f64,
    rounds: u64,
    keys: u64,
}

impl Effort {
    /// Enough for figures.
    pub const FULL: Self =
        Self { runs: 5, hit_keys: 1_000, hit_seconds: 0.5, rounds: 1_000, keys: 4_000 };
    /// Enough to see that it works.
    pub const QUICK: Self =
        Self { runs: 1, hit_keys: 1_000, hit_seconds: 0.1, rounds: 200, keys: 1_000 };
}

/// The three measurements.
#[derive(Debug)]
pub struct Speed {
    /// Hits a second.
    pub hits_per_s: Measured<f64>,
    /// From an invalidation until the other instance holds the key no longer.
    pub latency_us: Measured<Latency>,
    /// Invalidated keys a second.
    pub keys_per_s: Measured<f64>,
}

/// Measures all of it, several times each: the best run counts, for whatever else the machine does only makes it slower.
pub async fn measure(adapter: &Adapter, effort: Effort) -> Speed {
    Speed {
        hits_per_s: measured(hits(adapter, effort).await),
        latency_us: measured(latency(adapter, effort).await),
        keys_per_s: measured(throughput(adapter, effort).await),
    }
}

fn measured<T>(result: Result<T, Refusal>) -> Measured<T> {
    match result {
        Ok(value) => Measured::Value(value),
        Err(Refusal::Unsupported(unsupported)) => Measured::Not { unsupported },
        Err(failed) => Measured::Not { unsupported: format!("failed: {failed}") },
    }
}

async fn hits(adapter: &Adapter, effort: Effort) -> Result<f64, Refusal> {
    const TRIED: u64 = 20_000;
    const MOST: f64 = 1e8;
    let run = |reads: u64| async move {
        let parameters = json!({ "keys": effort.hit_keys, "reads": reads });
        let answer = adapter.measure("measure_hits", parameters).await?;
        Ok(reads as f64 / seconds(&answer)?)
    };
    // How many reads fill a run.
    let speed = run(TRIED).await?;
    let reads = (speed * effort.hit_seconds).clamp(TRIED as f64, MOST) as u64;
    let mut speeds = Vec::new();
    for _ in 0..effort.runs {
        speeds.push(run(reads).await?);
    }
    best(&speeds)
}

async fn latency(adapter: &Adapter, effort: Effort) -> Result<Latency, Refusal> {
    let mut runs = Vec::new();
    for _ in 0..effort.runs {
        let answer = adapter.measure("measure_latency", json!({ "rounds": effort.rounds })).await?;
        let micros = answer["micros"].as_array();
        let micros = micros.map(|all| all.iter().filter_map(Value::as_f64).collect());
        runs.extend(micros.and_then(Latency::of));
    }
    let best = runs.into_iter().min_by(|one, other| one.p50.total_cmp(&other.p50));
    best.ok_or_else(|| Refusal::Failed("no micros".into()))
}

async fn throughput(adapter: &Adapter, effort: Effort) -> Result<f64, Refusal> {
    let mut speeds = Vec::new();
    for _ in 0..effort.runs {
        let answer = adapter.measure("measure_throughput", json!({ "keys": effort.keys })).await?;
        speeds.push(effort.keys as f64 / seconds(&answer)?);
    }
    best(&speeds)
}

fn seconds(answer: &Value) -> Result<f64, Refusal> {
    let seconds = answer["seconds"].as_f64().filter(|seconds| *seconds > 0.0);
    seconds.ok_or_else(|| Refusal::Failed("no seconds".into()))
}

fn best(speeds: &[f64]) -> Result<f64, Refusal> {
    let best = speeds.iter().copied().max_by(f64::total_cmp);
    best.map(rounded).ok_or_else(|| Refusal::Failed("no runs".into()))
}
