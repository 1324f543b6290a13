//! Relations without a server, for tests.

use serde_json::{Value, json};

use crate::catalog::relation::Relation;

/// A relation of `public`, named and with columns as `relations.sql` reads them; each is a table that
/// `postgres` owns, with row security, and whose columns are text, but for what its row says.
pub(crate) fn relation(row: Value, columns: &[Value]) -> Relation {
    let columns: Vec<Value> = columns.iter().map(|row| over(column(), row)).collect();
    let table = json!({
        "oid": 1, "schema": "public", "name": "things", "kind": "r", "owner": "postgres",
        "is_owner_unbound": true, "is_security_invoker": false, "row_security": "on",
        "columns": columns, "update_triggers": null, "may_swallow_updates": false,
        "has_truncate_trigger": false, "trigger_source": null, "is_deferrable": false,
        "bounds": null,
    });
    serde_json::from_value(over(table, &row)).expect("a relation")
}

fn column() -> Value {
    json!({
        "name": "value", "type_name": "text", "base_type": "text", "category": "S",
        "length": null, "not_null": false, "has_default": false, "default": null,
        "is_generated": false, "generation": null, "identity": "", "parts": 0, "labels": null,
        "element_labels": null,
    })
}

/// An object with the fields of another one in place of its own.
fn over(mut object: Value, other: &Value) -> Value {
    for (field, value) in other.as_object().expect("an object") {
        object[field] = value.clone();
    }
    object
}
