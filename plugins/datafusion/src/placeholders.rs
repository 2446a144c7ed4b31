// SPDX-License-Identifier: Apache-2.0
//! The parameters of a native text with the numbers that `sql_parameter_names_read_native` counts: `?` is one more than the largest so far,
//! `?2` and `$2` are the second, and `$name` has a number of its own from its first place on. By their places in the text, for the tree has what
//! stands before FROM first.
use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::common::{Result, plan_err};
use datafusion::sql::sqlparser::ast::{Statement, Value, ValueWithSpan, VisitMut, VisitorMut};
use datafusion::sql::sqlparser::tokenizer::Location;

/// The first time they are gathered, the second time they get their numbers.
#[derive(Default)]
struct Placeholders {
    found: Vec<(Location, String)>,
    numbers: Option<HashMap<Location, u64>>,
}

impl VisitorMut for Placeholders {
    type Break = ();

    fn pre_visit_value(&mut self, value: &mut ValueWithSpan) -> ControlFlow<()> {
        let start = value.span.start;
        if let Value::Placeholder(text) = &mut value.value {
            match self.numbers.as_ref().map(|numbers| numbers.get(&start)) {
                None => self.found.push((start, text.clone())),
                Some(Some(number)) => *text = format!("${number}"),
                Some(None) => {}
            }
        }
        ControlFlow::Continue(())
    }
}

fn number(found: &[(Location, String)]) -> Result<HashMap<Location, u64>> {
    let mut largest = 0;
    let mut names = HashMap::new();
    let mut numbers = HashMap::new();
    for (place, text) in found {
        let number = match text[1..].parse::<u64>() {
            Ok(number) => number,
            Err(_) if text == "?" => largest + 1,
            Err(_) => *names.entry(text.as_str()).or_insert(largest + 1),
        };
        largest = largest.max(number);
        if place.line == 0 || numbers.insert(*place, number).is_some() {
            return plan_err!("the place of a parameter isn't known: number it, as in $1");
        }
    }
    Ok(numbers)
}

/// Every parameter becomes `$1`, `$2` and so on.
pub fn write_numbers(statement: &mut Statement) -> Result<()> {
    let mut placeholders = Placeholders::default();
    let _ = statement.visit(&mut placeholders);
    placeholders.found.sort_by_key(|(place, _)| (place.line, place.column));
    placeholders.numbers = Some(number(&placeholders.found)?);
    let _ = statement.visit(&mut placeholders);
    Ok(())
}
