//! The bounds within which every state is visited.

use super::broker::Budget;
use super::frames::NODES;
use super::model::Protocol;

/// A model with its bounds.
pub(crate) struct Configuration {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) model: Protocol,
}

/// Nobody is prompt.
const SLOW: [bool; NODES] = [false; NODES];
/// The first node is prompt: it writes and answers, and the others are looked at.
const FIRST: [bool; NODES] = [true, false, false];
const PROMPT: [bool; NODES] = [true; NODES];

const NONE: Budget = Budget {
    writes: [0; NODES],
    loads: [0; NODES],
    fences: [0; NODES],
    beacons: [0; NODES],
    breaks: [0; NODES],
    losses: [0; NODES],
    errors: 0,
    control_errors: 0,
    late: 0,
    late_control: 0,
    restarts: 0,
};

fn bounds(
    name: &'static str,
    what: &'static str,
    nodes: usize,
    prompt: [bool; NODES],
    budget: Budget,
) -> Configuration {
    let model = Protocol {
        nodes,
        warm: true,
        budget,
        frame_fences: false,
        lossy_control: false,
        late_results: false,
        prompt,
        answered: false,
        mutant: None,
    };
    Configuration { name, what, model }
}

impl Configuration {
    fn cold(mut self) -> Self {
        self.model.warm = false;
        self
    }

    fn frame_fences(mut self) -> Self {
        self.model.frame_fences = true;
        self
    }

    fn lossy_control(mut self) -> Self {
        self.model.lossy_control = true;
        self
    }

    fn answered(mut self) -> Self {
        self.model.answered = true;
        self
    }

    fn late_results(mut self) -> Self {
        self.model.late_results = true;
        self
    }
}

/// What every run visits.
pub(crate) fn all() -> Vec<Configuration> {
    let mut all = of_fair_weather_and_loss();
    all.extend(of_broken_subscriptions());
    all.extend(of_single_rules());
    all
}

fn of_fair_weather_and_loss() -> Vec<Configuration> {
    let loss = Budget {
        writes: [1, 0, 0],
        beacons: [2, 0, 0],
        loads: [0, 1, 0],
        fences: [0, 1, 0],
        losses: [0, 2, 0],
        ..NONE
    };
    let attempts = Budget {
        writes: [2, 0, 0],
        loads: [0, 1, 0],
        fences: [0, 1, 0],
        errors: 1,
        late: 1,
        ..NONE
    };
    let echoes = Budget {
        writes: [1, 0, 0],
        fences: [2, 0, 0],
        losses: [1, 0, 0],
        errors: 1,
        late: 1,
        ..NONE
    };
    let start = Budget { writes: [1, 0, 0], loads: [0, 1, 0], fences: [0, 1, 0], ..NONE };
    vec![
        bounds("loss", "frames and replays are lost", 2, SLOW, loss).lossy_control(),
        bounds("attempts", "publishes fail, or are accepted late", 2, SLOW, attempts)
            .late_results(),
        bounds("echoes", "own echoes are lost", 2, SLOW, echoes).lossy_control().late_results(),
        bounds("start", "two nodes start", 2, FIRST, start).cold(),
    ]
}

fn of_broken_subscriptions() -> Vec<Configuration> {
    let cut = Budget {
        writes: [2, 0, 0],
        loads: [0, 1, 0],
        fences: [0, 1, 0],
        breaks: [0, 1, 0],
        ..NONE
    };
    let lossy = Budget {
        writes: [1, 0, 0],
        beacons: [1, 0, 0],
        fences: [0, 1, 0],
        breaks: [0, 1, 0],
        losses: [0, 1, 0],
        ..NONE
    };
    let twice = Budget { writes: [1, 0, 0], beacons: [1, 0, 0], breaks: [0, 2, 0], ..NONE };
    let sync_errors = Budget {
        writes: [1, 0, 0],
        beacons: [1, 0, 0],
        breaks: [0, 1, 0],
        control_errors: 1,
        late_control: 1,
        ..NONE
    };
    let restart =
        Budget { writes: [1, 0, 0], loads: [0, 1, 0], fences: [0, 1, 0], restarts: 1, ..NONE };
    let three = Budget { writes: [1, 0, 0], beacons: [1, 0, 0], breaks: [0, 1, 1], ..NONE };
    vec![
        bounds("cut", "a subscription breaks", 2, SLOW, cut),
        bounds("cut and loss", "a subscription breaks, a frame is lost", 2, FIRST, lossy)
            .lossy_control(),
        bounds("cut twice", "a subscription breaks again", 2, FIRST, twice),
        bounds(
            "sync errors",
            "`Sync` and answers fail, or are accepted late",
            2,
            FIRST,
            sync_errors,
        ),
        bounds("restart", "the broker restarts", 2, FIRST, restart),
        bounds("three", "two askers and one witness", 3, PROMPT, three).answered(),
    ]
}

