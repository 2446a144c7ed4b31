// SPDX-License-Identifier: Apache-2.0
//! Plans that DataFusion computes otherwise than their text says. The host has SQLite answer them.
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{JoinType, Result, not_impl_err};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, LogicalPlan};

/// Of groups that are joined and grouped again it believes that the first groups' keys tell everything of a row, and then leaves out keys
/// of an ORDER BY. Right where a join only chooses among the rows of one side, as EXCEPT and INTERSECT do.
fn check_groups(plan: &LogicalPlan, above: u8) -> Result<()> {
    let grouped = matches!(plan, LogicalPlan::Aggregate(_) | LogicalPlan::Distinct(_));
    let above = match plan {
        _ if grouped && above == 2 => return not_impl_err!("groups of groups that are joined"),
        _ if grouped && above == 0 => 1,
        LogicalPlan::Join(join) if above == 1 && !matches!(join.join_type, JoinType::LeftSemi | JoinType::LeftAnti) => 2,
        _ => above,
    };
    plan.inputs().into_iter().try_for_each(|input| check_groups(input, above))
}

fn is_table(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::TableScan(_) => true,
        LogicalPlan::SubqueryAlias(alias) => is_table(&alias.input),
        _ => false,
    }
}

/// What is constant in a side that an outer join pads with NULLs isn't constant behind it: an ORDER BY of it gets lost.
fn check_outer_join(plan: &LogicalPlan) -> Result<()> {
    let LogicalPlan::Join(join) = plan else { return Ok(()) };
    let (left, right) = match join.join_type {
        JoinType::Left => (false, true),
        JoinType::Right => (true, false),
        JoinType::Full => (true, true),
        _ => (false, false),
    };
    if (left && !is_table(&join.left)) || (right && !is_table(&join.right)) {
        return not_impl_err!("an outer join of a subquery");
    }
    Ok(())
}

pub fn has_in_subquery(expression: &Expr) -> bool {
    expression.exists(|part| Ok(matches!(part, Expr::InSubquery(_) | Expr::SetComparison(_)))).unwrap_or(true)
}

/// IN a subquery is made a join, to which NULL is the same as no: right where a condition stands alone. What `membership` has made is gone.
fn check_in_subquery(plan: &LogicalPlan) -> Result<()> {
    let alone = |condition: &Expr| matches!(condition, Expr::InSubquery(within) if !within.negated);
    for expression in plan.expressions() {
        for condition in split_conjunction(&expression) {
            if !(alone(condition) && matches!(plan, LogicalPlan::Filter(_))) && has_in_subquery(condition) {
                return not_impl_err!("IN a subquery, but for a condition that stands alone");
            }
        }
    }
    Ok(())
}

pub fn check(plan: &LogicalPlan) -> Result<()> {
    plan.apply_with_subqueries(|node| {
        check_outer_join(node)?;
        check_in_subquery(node)?;
        check_groups(node, 0)?;
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}
