//! Results as Markdown tables.

use crate::figures::Figures;
use crate::generation;
use crate::jobs;
use crate::joiner;
use crate::memory;
use crate::stats::median;
use crate::stories::Rates;
use crate::targets::{Bound, Target};
use crate::throughput::Results;
use crate::turns;

/// A table with its columns aligned; all but the first to the right.
fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].chars().count(), 3]).max().unwrap_or(3)
    };
    let widths: Vec<_> = (0..head.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let cells = cells.zip(&widths).enumerate().map(|(i, (cell, width))| {
            let width = *width;
            if i == 0 {
                format!("{cell:<width$}")
            } else {
                format!("{cell:>width$}")
            }
        });
        format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
    };
    let rule = |(i, width): (usize, &usize)| {
        let dashes = "-".repeat(*width + 1);
        if i == 0 {
            format!("{dashes}-")
        } else {
            format!("{dashes}:")
        }
    };
    let rules: Vec<_> = widths.iter().enumerate().map(rule).collect();
    let mut text = line(&mut head.iter().copied());
    text.extend(["|", &rules.join("|"), "|\n"]);
    for row in rows {
        text += &line(&mut row.iter().map(String::as_str));
    }
    text
}

/// All sides of a group, medians of the rounds.
pub fn throughput(results: &Results) -> String {
    let bodies: Vec<_> = results
        .bodies
        .iter()
        .map(|(form, bytes)| format!("{} {bytes}", form.name()))
        .collect();
    let rows: Vec<_> = results
        .sides
        .iter()
        .map(|m| row(m.side.name(), m.side.at(), &m.rounds))
        .collect();
    format!(
        "### {}\n\nBodies in bytes: {}.\n\n{}",
        results.title,
        bodies.join(", "),
        table(&HEAD, &rows)
    )
}

const HEAD: [&str; 8] = [
    "side",
    "at",
    "requests/s",
    "spread",
    "p50 µs",
    "p99 µs",
    "CPU µs",
    "generator µs",
];

/// One side's cells, medians of the rounds.
fn row(side: String, at: usize, rounds: &[Figures]) -> Vec<String> {
    let rates: Vec<_> = rounds.iter().map(|f| f.rate).collect();
    let middle = |figure: fn(&Figures) -> f64| number(median(&rounds.iter().map(figure).collect::<Vec<_>>()));
    let generator = rounds.iter().any(|f| f.generator_cpu.is_some());
    vec![
        side,
        at.to_string(),
        number(median(&rates)),
        percent(spread(&rates)),
        middle(|f| f.p50),
        middle(|f| f.p99),
        middle(|f| f.cpu),
        if generator {
            middle(|f| f.generator_cpu.unwrap_or(f64::NAN))
        } else {
            "–".to_owned()
        },
    ]
}

/// Servers that were measured in turns, medians of the rounds.
pub fn turns(measured: &turns::Table) -> String {
    let mut head = HEAD.to_vec();
    if measured.mirrors {
        head.push("GB/s");
    }
    let rows: Vec<_> = measured
        .records
        .iter()
        .map(|record| {
            let mut cells = row(record.side.to_owned(), record.at, &record.rounds);
            if measured.mirrors {
                let rates: Vec<_> = record.rounds.iter().map(|f| f.rate).collect();
                cells.push(number(measured.gigabytes(median(&rates))));
            }
            cells
        })
        .collect();
    format!(
        "### {}\n\nBody in bytes: {}.\n\n{}",
        measured.title,
        measured.bytes,
        table(&head, &rows)
    )
}

/// Texts that were written side by side, medians of the rounds.
pub fn generation(title: &str, records: &[generation::Record]) -> String {
    let head = [
        "side",
        "at",
        "tokens/s",
        "spread",
        "requests/s",
        "p50 ms",
        "p99 ms",
        "CPU µs a token",
    ];
    let rows: Vec<_> = records
        .iter()
        .map(|record| {
            let of = |figure: fn(&Rates) -> f64| record.rounds.iter().map(figure).collect::<Vec<_>>();
            let middle = |figure: fn(&Rates) -> f64| number(median(&of(figure)));
            vec![
                record.side.to_owned(),
                record.at.to_string(),
                middle(|f| f.tokens),
                percent(spread(&of(|f| f.tokens))),
                middle(|f| f.requests),
                middle(|f| f.p50),
                middle(|f| f.p99),
                middle(|f| f.cpu),
            ]
        })
        .collect();
    format!("### {title}\n\n{}", table(&head, &rows))
}

