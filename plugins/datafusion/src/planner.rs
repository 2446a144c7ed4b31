// SPDX-License-Identifier: Apache-2.0
//! From a text to a logical plan. Names are looked up in the statement alone: there is no catalog, no file, and nothing that writes.
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::catalog::cte_worktable::CteWorkTable;
use datafusion::common::config::ConfigOptions;
use datafusion::common::{ParamValues, Result, ScalarValue, TableReference, plan_err};
use datafusion::datasource::provider_as_source;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::planner::{ContextProvider, ExprPlanner};
use datafusion::logical_expr::{AggregateUDF, Expr, HigherOrderUDF, LogicalPlan, ScalarUDF, TableSource, WindowUDF};
use datafusion::sql::parser::{DFParserBuilder, Statement as Parsed};
use datafusion::sql::planner::{ParserOptions, SqlToRel};
use datafusion::sql::sqlparser::ast::{Select, SelectFlavor, SelectItem, VisitMut, VisitorMut, WildcardAdditionalOptions};
use datafusion::sql::sqlparser::dialect::GenericDialect;

use crate::abi::Value;
use crate::functions::{BARRED, is_barred};
use crate::{membership, placeholders, refusals};
use crate::statement::Statement;
use crate::tables::MirrorTable;

/// Of a native text: no scan of a translation's.
const NO_SCAN: u32 = u32::MAX;

struct Names<'a> {
    state: &'a SessionState,
    statement: &'a Arc<Statement>,
    native: bool,
}

fn number(argument: &Expr) -> Result<u32> {
    match argument {
        Expr::Literal(ScalarValue::Int64(Some(number)), _) if u32::try_from(*number).is_ok() => Ok(*number as u32),
        other => plan_err!("mirror_scan takes two numbers, not {other}"),
    }
}

impl Names<'_> {
    fn source(&self, table: u32, scan: u32) -> Result<Arc<dyn TableSource>> {
        Ok(provider_as_source(Arc::new(MirrorTable::new(self.statement, table, scan)?)))
    }
}

impl ContextProvider for Names<'_> {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        if !self.native {
            return plan_err!("there is no table {name}");
        }
        self.source(self.statement.named(&name.to_string())?, NO_SCAN)
    }

    fn get_table_function_source(&self, name: &str, arguments: Vec<Expr>) -> Result<Arc<dyn TableSource>> {
        match (name, arguments.as_slice()) {
            ("mirror_scan", [table, scan]) if !self.native => self.source(number(table)?, number(scan)?),
            _ => plan_err!("there is no table function {name} of {} arguments", arguments.len()),
        }
    }

    fn create_cte_work_table(&self, name: &str, schema: SchemaRef) -> Result<Arc<dyn TableSource>> {
        Ok(provider_as_source(Arc::new(CteWorkTable::new(name, schema))))
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        self.state.expr_planners()
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.state.scalar_functions().get(name).cloned()
    }

    fn get_higher_order_meta(&self, _name: &str) -> Option<Arc<HigherOrderUDF>> {
        None
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.state.aggregate_functions().get(name).cloned()
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.state.window_functions().get(name).cloned()
    }

    fn get_variable_type(&self, _names: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        self.state.config_options()
    }

    fn udf_names(&self) -> Vec<String> {
        self.state.scalar_functions().keys().cloned().collect()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        vec![]
    }

    fn udaf_names(&self) -> Vec<String> {
        self.state.aggregate_functions().keys().cloned().collect()
    }

    fn udwf_names(&self) -> Vec<String> {
        self.state.window_functions().keys().cloned().collect()
    }
}

fn scalar(value: &Value) -> ScalarValue {
    let bytes = || match value.length {
        0 => &[][..],
        length => unsafe { std::slice::from_raw_parts(value.bytes.cast::<u8>(), length as usize) },
    };
    match value.kind {
        1 => ScalarValue::Int64(Some(value.integer)),
        2 => ScalarValue::Float64(Some(value.real)),
        3 => ScalarValue::Utf8View(Some(String::from_utf8_lossy(bytes()).into_owned())),
        4 => ScalarValue::BinaryView(Some(bytes().to_vec())),
        _ => ScalarValue::Null,
    }
}

/// `$p0`, `$p1` and so on of a translated text; `$1`, `$2` of a native one.
fn parameters(values: &[Value], native: bool) -> ParamValues {
    if native {
        return ParamValues::from(values.iter().map(scalar).collect::<Vec<_>>());
    }
    let named = values.iter().enumerate().map(|(at, value)| (format!("p{at}"), scalar(value)));
    ParamValues::from(named.collect::<HashMap<_, _>>())
}

/// `FROM t` is `SELECT * FROM t`: the parser knows it, and the planner would make rows without columns of it.
struct AllColumns;

impl VisitorMut for AllColumns {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        if select.flavor == SelectFlavor::FromFirstNoSelect {
            select.projection = vec![SelectItem::Wildcard(WildcardAdditionalOptions::default())];
        }
        ControlFlow::Continue(())
    }
}

fn complete(parsed: &mut Parsed, native: bool) -> Result<()> {
    match parsed {
        Parsed::Statement(statement) => {
            let _ = statement.visit(&mut AllColumns);
            if native { placeholders::write_numbers(statement) } else { Ok(()) }
        }
        Parsed::Explain(explain) => complete(&mut explain.statement, native),
        _ => Ok(()),
    }
}

pub fn plan(
    state: &SessionState,
    statement: &Arc<Statement>,
    sql: &str,
    values: &[Value],
    native: bool,
) -> Result<LogicalPlan> {
    if values.iter().any(|value| value.kind == 2 && is_barred(value.real)) {
        return plan_err!("{BARRED}");
    }
    let dialect = GenericDialect {};
    let limit = state.config_options().sql_parser.recursion_limit;
    let mut parsed = DFParserBuilder::new(sql).with_dialect(&dialect).with_recursion_limit(limit.into()).build()?.parse_statements()?;
    let (Some(mut one), None) = (parsed.pop_front(), parsed.pop_front()) else {
        return plan_err!("one statement is expected");
    };
    let readable = matches!(&one, Parsed::Statement(_) | Parsed::Explain(_));
    if !readable {
        return plan_err!("only statements that read are accepted");
    }
    complete(&mut one, native)?;
    let names = Names { state, statement, native };
    let options = ParserOptions::from(&state.config_options().sql_parser);
    let plan = SqlToRel::new_with_options(&names, options).statement_to_plan(one)?;
    let reading = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    reading.verify_plan(&plan)?;
    let plan = membership::rewrite(plan, &state.runtime_env().memory_pool)?;
    refusals::check(&plan)?;
    if values.is_empty() { Ok(plan) } else { plan.with_param_values(parameters(values, native)) }
}
