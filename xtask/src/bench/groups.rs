//! Figures by group: what is compared with what.

use super::results::Figure;

/// How the subjects begin that are floors: what the rest of their group is compared with.
const FLOORS: [&str; 5] = ["quick_cache", "raw", "bare", "quiet", "tag of 1 entry"];

/// Other libraries' caches, which stand beside ours.
const OTHERS: [&str; 2] = ["moka", "foyer_memory"];

/// The unit of what is a ratio by itself.
pub(crate) const RATIO: &str = "×";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Floor,
    Ours,
    Other,
}

/// What this subject is.
pub(crate) fn kind(subject: &str) -> Kind {
    let is_one_of = |names: &[&str]| {
        names.iter().any(|name| {
            subject.strip_prefix(name).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
        })
    };
    if is_one_of(&FLOORS) {
        Kind::Floor
    } else if is_one_of(&OTHERS) {
        Kind::Other
    } else {
        Kind::Ours
    }
}

/// The figures of a group of one benchmark.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Group {
    pub(crate) bench: String,
    pub(crate) name: String,
    pub(crate) rows: Vec<Row>,
}

/// A figure, and how many times as much as its floor's it is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) subject: String,
    pub(crate) unit: String,
    pub(crate) value: f64,
    pub(crate) ratio: Option<f64>,
}

impl Group {
    /// Whether anything in it is compared with a floor.
    pub(crate) fn has_floor(&self) -> bool {
        self.rows.iter().any(|row| row.ratio.is_some())
    }

    /// Whether the same subjects are measured in both, so that they fit into one table.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        let heads = |group: &Self| -> Vec<(String, String)> {
            group.rows.iter().map(|row| (row.subject.clone(), row.unit.clone())).collect()
        };
        heads(self) == heads(other)
    }

    /// The parts of the name that say what several groups have in common, and the rest.
    pub(crate) fn family(&self) -> (&str, &str) {
        match self.name.match_indices('/').nth(1) {
            Some((at, _)) => (&self.name[..at], &self.name[at + 1..]),
            None => (&self.name, ""),
        }
    }

    fn new(figures: &[&Figure]) -> Self {
        let rows = figures.iter().filter(|it| !is_of_another(it, figures)).map(|it| Row {
            subject: it.subject.clone(),
            unit: it.unit.clone(),
            value: it.value,
            ratio: ratio_to_floor(it, figures),
        });
        Self {
            bench: figures[0].bench.clone(),
            name: figures[0].group.clone(),
            rows: rows.collect(),
        }
    }
}

/// All groups, in the order in which they were measured.
pub(crate) fn groups(figures: &[Figure]) -> Vec<Group> {
    let mut groups: Vec<Vec<&Figure>> = Vec::new();
    for figure in figures {
        let is_there = |group: &&mut Vec<&Figure>| {
            (&group[0].bench, &group[0].group) == (&figure.bench, &figure.group)
        };
        match groups.iter_mut().find(is_there) {
            Some(group) => group.push(figure),
            None => groups.push(vec![figure]),
        }
    }
    groups.iter().map(|figures| Group::new(figures)).collect()
}

/// The two subjects of a figure that is their ratio: `plain / quick_cache`, or of quantiles `ours / raw p99`.
fn pair(figure: &Figure) -> Option<(String, String)> {
    let (over, under) = figure.subject.split_once(" / ").filter(|_| figure.unit == RATIO)?;
    let over = match (quantile(over), quantile(under)) {
        (None, Some(quantile)) => format!("{over} {quantile}"),
        _ => over.to_owned(),
    };
    Some((over, under.to_owned()))
}

/// Whether this is the ratio of another figure of the group to its floor, and shown beside that.
fn is_of_another(figure: &Figure, group: &[&Figure]) -> bool {
    pair(figure).is_some_and(|(over, under)| {
        [over, under]
            .iter()
            .all(|name| group.iter().any(|it| it.subject == *name && it.unit != RATIO))
    })
}

/// How many times as much as the other a subject has: the ratio that was measured in turns, or that of the figures.
pub(crate) fn ratio(group: &[&Figure], subject: &str, to: &str) -> Option<f64> {
    let is_pair =
        |it: &Figure| pair(it).is_some_and(|(over, under)| over == subject && under == to);
    if let Some(paired) = group.iter().find(|it| is_pair(it)) {
        return Some(paired.value);
    }
    let plain = |name: &str| group.iter().find(|it| it.subject == name && it.unit != RATIO);
    let (over, under) = (plain(subject)?, plain(to)?);
    (over.unit == under.unit && under.value != 0.0).then(|| over.value / under.value)
}

