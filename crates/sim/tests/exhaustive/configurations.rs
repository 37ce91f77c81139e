//! The bounds within which every state is visited.

use super::broker::Budget;
use super::model::Protocol;

pub(crate) struct Configuration {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) model: Protocol,
}

fn protocol(nodes: usize, budget: Budget) -> Protocol {
    Protocol {
        nodes,
        warm: true,
        budget,
        frame_fences: false,
        lossy_control: false,
        late_results: false,
        mutant: None,
    }
}

pub(crate) fn all() -> Vec<Configuration> {
    let none = Budget::default();
    vec![
        Configuration {
            name: "loss",
            what: "silent loss, gaps, beacons",
            model: Protocol {
                lossy_control: true,
                ..protocol(
                    2,
                    Budget {
                        writes: [1, 0, 0],
                        beacons: [2, 0, 0],
                        loads: [0, 2, 0],
                        fences: [0, 2, 0],
                        losses: [0, 2, 0],
                        ..none
                    },
                )
            },
        },
        Configuration {
            name: "break",
            what: "a broken subscription",
            model: protocol(
                2,
                Budget {
                    writes: [2, 0, 0],
                    loads: [0, 1, 0],
                    fences: [0, 1, 0],
                    breaks: [0, 1, 0],
                    ..none
                },
            ),
        },
        Configuration {
            name: "lossy-break",
            what: "a broken subscription and a loss",
            model: Protocol {
                lossy_control: true,
                ..protocol(
                    2,
                    Budget {
                        writes: [1, 1, 0],
                        beacons: [1, 0, 0],
                        fences: [0, 1, 0],
                        breaks: [0, 1, 0],
                        losses: [0, 1, 0],
                        ..none
                    },
                )
            },
        },
        Configuration {
            name: "breaks",
            what: "two broken subscriptions",
            model: protocol(
                2,
                Budget { writes: [1, 0, 0], beacons: [2, 0, 0], breaks: [0, 2, 0], ..none },
            ),
        },
        Configuration {
            name: "attempts",
            what: "late attempts, both nodes cut off",
            model: protocol(
                2,
                Budget {
                    writes: [1, 0, 0],
                    beacons: [1, 0, 0],
                    breaks: [1, 1, 0],
                    errors: 1,
                    late: 1,
                    ..none
                },
            ),
        },
        Configuration {
            name: "resend",
            what: "errors, late attempts and results, a load",
            model: Protocol {
                late_results: true,
                ..protocol(
                    2,
                    Budget {
                        writes: [2, 0, 0],
                        beacons: [0, 0, 0],
                        loads: [0, 1, 0],
                        fences: [0, 1, 0],
                        errors: 2,
                        late: 2,
                        ..none
                    },
                )
            },
        },
        Configuration {
            name: "start",
            what: "two nodes start",
            model: Protocol {
                warm: false,
                ..protocol(
                    2,
                    Budget { writes: [1, 0, 0], loads: [0, 1, 0], fences: [0, 1, 0], ..none },
                )
            },
        },
        Configuration {
            name: "restart",
            what: "the broker restarts",
            model: protocol(
                2,
                Budget {
                    writes: [1, 0, 0],
                    loads: [0, 1, 0],
                    fences: [0, 1, 0],
                    restarts: 1,
                    ..none
                },
            ),
        },
        Configuration {
            name: "fences",
            what: "fences that are frames",
            model: Protocol {
                frame_fences: true,
                ..protocol(
                    2,
                    Budget {
                        writes: [1, 0, 0],
                        fences: [0, 2, 0],
                        breaks: [0, 1, 0],
                        late_control: 1,
                        ..none
                    },
                )
            },
        },
        Configuration {
            name: "echoes",
            what: "lost echoes",
            model: Protocol {
                late_results: true,
                lossy_control: true,
                ..protocol(
                    2,
                    Budget {
                        writes: [1, 0, 0],
                        fences: [2, 0, 0],
                        losses: [1, 0, 0],
                        errors: 1,
                        late: 1,
                        ..none
                    },
                )
            },
        },
        Configuration {
            name: "three",
            what: "two askers, one witness",
            model: protocol(3, Budget { writes: [1, 0, 0], beacons: [1,0,0], breaks: [0, 1, 1], ..none }),
        },
    ]
}
