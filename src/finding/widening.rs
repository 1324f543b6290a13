//! Who of the data sees more after a migration than before.

use std::collections::BTreeMap;

use crate::check::audience::widening::Widening;
use crate::finding::cause::Cause;
use crate::finding::proof::Proof;
use crate::finding::rule::Rule;
use crate::finding::subject::Subject;
use crate::finding::symptoms::Symptoms;
use crate::finding::value::Finding;
use crate::migrate::applied::MigrationName;
use crate::names::QualifiedName;

/// Who sees more than before a migration, one finding per version and relation.
pub(crate) fn judge(widenings: &[Widening]) -> Vec<Finding> {
    let mut grouped: BTreeMap<(&MigrationName, &QualifiedName), Vec<&Widening>> = BTreeMap::new();
    for widening in widenings {
        grouped.entry((&widening.migration, &widening.relation)).or_default().push(widening);
    }
    grouped.into_values().filter_map(|all| finding(&all)).collect()
}

/// One finding, proved by the first who sees more.
fn finding(all: &[&Widening]) -> Option<Finding> {
    let first = all.first()?;
    let symptoms = Symptoms::Widening {
        migration: first.migration.clone(),
        readers: all.iter().map(|widening| widening.reader.clone()).collect(),
        values: first.values,
    };
    let proof = Proof::Seen {
        reader: first.reader.clone(),
        statement: first.statement.clone(),
        value: first.example.clone(),
        audience: first.audience.clone(),
    };
    Some(Finding {
        cause: Some(Cause::Migration(first.migration.clone())),
        evidence: Some(proof),
        ..Finding::new(Rule::AccessWidened, Subject::Relation(first.relation.clone()), symptoms)
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn widening(version: i64, relation: &str, reader: &str) -> Widening {
        Widening {
            migration: MigrationName { version, name: "copy".into() },
            relation: QualifiedName::new("public", relation),
            reader: reader.into(),
            values: 2,
            example: "a secret".into(),
            audience: vec!["alice".into()],
            statement: format!("select text from public.{relation}"),
        }
    }

    #[test]
    fn there_is_one_finding_for_each_version_and_relation() {
        let widenings = [
            widening(10, "lines", "bob"),
            widening(2, "lines", "bob"),
            widening(2, "lines", "carol"),
            widening(2, "copy", "carol"),
        ];
        let found = judge(&widenings);
        let told: Vec<String> = found
            .iter()
            .map(|finding| match &finding.symptoms {
                Symptoms::Widening { migration, readers, .. } => {
                    format!("{migration} {} {}", finding.subject, readers.join(" "))
                }
                other => format!("{other:?}"),
            })
            .collect();
        let expected = [
            "V2 copy public.copy carol",
            "V2 copy public.lines bob carol",
            "V10 copy public.lines bob",
        ];
        assert_eq!(told, expected);
        assert_eq!(judge(&[]), []);
    }
}