/// Each just wide enough for one rule to matter.
fn of_single_rules() -> Vec<Configuration> {
    let teaching = Budget {
        writes: [1, 0, 0],
        fences: [0, 1, 0],
        breaks: [1, 0, 0],
        losses: [0, 1, 0],
        ..NONE
    };
    let gap_and_cut = Budget {
        writes: [1, 0, 0],
        beacons: [1, 0, 0],
        fences: [0, 1, 0],
        breaks: [0, 1, 0],
        losses: [0, 1, 0],
        ..NONE
    };
    let contact = Budget { beacons: [1, 1, 0], ..gap_and_cut };
    let baseline = Budget { beacons: [0; NODES], ..gap_and_cut };
    let parts = Budget { fences: [0; NODES], ..gap_and_cut };
    let both = Budget { writes: [1, 0, 0], beacons: [1, 0, 0], breaks: [1, 1, 0], ..NONE };
    let mark = Budget { errors: 1, late: 1, ..both };
    let unsynced = Budget { breaks: [0, 2, 0], ..both };
    let replayed = Budget {
        writes: [0, 1, 0],
        beacons: [1, 0, 0],
        breaks: [2, 0, 0],
        losses: [0, 1, 0],
        ..NONE
    };
    let barrier = Budget {
        writes: [2, 0, 0],
        beacons: [1, 0, 0],
        loads: [0, 1, 0],
        fences: [0, 1, 0],
        losses: [0, 1, 0],
        ..NONE
    };
    let fences =
        Budget { writes: [1, 0, 0], fences: [0, 2, 0], breaks: [0, 1, 0], late_control: 1, ..NONE };
    vec![
        bounds("teaching", "a vector shows a loss", 2, FIRST, teaching),
        bounds("first contact", "a replay names an unknown origin", 2, PROMPT, contact).answered(),
        bounds("baseline", "an adopted vector holds a lost frame", 2, FIRST, baseline),
        bounds("parts", "a part of an answer is lost", 2, PROMPT, parts).lossy_control(),
        bounds("both cut", "the witness is cut too", 2, PROMPT, both),
        bounds("late mark", "the mark is accepted again, late", 2, PROMPT, mark).answered(),
        bounds("unsynced", "a cut before the sync is over", 2, PROMPT, unsynced),
        bounds("replayed", "a witness that was itself told", 2, PROMPT, replayed),
        bounds("barrier", "a load that a gap overtakes", 2, PROMPT, barrier),
        bounds("frame fences", "a fence is accepted late", 2, FIRST, fences).frame_fences(),
    ]
}

/// What takes minutes.
pub(crate) fn wide() -> Vec<Configuration> {
    let attempts = Budget {
        writes: [2, 0, 0],
        loads: [0, 1, 0],
        fences: [0, 1, 0],
        errors: 2,
        late: 2,
        ..NONE
    };
    let lossy = Budget {
        writes: [1, 0, 0],
        beacons: [1, 1, 0],
        fences: [0, 1, 0],
        breaks: [0, 1, 0],
        losses: [0, 1, 0],
        ..NONE
    };
    let both = Budget {
        writes: [1, 0, 0],
        beacons: [1, 0, 0],
        breaks: [1, 1, 0],
        errors: 1,
        late: 1,
        ..NONE
    };
    let sync_errors = Budget {
        writes: [1, 0, 0],
        beacons: [1, 0, 0],
        breaks: [0, 1, 0],
        control_errors: 2,
        late_control: 2,
        ..NONE
    };
    let start = Budget { writes: [1, 0, 0], loads: [0, 1, 0], fences: [0, 1, 0], ..NONE };
    let restart =
        Budget { writes: [1, 1, 0], loads: [0, 1, 0], fences: [0, 1, 0], restarts: 1, ..NONE };
    let three = Budget { writes: [1, 0, 0], beacons: [1, 0, 0], breaks: [0, 1, 1], ..NONE };
    vec![
        bounds("wide attempts", "as *attempts*, twice", 2, SLOW, attempts).late_results(),
        bounds("wide loss", "as *first contact*, with control frames lost", 2, PROMPT, lossy)
            .lossy_control(),
        bounds("wide mark", "as *late mark*, unanswered", 2, PROMPT, both),
        bounds("wide sync errors", "as *sync errors*, twice", 2, FIRST, sync_errors),
        bounds("wide start", "as *start*, all slow", 2, SLOW, start).cold(),
        bounds("wide restart", "as *restart*, both write", 2, FIRST, restart),
        bounds("wide three", "as *three*, unanswered", 3, PROMPT, three),
    ]
}
