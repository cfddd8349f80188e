//! An explanation as one JSON object. Its keys are a contract: they are added to, and not renamed.

use serde_json::{Value, json};

use crate::close_code::{CloseCode, Comparison};

/// What `code` means. `name` is null where nobody registered it.
pub(super) fn explanation(code: CloseCode) -> Value {
    let guidance = code.guidance();
    let evidence: Vec<Value> = guidance
        .evidence
        .iter()
        .map(|evidence| json!({ "table": evidence.table, "columns": evidence.columns, "shows": evidence.shows }))
        .collect();
    json!({
        "code": code.0,
        "name": code.name(),
        "kind": code.kind().name(),
        "may_be_sent": code.may_be_sent(),
        "sent_by": guidance.sender.name(),
        "clean": guidance.clean.name(),
        "trouble": guidance.trouble.name(),
        "retry": guidance.retry.name(),
        "meaning": guidance.meaning,
        "description": guidance.description,
        "use_when": guidance.use_when,
        "first_check": guidance.first_check,
        "seen_when": guidance.seen_when,
        "fixes": {
            "client": guidance.client_fixes,
            "server": guidance.server_fixes,
            "operator": guidance.operator_fixes,
        },
        "evidence": evidence,
        "references": guidance.references,
    })
}

/// What sets two codes apart; pairs of values are in the order of `codes`. `difference` and `in_capture` are null for a
/// pair of which `facts` say all.
pub(super) fn comparison(comparison: &Comparison) -> Value {
    let facts: Vec<Value> = comparison
        .facts
        .iter()
        .map(|fact| json!({ "key": fact.key, "values": fact.values, "differs": fact.differs() }))
        .collect();
    json!({
        "codes": comparison.codes.map(|code| code.0),
        "difference": comparison.difference,
        "use_when": comparison.use_when,
        "in_capture": comparison.in_capture,
        "facts": facts,
        "explanations": comparison.codes.map(explanation),
    })
}