/// What joins texts under way, all rounds together.
pub fn joiner(rounds: &[joiner::Round]) -> String {
    let steps: Vec<f64> = rounds.iter().flat_map(|r| r.steps.iter().copied()).collect();
    let each: Vec<f64> = rounds.iter().map(|r| r.step).collect();
    let cells = vec![
        steps.len().to_string(),
        number(median(&steps)),
        number(steps.iter().copied().fold(0.0, f64::max)),
        number(joiner::wait(rounds, 50)),
        number(joiner::wait(rounds, 99)),
        number(median(&each)),
    ];
    let head = [
        "joiners",
        "steps, median",
        "steps, maximum",
        "first chunk p50 ms",
        "first chunk p99 ms",
        "a step ms",
    ];
    format!("### A late joiner beside 8 texts\n\n{}", table(&head, &[cells]))
}

pub fn memory(measured: &[memory::Measured]) -> String {
    let rows: Vec<_> = measured
        .iter()
        .map(|m| {
            let figures = [m.median(|m| m.rss), m.median(|m| m.pss), m.median(|m| m.anonymous)];
            let cells = figures.iter().map(|megabytes| format!("{megabytes:.1}"));
            std::iter::once(m.replicas.to_string()).chain(cells).collect()
        })
        .collect();
    format!(
        "### Memory, 100 MB model\n\n{}",
        table(&["replicas", "RSS MB", "PSS MB", "anonymous MB"], &rows)
    )
}

/// Interactive requests without and with a backlog of jobs, medians of the rounds.
pub fn waiting(measured: &[jobs::Waiting]) -> String {
    let head = ["requests", "jobs", "requests/s", "p50 µs", "p99 µs", "jobs/s"];
    let row = |title: &str, jobs: &str, rounds: &[Figures], ran: String| {
        let middle = |figure: fn(&Figures) -> f64| number(median(&rounds.iter().map(figure).collect::<Vec<_>>()));
        let figures = [middle(|f| f.rate), middle(|f| f.p50), middle(|f| f.p99)];
        let mut cells = vec![title.to_owned(), jobs.to_owned()];
        cells.extend(figures);
        cells.push(ran);
        cells
    };
    let rows: Vec<_> = measured
        .iter()
        .flat_map(|load| {
            [
                row(&load.title, "none", &load.without, "–".to_owned()),
                row(&load.title, "waiting", &load.with, number(median(&load.jobs))),
            ]
        })
        .collect();
    format!(
        "### Requests before {} jobs that wait and run\n\n{}",
        jobs::BACKLOG,
        table(&head, &rows)
    )
}

pub fn targets(targets: &[Target]) -> String {
    let rows: Vec<_> = targets
        .iter()
        .map(|target| {
            let unit = |value: String| format!("{value} {}", target.unit).trim_end().to_owned();
            let met = if target.met() { "yes" } else { "no" };
            let (bound, met) = match target.bound {
                Bound::AtLeast(least) => (unit(format!("≥ {least}")), met),
                Bound::AtMost(most) => (unit(format!("≤ {most}")), met),
                Bound::Open => ("–".to_owned(), "–"),
            };
            let rounds: Vec<_> = target.rounds.iter().map(|v| number(*v)).collect();
            vec![
                target.name.clone(),
                bound,
                unit(number(target.reached())),
                met.to_owned(),
                rounds.join(" "),
            ]
        })
        .collect();
    format!(
        "### Targets\n\n{}",
        table(&["figure", "target", "measured", "met", "rounds"], &rows)
    )
}

/// Three digits or so.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// From the lowest to the highest, beside the median.
fn spread(values: &[f64]) -> f64 {
    let most = values.iter().copied().fold(f64::MIN, f64::max);
    let least = values.iter().copied().fold(f64::MAX, f64::min);
    (most - least) / median(values)
}

fn percent(ratio: f64) -> String {
    format!("{:.0} %", ratio * 100.0)
}
