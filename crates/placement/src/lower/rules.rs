//! One arm for each kind of rule: its dense form.

use super::Lowering;
use crate::dense::DenseRule;
use crate::error::ProblemError;
use ecosystem_core::{Rule, RuleKind};

/// The dense rules a rule stands for, each with a factor of its penalty.
pub(super) fn lower_rule(
    lowering: &mut Lowering<'_>,
    rule: &Rule,
) -> Result<Vec<(DenseRule, u64)>, ProblemError> {
    let one = |rule: DenseRule| Ok(vec![(rule, 1)]);
    match &rule.kind {
        RuleKind::Together { members, domain } => {
            let group = lowering.group_of(rule, members)?;
            one(DenseRule::Together { group, partition: lowering.partition(domain) })
        }
        RuleKind::Apart { members, domain } => {
            let group = lowering.group_of(rule, members)?;
            one(DenseRule::Limit { group, partition: lowering.partition(domain), max: 1 })
        }
        RuleKind::Spread { members, domain, min_domains, max_skew } => {
            let group = lowering.group_of(rule, members)?;
            let partition = lowering.partition(domain);
            one(DenseRule::Spread { group, partition, min: *min_domains, max_skew: *max_skew })
        }
        RuleKind::Fence { members, allowed } => {
            let group = lowering.group_of(rule, members)?;
            one(DenseRule::Fence { group, hosts: lowering.flags(allowed) })
        }
        RuleKind::Ban { members, denied } => {
            let group = lowering.group_of(rule, members)?;
            let hosts = lowering.flags(denied).iter().map(|&denied| !denied).collect();
            one(DenseRule::Fence { group, hosts })
        }
        RuleKind::Lonely { members } => {
            let group = lowering.group_of(rule, members)?;
            one(DenseRule::Lonely { group })
        }
        RuleKind::MaxOnline { hosts, max } => {
            one(DenseRule::MaxOnline { hosts: lowering.flags(hosts), max: *max })
        }
        _ => Err(ProblemError::Rule {
            rule: rule.name.to_string(),
            message: "is of a kind that this version cannot place by".to_owned(),
        }),
    }
}
