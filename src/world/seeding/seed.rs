//! The values of one row: from its branch, its parents and the types of its columns.

use crate::catalog::relation::{Column, Relation};
use crate::error::{Error, Result};
use crate::platform::email_of;
use crate::sql::quote::{identifier, literal};
use crate::tenancy::bearer::NOBODY;
use crate::tenancy::keys::{key_value, listed_values, owner_key};
use crate::tenancy::meaning::EMAIL;
use crate::tenancy::root::Root;
use crate::tenancy::standing::Standing;
use crate::world::seeding::filled::filled;
use crate::world::seeding::pool::draft::For;
use crate::world::seeding::pool::pool;
use crate::world::seeding::sign_up;
use crate::world::seeding::values;
use crate::world::value::{Branch, Values, World};

/// Which row of a branch: what is nullable is filled in one and NULL in the other, and a further one
/// takes each value that a policy or check tells apart, so that a condition on such a column is
/// met by a row. The last two are for probes that insert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variant {
    Full,
    Bare,
    /// With the n-th of the values that matter in each column that has such values.
    Varied(usize),
    Probe,
    /// As [`Self::Probe`], with NULL where a column may be.
    BareProbe,
    /// As [`Self::Probe`], with the n-th of the values that matter.
    VariedProbe(usize),
}

impl Variant {
    fn name(self) -> String {
        match self {
            Self::Full => "full".into(),
            Self::Bare => "bare".into(),
            Self::Varied(at) => format!("varied {at}"),
            Self::Probe | Self::BareProbe | Self::VariedProbe(_) => "probe".into(),
        }
    }

    pub(crate) fn is_bare(self) -> bool {
        matches!(self, Self::Bare | Self::BareProbe)
    }

    fn is_probe(self) -> bool {
        matches!(self, Self::Probe | Self::BareProbe | Self::VariedProbe(_))
    }

    pub(crate) fn place(self) -> Option<usize> {
        match self {
            Self::Varied(at) | Self::VariedProbe(at) => Some(at),
            _ => None,
        }
    }
}

/// How many varied rows a branch has at most.
const MOST_VARIED: usize = 6;

impl World {
    /// How many rows it takes until each value that matters has been tried in one.
    pub(crate) fn variety(&self, relation: &Relation) -> usize {
        let is_borne = self.tenancy.bearers.iter().any(|one| one.relation == relation.oid);
        self.telling(relation) + self.solved_ways(relation) + usize::from(is_borne)
    }

    /// How many rows it takes for the values that matter.
    pub(in crate::world) fn telling(&self, relation: &Relation) -> usize {
        self.variety_of(relation, |_| true)
    }

    /// Whether its rows are tenants or users, of whom there is one each.
    pub(in crate::world) fn is_of_owners(&self, relation: &Relation) -> bool {
        let is_root = |root: &Root| root.relation == relation.oid;
        is_root(&self.tenancy.users) || self.tenancy.tenant.as_ref().is_some_and(is_root)
    }

    /// How many rows of an owner it takes until each value that matters is in one; ordinary people are not
    /// all that somebody may be.
    pub(in crate::world) fn variety_of_rows(&self, relation: &Relation) -> usize {
        self.variety_of(relation, |column| self.standing(relation, &column.name).is_none())
    }

    fn variety_of(&self, relation: &Relation, varies: impl Fn(&Column) -> bool) -> usize {
        if self.is_of_owners(relation) {
            return 0;
        }
        let telling = |c| values::telling_values(&self.catalog, relation, c).len();
        let varied = relation.columns.iter().filter(|column| varies(column));
        let counts = varied.map(telling);
        counts.max().unwrap_or(0).min(MOST_VARIED)
    }

