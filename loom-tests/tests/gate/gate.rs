use crate::scenario::*;
pub fn main(scenarios: Vec<Scenario>) {
    let name = std::env::args().nth(1).expect("name");
    let s = scenarios.iter().find(|s| s.name.starts_with(&format!("{name}_"))).expect("scenario");
    explore(s);
}
