//! What happened when, in the run that is shown.

use serde_json::Value;

use super::Shown;
use crate::plan::{Fault, FaultKind};
use crate::report::{Mark, NodeRow, Shade, Timeline};

pub(super) fn of(shown: &Shown) -> Timeline {
    let mut nodes = shown.rows.clone();
    if let Some(failure) = &shown.failure {
        mark(&mut nodes, &failure.violation);
    }
    Timeline {
        seed: shown.plan.seed,
        duration_ms: shown.plan.duration_ms as f64,
        heal_ms: shown.plan.heal_ms as f64,
        nodes,
        shades: shown.plan.faults.iter().map(shade).collect(),
        commits_ms: shown.commits_ms.clone(),
    }
}

/// Where it concerns nobody in particular it concerns all.
fn mark(rows: &mut [NodeRow], violation: &crate::Violation) {
    for (node, row) in rows.iter_mut().enumerate() {
        if violation.nodes.is_empty() || violation.nodes.contains(&node) {
            row.marks.push(Mark {
                at_ms: violation.at_ns as f64 / 1e6,
                kind: "violation".to_owned(),
                detail: format!("{}: {}", violation.guarantee, violation.what),
            });
        }
    }
}

fn shade(fault: &Fault) -> Shade {
    Shade {
        from_ms: fault.at_ms as f64,
        to_ms: fault.ends_ms() as f64,
        kind: fault.kind.name().to_owned(),
        nodes: fault.kind.nodes(),
        label: label(&fault.kind),
    }
}

/// `delay: for 300 ms, latency 20 ms, node 1`.
fn label(kind: &FaultKind) -> String {
    let Ok(Value::Object(fields)) = serde_json::to_value(kind) else {
        return kind.name().to_owned();
    };
    let details: Vec<_> = fields
        .iter()
        .filter(|(name, value)| *name != "fault" && !value.is_null())
        .map(|(name, value)| match name.strip_suffix("_ms") {
            Some(name) => format!("{} {value} ms", name.replace('_', " ")),
            None => format!("{} {value}", name.replace('_', " ")),
        })
        .collect();
    if details.is_empty() {
        kind.name().to_owned()
    } else {
        format!("{}: {}", kind.name(), details.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_say_what_a_plan_says() {
        let delay = FaultKind::Delay { node: 1, latency_ms: 20, for_ms: 300 };
        assert_eq!(label(&delay), "delay: for 300 ms, latency 20 ms, node 1");
        assert_eq!(label(&FaultKind::Demotion), "demotion");
    }
}
