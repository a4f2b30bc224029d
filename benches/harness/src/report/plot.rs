//! Plots as SVG: cost against size, shapes against the floor, threads against threads.

use std::fs;
use std::ops::Range;
use std::path::Path;

use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;

use crate::contender::Role;
use crate::record::{Entry, Quantity, Record, Verdict};
use crate::report::{short, time};
use crate::runner::BenchError;
use crate::workload::Section;

/// A line of a plot: its name, and its points.
type Line = (String, Vec<(f64, f64)>);

/// Draws all plots that the record has something for into a directory, which is made.
///
/// # Errors
///
/// The directory or a file cannot be written.
pub fn draw(record: &Record, folder: &Path) -> Result<(), BenchError> {
    let failed =
        |path: &Path, cause: String| BenchError::Plot { path: path.display().to_string(), cause };
    fs::create_dir_all(folder).map_err(|cause| failed(folder, cause.to_string()))?;
    for plot in plots(record).iter().filter(|plot| !plot.lines.is_empty()) {
        let path = folder.join(format!("{}.svg", plot.file));
        // The library's own errors are about its backends; what they say is enough.
        plot.draw(&path).map_err(|cause| failed(&path, cause.to_string()))?;
    }
    Ok(())
}

struct Plot {
    file: String,
    title: String,
    across: &'static str,
    up: String,
    /// The names of the places across, where it is not a number.
    places: Vec<String>,
    is_time: bool,
    lines: Vec<Line>,
}

fn plots(record: &Record) -> Vec<Plot> {
    let mut plots = vec![shapes(record)];
    let quantities =
        [Quantity::Step, Quantity::Build, Quantity::Drop, Quantity::Bytes, Quantity::Resident];
    for family in families(record) {
        for quantity in quantities {
            plots.push(growth(record, &family, quantity));
        }
    }
    plots.extend(threads(record));
    plots
}

fn families(record: &Record) -> Vec<String> {
    let mut families: Vec<String> = Vec::new();
    for (family, _) in record.entries.iter().filter_map(|entry| entry.growth.as_ref()) {
        if !families.contains(family) {
            families.push(family.clone());
        }
    }
    families
}

/// Adds a point to the line of that name.
fn add(lines: &mut Vec<Line>, name: &str, point: (f64, f64)) {
    match lines.iter_mut().find(|(line, _)| line == name) {
        Some((_, points)) => points.push(point),
        None => lines.push((name.to_owned(), vec![point])),
    }
}

fn is_right(entry: &Entry) -> bool {
    entry.verdict == Verdict::Right
}

fn growth(record: &Record, family: &str, quantity: Quantity) -> Plot {
    let mut lines = Vec::new();
    for entry in &record.entries {
        let Some((name, size)) = &entry.growth else { continue };
        // What was told before a process died was still measured.
        let value = entry.best(quantity).filter(|value| *value > 0.0);
        if let (true, Some(value)) = (name == family, value) {
            add(&mut lines, &entry.engine, (*size as f64, value));
        }
    }
    let what = quantity.name().replace(' ', "_");
    Plot {
        file: format!("growth_{family}_{what}"),
        title: match quantity {
            Quantity::Step => format!("Growth, {family}: a step"),
            _ => format!("Growth, {family}: {}", quantity.name()),
        },
        across: "nodes",
        up: if quantity == Quantity::Step { "a step".into() } else { quantity.name().into() },
        places: Vec::new(),
        is_time: quantity == Quantity::Step,
        lines,
    }
}

/// Each contender's step, divided by the best peer's.
fn shapes(record: &Record) -> Plot {
    let (mut lines, mut places) = (Vec::new(), Vec::new());
    let is_shape = |entry: &&Entry| matches!(entry.section, Section::Shapes | Section::Operations);
    for entry in record.entries.iter().filter(is_shape).filter(|entry| is_right(entry)) {
        let same = record.entries.iter().filter(|other| other.workload == entry.workload);
        let row: Vec<_> = same.collect();
        let best = super::markdown::best_peer(&row, Quantity::Step);
        if let (Some(step), Some(best)) = (entry.best(Quantity::Step), best) {
            if places.last() != Some(&entry.workload) {
                places.push(entry.workload.clone());
            }
            if entry.role != Role::Variant {
                add(&mut lines, &entry.engine, (places.len() as f64, step / best));
            }
        }
    }
    Plot {
        file: "shapes".to_owned(),
        title: "One step, divided by the best peer's".to_owned(),
        across: "",
        up: "÷ best peer".to_owned(),
        places,
        is_time: false,
        lines,
    }
}