/// To the first floor of the group that has the same unit; a second one is compared with it too.
fn ratio_to_floor(figure: &Figure, group: &[&Figure]) -> Option<f64> {
    let is_floor = |it: &&&Figure| {
        kind(&it.subject) == Kind::Floor
            && it.unit != RATIO
            && it.unit == figure.unit
            && variant(&it.subject) == variant(&figure.subject)
    };
    let floor = group.iter().find(is_floor)?;
    if floor.subject == figure.subject {
        None
    } else {
        ratio(group, &figure.subject, &floor.subject)
    }
}

/// What a subject and its floor have in common: a batch of 100 is compared with a batch of 100.
fn variant(subject: &str) -> Option<&str> {
    let last = subject.rsplit(' ').next()?;
    (quantile(last).is_some() || last.parse::<f64>().is_ok()).then_some(last)
}

/// Medians are compared with medians.
fn quantile(subject: &str) -> Option<&str> {
    let last = subject.rsplit(' ').next()?;
    last.strip_prefix('p')?.parse::<f64>().is_ok().then_some(last)
}

/// Whether this is about the tail of a distribution.
pub(crate) fn is_tail(subject: &str) -> bool {
    subject.split([' ', '/']).filter_map(quantile).any(|it| it != "p50") || subject.ends_with("max")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::results::figure;

    #[test]
    fn each_figure_is_compared_with_its_floor() {
        let figures = [
            figure("ratios", "hit", "quick_cache", "ns", 10.0),
            figure("ratios", "hit", "plain", "ns", 12.0),
            figure("ratios", "hit", "plain / quick_cache", RATIO, 1.25),
            figure("ratios", "hit", "moka", "ns", 100.0),
            figure("transport", "redis", "raw p50", "µs", 100.0),
            figure("transport", "redis", "raw p99", "µs", 200.0),
            figure("transport", "redis", "ours p50", "µs", 110.0),
            figure("transport", "redis", "ours p99", "µs", 300.0),
            figure("transport", "redis", "ours / raw p99", RATIO, 1.4),
            figure("transport", "redis", "ours / sum of others", RATIO, 0.9),
            figure("transport", "redis", "ours", "keys/s", 5.0),
            figure("transport", "redis", "raw, singly", "1/s", 2.0),
            figure("transport", "redis", "raw, many", "1/s", 6.0),
        ];
        let groups = groups(&figures);
        assert_eq!(groups.len(), 2);
        let ratios = |group: &Group| group.rows.iter().map(|row| row.ratio).collect::<Vec<_>>();
        // What was measured in turns counts, not the ratio of the medians.
        assert_eq!(ratios(&groups[0]), [None, Some(1.25), Some(10.0)]);
        assert_eq!(
            ratios(&groups[1]),
            [None, None, Some(1.1), Some(1.4), None, None, None, Some(3.0)]
        );
        assert!(groups.iter().all(Group::has_floor));
        assert!(!groups[0].is_like(&groups[1]));
    }

    #[test]
    fn batches_are_compared_with_batches_of_their_size() {
        let figures = ["1", "100"].map(|size| {
            let value = |ns: f64| ns * size.parse::<f64>().unwrap();
            let floor =
                figure("invalidate", "batch", &format!("quick_cache {size}"), "ns", value(10.0));
            [floor, figure("invalidate", "batch", &format!("unstale {size}"), "ns", value(20.0))]
        });
        let groups = groups(figures.as_flattened());
        let ratios: Vec<_> = groups[0].rows.iter().map(|row| row.ratio).collect();
        assert_eq!(ratios, [None, Some(2.0), None, Some(2.0)]);
    }

    #[test]
    fn subjects_are_told_apart_by_their_names() {
        assert_eq!(kind("quick_cache"), Kind::Floor);
        assert_eq!(kind("raw redis-rs p50"), Kind::Floor);
        assert_eq!(kind("rawhide"), Kind::Ours);
        assert_eq!(kind("foyer_memory"), Kind::Other);
        assert_eq!(kind("moka - quick_cache"), Kind::Other);
        assert_eq!(kind("unstale - quick_cache"), Kind::Ours);
        assert_eq!(kind("plain"), Kind::Ours);
        assert!(is_tail("ours p99") && is_tail("ours p99 / raw p99") && is_tail("since max"));
        assert!(!is_tail("ours p50") && !is_tail("plain / quick_cache"));
    }

    #[test]
    fn families_have_two_parts_in_common() {
        let group = |name: &str| Group::new(&[&figure("hit", name, "plain", "ns", 1.0)]);
        assert_eq!(group("hit/arc/hot/1").family(), ("hit/arc", "hot/1"));
        assert_eq!(group("hit/arc").family(), ("hit/arc", ""));
        assert_eq!(group("tag").family(), ("tag", ""));
    }
}
