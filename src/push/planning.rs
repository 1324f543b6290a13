//! Makes the plan of a push: what is known of the files, of the target, and of a rehearsal.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::error::Result;
use crate::names::QualifiedName;
use crate::project::Project;
use crate::project::files::SqlFile;
use crate::project::outside::{Way, way_of};
use crate::push::connected::Connected;
use crate::push::digest::digest_of;
use crate::push::effects::{Size, Touched, touched};
use crate::push::plan::{PlannedFile, PushPlan, Rehearsed};
use crate::push::standing::Histories;
use crate::sql::statement::split;

/// The form of the plan as JSON.
const SCHEMA: u32 = 1;

/// What a plan is made of.
pub(crate) struct Planning<'a> {
    pub project: &'a Project,
    pub target: String,
    pub histories: &'a Histories,
    pub pending: &'a [&'a SqlFile],
    /// What would not be counted of each of these.
    pub uncounted: Vec<Vec<String>>,
    pub rehearsal: Option<Rehearsed>,
}

#[derive(Deserialize)]
struct Sized {
    schema: String,
    name: String,
    bytes: u64,
    rows: u64,
}

impl Planning<'_> {
    /// Makes the plan.
    ///
    /// # Errors
    /// A lost connection.
    pub(crate) fn plan(self, target: &mut Connected) -> Result<PushPlan> {
        let Self { project, histories, pending, rehearsal, .. } = self;
        let sizes = match rehearsal {
            Some(_) => read_sizes(target)?,
            None => BTreeMap::new(),
        };
        let planned = |(file, uncounted): (&&SqlFile, Vec<String>)| {
            let version = file.version();
            let is_outside = way_of(file).is_ok_and(|way| way == Way::Statements);
            // The throwaway has tried its plain form, which locks more.
            let effects = rehearsal.as_ref().filter(|_| !is_outside);
            let effects = effects.and_then(|rehearsal| rehearsal.effects.get(&version));
            let touches = effects.map(|effects| touched(effects, &sizes));
            let warnings = touches.iter().flatten().filter_map(Touched::warning).collect();
            let unrehearsed =
                rehearsal.as_ref().and_then(|rehearsal| rehearsal.unrehearsed.get(&version));
            PlannedFile {
                version,
                title: file.title(),
                path: file.path().display().to_string(),
                sha256: digest_of(file),
                statements: split(file.raw()).len(),
                is_outside,
                pairs: if is_outside { 0 } else { project.preserve(version).len() },
                calls: project.calls(version).len(),
                uncounted,
                touches,
                warnings,
                unrehearsed: unrehearsed.cloned(),
            }
        };
        let files = pending.iter().zip(self.uncounted).map(planned).collect();
        Ok(PushPlan {
            schema: SCHEMA,
            leakproof: env!("CARGO_PKG_VERSION"),
            target: self.target,
            histories: histories.tables(),
            notes: project.notes().to_vec(),
            files,
            rehearsal,
        })
    }
}

fn read_sizes(target: &mut Connected) -> Result<BTreeMap<QualifiedName, Size>> {
    let sized: Vec<Sized> =
        target.connection.uncommitted(|session| session.values(include_str!("sizes.sql")))?;
    let size = |one: Sized| {
        let Sized { schema, name, bytes, rows } = one;
        (QualifiedName::new(schema, name), Size { bytes, rows })
    };
    Ok(sized.into_iter().map(size).collect())
}