/// A plot for each thread workload that was measured with several numbers of threads.
fn threads(record: &Record) -> Vec<Plot> {
    let mut plots: Vec<Plot> = Vec::new();
    for entry in record.entries.iter().filter(|entry| entry.section == Section::Threads) {
        let Some((family, count)) = entry.workload.rsplit_once('_') else { continue };
        let (Ok(count), Some(rate)) = (count.parse::<f64>(), entry.best(Quantity::Rate)) else {
            continue;
        };
        if !is_right(entry) {
            continue;
        }
        if plots.last().is_none_or(|plot| plot.file != family) {
            plots.push(Plot {
                file: family.to_owned(),
                title: family.trim_start_matches("mt_").replace('_', " "),
                across: "threads",
                up: "million a second".to_owned(),
                places: Vec::new(),
                is_time: false,
                lines: Vec::new(),
            });
        }
        if let Some(plot) = plots.last_mut() {
            add(&mut plot.lines, &entry.engine, (count, rate));
        }
    }
    plots
}

/// What a legend takes on the right.
const LEGEND: u32 = 150;

impl Plot {
    fn draw(&self, path: &Path) -> Result<(), Box<dyn std::error::Error>> {
        let points = || self.lines.iter().flat_map(|(_, points)| points);
        let values = range(points().map(|point| point.1)).log_scale();
        if self.places.is_empty() {
            let across = range(points().map(|point| point.0)).log_scale();
            return self.draw_on(path, (1000, 560), across, values);
        }
        // Names are read from left to right: places stand one below the other.
        let places = self.places.len();
        let size = (1100, 120 + 16 * places as u32);
        self.draw_on(path, size, values, 0.0..places as f64 + 1.0)
    }

    fn draw_on<X, Y>(
        &self,
        path: &Path,
        size: (u32, u32),
        across: X,
        up: Y,
    ) -> Result<(), Box<dyn std::error::Error>>
    where
        X: AsRangedCoord<Value = f64>,
        X::CoordDescType: ValueFormatter<f64>,
        Y: AsRangedCoord<Value = f64>,
        Y::CoordDescType: ValueFormatter<f64>,
    {
        let root = SVGBackend::new(path, size).into_drawing_area();
        root.fill(&WHITE)?;
        let (left, right) = root.split_horizontally(size.0 - LEGEND);
        let is_upright = !self.places.is_empty();
        let mut chart = ChartBuilder::on(&left)
            .caption(&self.title, ("sans-serif", 20))
            .margin(12)
            .x_label_area_size(50)
            .y_label_area_size(if is_upright { 190 } else { 80 })
            .build_cartesian_2d(across, up)?;
        let value = |value: &f64| if self.is_time { time(*value) } else { short(*value) };
        let name = |place: &f64| self.place(*place);
        let count = |count: &f64| format!("{count}");
        let mut mesh = chart.configure_mesh();
        mesh.light_line_style(WHITE.mix(0.0));
        if is_upright {
            mesh.x_desc(&self.up).x_label_formatter(&value);
            mesh.y_labels(self.places.len() + 2).y_label_formatter(&name);
        } else {
            mesh.x_desc(self.across).x_label_formatter(&count);
            mesh.y_desc(&self.up).y_label_formatter(&value);
        }
        mesh.draw()?;
        for (at, (name, points)) in self.lines.iter().enumerate() {
            let color = Palette99::pick(at).to_rgba();
            let points = points.iter().map(|point| self.turned(*point));
            if !is_upright {
                chart.draw_series(LineSeries::new(points.clone(), color.stroke_width(2)))?;
            }
            chart.draw_series(points.map(|point| Circle::new(point, 4, color.filled())))?;
            let down = 50 + 18 * at as i32;
            right.draw(&Circle::new((8, down + 6), 4, color.filled()))?;
            right.draw(&Text::new(name.as_str(), (20, down), ("sans-serif", 13)))?;
        }
        root.present()?;
        Ok(())
    }

    /// Places go down from the top, values to the right.
    fn turned(&self, (across, up): (f64, f64)) -> (f64, f64) {
        let places = self.places.len() as f64;
        if self.places.is_empty() { (across, up) } else { (up, places + 1.0 - across) }
    }

    fn place(&self, height: f64) -> String {
        let at = self.places.len().checked_sub(height as usize);
        at.and_then(|at| self.places.get(at)).cloned().unwrap_or_default()
    }
}

/// The values' range, a little wider.
fn range(values: impl Iterator<Item = f64>) -> Range<f64> {
    let (least, most) = values
        .fold((f64::INFINITY, 0.0_f64), |(least, most), value| (least.min(value), most.max(value)));
    if least.is_finite() { least / 1.3..most * 1.3 } else { 0.1..1.0 }
}
