//! Reads what criterion leaves in its folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::Value;

use super::results::Figure;
use crate::Done;

/// Figures of all subjects in criterion's folder, in the order in which they were measured: the median of each.
pub(crate) fn figures(bench: &str, home: &Path) -> Done<Vec<Figure>> {
    let mut found = Vec::new();
    find(home, &mut found)?;
    found.sort();
    found.iter().map(|(_, folder)| figure(bench, folder)).collect()
}

/// The folders with a result, and when each was written.
fn find(folder: &Path, found: &mut Vec<(SystemTime, PathBuf)>) -> Done {
    for entry in fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))? {
        let path = entry?.path();
        if !path.is_dir() {
            continue;
        }
        let estimates = path.join("estimates.json");
        if path.ends_with("new") && estimates.exists() {
            found.push((fs::metadata(&estimates)?.modified()?, path));
        } else {
            find(&path, found)?;
        }
    }
    Ok(())
}

fn figure(bench: &str, folder: &Path) -> Done<Figure> {
    let read = |name: &str| -> Done<Value> {
        Ok(serde_json::from_str(&fs::read_to_string(folder.join(name))?)?)
    };
    let (benchmark, estimates) = (read("benchmark.json")?, read("estimates.json")?);
    let parsed = parsed(bench, &benchmark, &estimates);
    Ok(parsed.map_err(|missing| format!("{}: no {missing}", folder.display()))?)
}

fn parsed(bench: &str, benchmark: &Value, estimates: &Value) -> Result<Figure, &'static str> {
    let group = benchmark["group_id"].as_str().ok_or("group")?;
    let mut subject: Vec<&str> = Vec::new();
    subject.extend(benchmark["function_id"].as_str());
    subject.extend(benchmark["value_str"].as_str());
    let median_ns = estimates["median"]["point_estimate"].as_f64().ok_or("median")?;
    let throughput = benchmark["throughput"].as_object().and_then(|it| it.iter().next());
    let (unit, value) = match throughput.and_then(|(kind, count)| Some((kind, count.as_f64()?))) {
        None => ("ns", median_ns),
        Some((kind, count)) if kind == "Elements" => ("ns/element", median_ns / count),
        Some((kind, count)) if kind == "Bytes" => ("ns/byte", median_ns / count),
        Some(_) => return Err("throughput of a known kind"),
    };
    Ok(Figure {
        bench: bench.to_owned(),
        group: group.to_owned(),
        subject: subject.join(" "),
        unit: unit.to_owned(),
        value,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::bench::results::figure;

    #[test]
    fn results_are_found_in_the_order_of_measuring() -> Done {
        let home = std::env::temp_dir().join(format!("xtask-criterion-{}", std::process::id()));
        // The floor was measured first, and is not the first by its name.
        for (seconds, subject, median) in [(1, "quick_cache", 20.0), (2, "plain", 30.0)] {
            let folder = home.join("hit_hot").join(subject).join("new");
            fs::create_dir_all(&folder)?;
            // The comparison with the last run has estimates too.
            fs::create_dir_all(home.join("hit_hot").join(subject).join("change"))?;
            let benchmark = json!({ "group_id": "hit/hot", "function_id": subject });
            fs::write(folder.join("benchmark.json"), benchmark.to_string())?;
            let estimates = json!({ "mean": { "point_estimate": 99.0 }, "median": { "point_estimate": median } });
            fs::write(folder.join("estimates.json"), estimates.to_string())?;
            let file = fs::File::options().append(true).open(folder.join("estimates.json"))?;
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))?;
        }
        let found = figures("hit", &home)?;
        fs::remove_dir_all(&home)?;
        let expected = [("quick_cache", 20.0), ("plain", 30.0)];
        let expected = expected.map(|(name, ns)| figure("hit", "hit/hot", name, "ns", ns));
        assert_eq!(found, expected);
        Ok(())
    }

    #[test]
    fn what_is_done_many_times_at_once_counts_once_each() {
        let benchmark = json!({
            "group_id": "invalidate", "function_id": "batch", "value_str": "100",
            "throughput": { "Elements": 100 },
        });
        let estimates = json!({ "median": { "point_estimate": 5_000.0 } });
        let expected = figure("invalidate", "invalidate", "batch 100", "ns/element", 50.0);
        assert_eq!(parsed("invalidate", &benchmark, &estimates), Ok(expected));
        assert_eq!(parsed("invalidate", &benchmark, &json!({})), Err("median"));
        assert_eq!(parsed("invalidate", &json!({}), &estimates), Err("group"));
    }
}