    /// The values of a row: owners and parents first, then what the types suggest.
    ///
    /// # Errors
    /// The reason, where a column must have a value and none is known.
    pub(crate) fn values(
        &self,
        relation: &Relation,
        branch: &Branch,
        variant: Variant,
    ) -> Result<Values, String> {
        let mut values = Values::new();
        self.set_own_key(relation, branch, variant, &mut values)?;
        let owner_columns = self.tenancy.owner_columns(relation.oid);
        for foreign_key in &relation.foreign_keys {
            let is_owner = foreign_key.columns.iter().any(|name| owner_columns.contains(name));
            self.set_reference(relation, foreign_key, branch, variant, is_owner, &mut values)?;
        }
        if let (Variant::Full, Some(deferred)) =
            (variant, self.deferred.get(&(relation.oid, branch.clone())))
        {
            values.extend(deferred.clone());
        }
        if let Some(ending) = self.ending(relation) {
            values.insert(ending.column, ending.member);
        }
        if matches!(variant, Variant::Full | Variant::Probe) && !self.is_platform_table(relation) {
            for (column, value) in self.times_ahead(relation) {
                values.entry(column).or_insert(Some(value));
            }
        }
        for (column, value) in self.fixed_columns(relation, branch) {
            values.insert(column, Some(value));
        }
        let solved = self.solved_way(relation, variant);
        if let (Variant::VariedProbe(at), None) = (variant, solved) {
            // Whoever adds a member says what it is, too.
            let told = relation.columns.iter().filter(|column| values.contains_key(&column.name));
            let told = told.filter_map(|column| {
                let telling = values::telling_values(&self.catalog, relation, column);
                let value = telling.get(at % telling.len().max(1))?;
                Some((column.name.clone(), Some(value.clone())))
            });
            let told: Values = told.collect();
            values.extend(told);
        }
        if !variant.is_probe() {
            let standings = self.standings(relation, branch, &values);
            values.extend(standings);
        }
        if variant == Variant::Full || self.is_bearing(relation, variant) {
            values.extend(self.borne(relation, branch));
        }
        for column in &relation.columns {
            if values.contains_key(&column.name)
                || column.is_generated
                || !column.identity.is_empty()
                || (self.is_platform_table(relation) && (!column.not_null || column.has_default))
            {
                continue;
            }
            if let Some(value) = self.value(relation, column, branch, variant)? {
                values.insert(column.name.clone(), value);
            }
        }
        if let Some(solved) = solved {
            values.extend(filled(solved, branch, &seed_of(relation, branch, variant)));
        }
        Ok(values)
    }

    /// What is known of the full row of a branch where not all is: keys, and where references lead.
    pub(crate) fn known_values(&self, relation: &Relation, branch: &Branch) -> Values {
        let mut values = Values::new();
        let owners = self.tenancy.owner_columns(relation.oid);
        // What it is that is not known the database has said.
        let _ = self.set_own_key(relation, branch, Variant::Full, &mut values);
        for key in &relation.foreign_keys {
            let is_owner = key.columns.iter().any(|name| owners.contains(name));
            let _ = self.set_reference(relation, key, branch, Variant::Full, is_owner, &mut values);
        }
        let fixed = self.fixed_columns(relation, branch).into_iter();
        values.extend(fixed.map(|(column, value)| (column, Some(value))));
        values
    }

    /// The owners' tables: the key that the actors and their tokens know. Other tables: a key from
    /// the names of table and branch.
    fn set_own_key(
        &self,
        relation: &Relation,
        branch: &Branch,
        variant: Variant,
        values: &mut Values,
    ) -> Result<(), String> {
        let is_root = |root: &Root| root.relation == relation.oid;
        let root = match &self.tenancy.tenant {
            Some(root) if is_root(root) => Some((root, "tenant", &branch.tenant)),
            _ if is_root(&self.tenancy.users) => Some((&self.tenancy.users, "user", &branch.user)),
            _ => None,
        };
        if let Some((root, what, Some(name))) = root {
            let name = match variant {
                Variant::Full => name.clone(),
                // There is one tenant A; others of the table belong to nobody in the world.
                Variant::Bare | Variant::Varied(_) => return Err("an owner has one row".into()),
                _ => format!("{name} probe"),
            };
            let key = owner_key(&self.catalog, root, what, &name);
            values.insert(root.column.clone(), Some(key.map_err(|error| error.to_string())?));
            return Ok(());
        }
        let Some(key) = relation.key() else { return Ok(()) };
        let referring =
            |name: &String| relation.foreign_keys.iter().any(|f| f.columns.contains(name));
        for name in key.iter().filter(|name| !referring(name)) {
            let Some(column) = relation.column(name) else { continue };
            let is_learned = self.learned.contains_key(&(relation.oid, name.clone()));
            let is_filled_in = is_learned
                || column.is_generated
                || !column.identity.is_empty()
                || (column.has_default && column.base_type != "uuid");
            // A role in a key is one of its list, as elsewhere.
            if is_filled_in || !listed_values(relation, column).is_empty() {
                continue;
            }
            if let Some(value) = key_value(column, &seed_of(relation, branch, variant)) {
                values.insert(name.clone(), Some(value));
            }
        }
        Ok(())
    }

