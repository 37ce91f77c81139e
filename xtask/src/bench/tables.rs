//! Tables and plots of figures.

use std::fmt::Write as _;

use super::groups::{Group, Kind, Row, kind};
use super::number::{times, with_unit};
use super::plot::{Bar, Panel, Plot};

/// Groups with the same subjects, which share a table and a plot.
#[derive(Debug)]
pub(crate) struct Section<'g> {
    pub(crate) name: String,
    pub(crate) groups: Vec<&'g Group>,
}

/// The groups of one benchmark in sections, in their order.
pub(crate) fn sections(groups: &[Group]) -> Vec<Section<'_>> {
    let mut sections: Vec<Section<'_>> = Vec::new();
    for group in groups {
        let family = group.family().0;
        let belongs =
            |section: &&mut Section<'_>| section.name == family && section.groups[0].is_like(group);
        match sections.iter_mut().find(belongs) {
            Some(section) => section.groups.push(group),
            None => sections.push(Section { name: family.to_owned(), groups: vec![group] }),
        }
    }
    for section in &mut sections {
        // A group without others of its family is called by its whole name.
        if let [group] = section.groups[..] {
            section.name.clone_from(&group.name);
        }
    }
    sections
}

impl Section<'_> {
    /// A row for each subject, a column for each group; of a single group the ratios have a column of their own.
    pub(crate) fn table(&self) -> String {
        if let [group] = self.groups[..] {
            return table_of(group);
        }
        let titles: Vec<&str> = self.groups.iter().map(|group| self.title(group)).collect();
        let mut table =
            format!("| | {} |\n| --- |{}\n", titles.join(" | "), " ---: |".repeat(titles.len()));
        for (index, first) in self.groups[0].rows.iter().enumerate() {
            let _ = write!(table, "| {} |", first.subject);
            for group in &self.groups {
                let Row { value, unit, ratio, .. } = &group.rows[index];
                let ratio = ratio.map(|ratio| format!(", {}", times(ratio)));
                let _ =
                    write!(table, " {}{} |", with_unit(*value, unit), ratio.unwrap_or_default());
            }
            table.push('\n');
        }
        table
    }

    /// The bars, if there is something to be compared: ratios to the floor, or else figures of one unit.
    pub(crate) fn plot(&self) -> Option<Plot> {
        let first = self.groups[0];
        let unit = first.rows[0].unit.as_str();
        let (length, unit, bar): (_, _, fn(&Row) -> Option<Bar>) = if first.has_floor() {
            ("times as much as the floor".to_owned(), "×", ratio_bar)
        } else if first.rows.len() > 1 && first.rows.iter().all(|row| row.unit == unit) {
            (unit.to_owned(), unit, value_bar)
        } else {
            return None;
        };
        let panel = |group: &&Group| Panel {
            title: self.title(group).to_owned(),
            bars: group.rows.iter().filter_map(bar).collect(),
        };
        Some(Plot {
            title: self.name.clone(),
            length,
            unit: unit.to_owned(),
            panels: self.groups.iter().map(panel).collect(),
        })
    }

    /// What distinguishes a group from the others of the section.
    fn title<'g>(&self, group: &'g Group) -> &'g str {
        if self.name == group.name { "" } else { group.family().1 }
    }
}

fn table_of(group: &Group) -> String {
    let mut table = if group.has_floor() {
        String::from("| | | to the floor |\n| --- | ---: | ---: |\n")
    } else {
        String::from("| | |\n| --- | ---: |\n")
    };
    for Row { subject, unit, value, ratio } in &group.rows {
        let _ = write!(table, "| {subject} | {} |", with_unit(*value, unit));
        if group.has_floor() {
            let _ = write!(table, " {} |", ratio.map(times).unwrap_or_default());
        }
        table.push('\n');
    }
    table
}

fn ratio_bar(row: &Row) -> Option<Bar> {
    let kind = kind(&row.subject);
    let value = with_unit(row.value, &row.unit);
    let (length, value) = match row.ratio {
        Some(ratio) => (ratio, format!("{} · {value}", times(ratio))),
        None if kind == Kind::Floor => (1.0, value),
        None => return None,
    };
    Some(Bar { label: row.subject.clone(), kind, length, value })
}

fn value_bar(row: &Row) -> Option<Bar> {
    Some(Bar {
        label: row.subject.clone(),
        kind: kind(&row.subject),
        length: row.value,
        value: with_unit(row.value, &row.unit),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::groups::groups;
    use crate::bench::results::figure;

    #[test]
    fn groups_with_the_same_subjects_share_a_table() {
        let mut figures = Vec::new();
        for (name, floor) in [("hit/arc/1", 20.0), ("hit/arc/2", 40.0)] {
            figures.push(figure("hit", name, "quick_cache", "ns", floor));
            figures.push(figure("hit", name, "plain", "ns", 50.0));
        }
        figures.push(figure("hit", "hit/arc/stream", "quiet", "ns", 30.0));
        figures.push(figure("hit", "hit/arc/stream", "busy", "ns", 33.0));
        figures.push(figure("hit", "idle", "frames", "frames", 3.0));
        let groups = groups(&figures);
        let sections = sections(&groups);
        let names: Vec<&str> = sections.iter().map(|section| section.name.as_str()).collect();
        assert_eq!(names, ["hit/arc", "hit/arc/stream", "idle"]);
        assert_eq!(
            sections[0].table(),
            "| | 1 | 2 |\n| --- | ---: | ---: |\n\
             | quick_cache | 20 ns | 40 ns |\n\
             | plain | 50 ns, 2.50× | 50 ns, 1.25× |\n"
        );
        let stream = sections[1].table();
        assert!(stream.ends_with("| quiet | 30 ns |  |\n| busy | 33 ns | 1.10× |\n"), "{stream}");
        assert_eq!(sections[2].table(), "| | |\n| --- | ---: |\n| frames | 3 frames |\n");
        let panels = |section: &Section<'_>| section.plot().map(|plot| plot.panels.len());
        assert_eq!(sections.iter().map(panels).collect::<Vec<_>>(), [Some(2), Some(1), None]);
    }
}