    /// What the config or the platform says about columns of memberships and users.
    fn fixed_columns(&self, relation: &Relation, branch: &Branch) -> Vec<(String, String)> {
        let mut fixed = Vec::new();
        let actor = self.user_of(branch);
        fixed.extend(self.times_of_member(relation, branch.user.as_deref()));
        if let Some(members) = self.tenancy.members.as_ref().filter(|m| m.relation == relation.oid)
        {
            let mut columns = members.config.values.clone();
            columns.extend(actor.into_iter().flat_map(|actor| actor.membership().clone()));
            fixed.extend(columns);
        }
        let is_users = relation.oid == self.tenancy.users.relation;
        if let (true, false, Some(name)) =
            (is_users, self.is_platform_table(relation), &branch.user)
        {
            // Whom policies know by the e-mail of a token has that.
            let mut keys = self.catalog.relations().flat_map(|relation| &relation.foreign_keys);
            let is_asked = keys.any(|key| self.tenancy.is_email_reference(key));
            fixed.extend(is_asked.then(|| (EMAIL.to_owned(), email_of(name))));
        }
        if let (true, Some(name)) = (self.is_platform_table(relation), &branch.user) {
            let columns = self.platform.user_columns(name);
            fixed.extend(columns.into_iter().map(|(column, value)| (column.into(), value)));
            if relation.oid == self.tenancy.users.relation {
                let forged = actor.and_then(|actor| actor.signs_up_with());
                let metadata = sign_up::metadata(&self.catalog, relation, name, forged);
                fixed.extend(metadata.map(|said| (sign_up::METADATA.to_owned(), said)));
            }
        }
        fixed
    }

    /// What a row says that its user is; what the default or NULL says is left to these, and what is known of
    /// ordinary people stays.
    fn standings(&self, relation: &Relation, branch: &Branch, known: &Values) -> Values {
        let actor = self.user_of(branch);
        let of_it = self.tenancy.standing.iter().filter(|one| one.relation == relation.oid);
        let said = of_it.filter_map(|Standing { column, ordinary, is_said, .. }| {
            let own = actor.and_then(|actor| actor.standing(relation.oid, column));
            if own.is_none() && (*is_said || known.contains_key(column)) {
                return None;
            }
            let value = own.map(str::to_owned).or_else(|| ordinary.clone());
            let is_free = relation.column(column).is_some_and(|c| !c.has_default && !c.not_null);
            (value.is_some() || is_free).then(|| (column.clone(), value))
        });
        said.collect()
    }

    /// Whether it is the last probe: what opens a row may be taken by the row that is there.
    fn is_bearing(&self, relation: &Relation, variant: Variant) -> bool {
        let last = self.telling(relation) + self.solved_ways(relation);
        matches!(variant, Variant::VariedProbe(at) if at == last)
    }

    /// What opens a row to whoever knows it.
    fn borne(&self, relation: &Relation, branch: &Branch) -> Values {
        let whose = branch.user.as_deref().or(branch.tenant.as_deref()).unwrap_or(NOBODY);
        let of_it = self.tenancy.bearers.iter().filter(|one| one.relation == relation.oid);
        let borne = of_it.map(|one| (one.column.name.clone(), one.value(whose)));
        borne.filter(|(_, value)| value.is_some()).collect()
    }

    /// The columns that say what people are.
    pub(in crate::world) fn standing_columns<'w>(
        &'w self,
        relation: &Relation,
    ) -> impl Iterator<Item = &'w String> {
        let oid = relation.oid;
        let of_it = self.tenancy.standing.iter().filter(move |standing| standing.relation == oid);
        of_it.map(|standing| &standing.column)
    }

    /// Whether a column of the row says that its user is as others are.
    pub(in crate::world) fn is_ordinary(
        &self,
        relation: &Relation,
        branch: &Branch,
        column: &str,
    ) -> bool {
        let actor = self.user_of(branch);
        let own = actor.and_then(|actor| actor.standing(relation.oid, column));
        own.is_none() && self.standing(relation, column).is_some_and(|standing| !standing.is_said)
    }

    /// What a column says that people are, where policies tell them apart by it.
    fn standing(&self, relation: &Relation, column: &str) -> Option<&Standing> {
        let is_it = |one: &&Standing| one.relation == relation.oid && one.column == column;
        self.tenancy.standing.iter().find(is_it)
    }

    pub(crate) fn is_platform_table(&self, relation: &Relation) -> bool {
        self.platform.has_users() && relation.schema == "auth"
    }

    /// A value for a column that no key, owner or parent decides; `Ok(None)` leaves the default.
    fn value(
        &self,
        relation: &Relation,
        column: &Column,
        branch: &Branch,
        variant: Variant,
    ) -> Result<Option<Option<String>>, String> {
        if variant.is_bare() && !column.not_null {
            return Ok(Some(None));
        }
        let says_more = !variant.is_probe() && self.standing(relation, &column.name).is_some();
        if says_more && column.has_default {
            return Ok(None);
        }
        let is_telling = self.solved_way(relation, variant).is_none();
        if let Some(at) = variant.place().filter(|_| is_telling) {
            let telling = values::telling_values(&self.catalog, relation, column);
            if !telling.is_empty() {
                return Ok(Some(Some(telling[at % telling.len()].clone())));
            }
        }
        if let Some(value) = self.learned_value(relation, column, branch, variant) {
            return Ok(Some(Some(value)));
        }
        if variant.is_bare() && column.has_default {
            return Ok(None);
        }
        let seed = seed_of(relation, branch, variant);
        let value = values::column_value(column, &branch.label(), &seed);
        match value {
            Some(value) => Ok(Some(Some(value))),
            None if column.has_default || !column.not_null => Ok(None),
            None => Err(format!(
                "no value is known for column `{}` of type {}",
                column.name, column.type_name
            )),
        }
    }

    /// A value of the kind that the checks of a column were found to accept.
    fn learned_value(
        &self,
        relation: &Relation,
        column: &Column,
        branch: &Branch,
        variant: Variant,
    ) -> Option<String> {
        let place = *self.learned.get(&(relation.oid, column.name.clone()))?;
        let (owner, seed) = (branch.label(), seed_of(relation, branch, variant));
        pool(relation, column, For { owner: &owner, seed: &seed }).into_iter().nth(place)
    }

    /// The same for no row in particular.
    pub(crate) fn accepted_value(&self, relation: &Relation, column: &Column) -> Option<String> {
        self.learned_value(relation, column, &Branch::default(), Variant::Probe)
    }

    /// The key of a tenant of the world.
    pub(crate) fn tenant_key(&self, name: &str) -> Result<String> {
        match &self.tenancy.tenant {
            Some(root) => owner_key(&self.catalog, root, "tenant", name),
            None => Err(Error::new(format!("there is no tenant `{name}` without a tenant table"))),
        }
    }
}

pub(crate) fn seed_of(relation: &Relation, branch: &Branch, variant: Variant) -> String {
    format!("{} {} {}", relation.title(), branch.label(), variant.name())
}

/// `insert into t (a, b) values ('x', null)`.
pub(crate) fn insert_statement(relation: &Relation, values: &Values) -> String {
    if values.is_empty() {
        return format!("insert into {} default values", relation.sql_name());
    }
    let columns: Vec<String> = values.keys().map(|name| identifier(name)).collect();
    let list: Vec<String> = values.values().map(|value| value_sql(value.as_deref())).collect();
    // Such a key is given only where a row has to know its own before it is there.
    let is_always = |name: &String| relation.column(name).is_some_and(|c| c.identity == "a");
    let overriding = if values.keys().any(is_always) { " overriding system value" } else { "" };
    format!(
        "insert into {} ({}){overriding} values ({})",
        relation.sql_name(),
        columns.join(", "),
        list.join(", ")
    )
}

/// A literal, or `null`.
pub(crate) fn value_sql(value: Option<&str>) -> String {
    value.map_or("null".into(), literal)
}

/// What an update sets: `a = '1', b = null`.
pub(crate) fn assignments(values: &Values) -> String {
    let each = values
        .iter()
        .map(|(name, value)| format!("{} = {}", identifier(name), value_sql(value.as_deref())));
    each.collect::<Vec<_>>().join(", ")
}
