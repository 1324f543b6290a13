//! Which rule a cell of the matrix breaks.

use crate::finding::rule::Rule;
use crate::matrix::cell::{Cell, Matrix};
use crate::matrix::class::RowClass;
use crate::matrix::command::Command;
use crate::matrix::person::{Person, ordinary_of};
use crate::matrix::verdict::Verdict;
use crate::names::QualifiedName;

/// The rule that a cell breaks, if it breaks one.
pub(super) fn rule_of(
    people: &[Person],
    matrix: &Matrix,
    person: &Person,
    cell: &Cell,
) -> Option<Rule> {
    if let Verdict::Broken { sqlstate } = &cell.verdict {
        // A trigger's own `raise` is an answer; everything else is a policy or view that fails. No
        // trigger answers who only reads.
        let is_answer = sqlstate == "P0001" && cell.command != Command::Read;
        return (!is_answer).then_some(Rule::StatementRaises);
    }
    if !cell.verdict.is_allowed() {
        return None;
    }
    let reaches_others = !matches!(cell.class, RowClass::Own | RowClass::Tenant);
    match (cell.command, cell.class) {
        (Command::Truncate, _) => Some(Rule::TruncateGranted),
        // What others can make themselves is nothing that the project gives.
        (_, class) if class != RowClass::Own && is_reached_by_promotion(matrix, person, cell) => {
            Some(Rule::PrivilegeEscalation)
        }
        // What a project gives to some is seen in the matrix. Whom a table lists may be taken from its name: what
        // they reach beyond others is for the team to confirm then.
        _ if person.is_special
            && !(person.is_bearer && is_all(&cell.verdict))
            && !can_list_themselves(people, matrix, person) =>
        {
            let is_more = reaches_others && !is_reached_without(matrix, cell);
            (person.is_guessed && is_more).then_some(Rule::StaffReach)
        }
        _ if person.is_forger && reaches_others && !is_reached_without(matrix, cell) => {
            Some(Rule::ForgeableClaim)
        }
        (command, RowClass::Own) if is_of_left_tenant(matrix, person, cell) => {
            Some(removed_member(command))
        }
        (command, RowClass::Other) if person.has_left && is_only_theirs(people, matrix, cell) => {
            Some(removed_member(command))
        }
        (command, RowClass::Other) => Some(cross_tenant(matrix, cell, command)),
        (Command::Read, RowClass::Null) => Some(Rule::OwnerlessRead),
        (_, RowClass::Null) => Some(Rule::OwnerlessWrite),
        (Command::Read, RowClass::Shared) | (_, RowClass::Unknown) => None,
        (_, RowClass::Shared) => Some(Rule::SharedWrite),
        _ => None,
    }
}

/// Whether all of several rows were reached; what opens a row opens one.
fn is_all(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Allowed { rows, of, .. } if rows == of && *of > 1)
}

/// Whether others can make themselves what somebody is, by adding a row of their own to what lists them, or by
/// taking one. What could not be tried is not ruled out.
pub(crate) fn can_list_themselves(people: &[Person], matrix: &Matrix, person: &Person) -> bool {
    let others = || people.iter().filter(|other| !other.is_special && !other.is_service);
    let lists = |cell: &Cell| {
        let is_gained = match cell.command {
            Command::Insert | Command::InsertReturning => cell.class == RowClass::Own,
            Command::Take | Command::BlindTake => true,
            _ => false,
        };
        let is_untried = matches!(cell.verdict, Verdict::Untested { .. });
        is_gained && (cell.verdict.is_allowed() || is_untried)
    };
    let has_way =
        |roster: &QualifiedName, other: &Person| matrix.row(roster, &other.name).any(lists);
    person.rosters.iter().any(|roster| others().any(|other| has_way(roster, other)))
}

fn removed_member(command: Command) -> Rule {
    match command {
        Command::Read => Rule::RemovedMemberRead,
        _ => Rule::RemovedMemberWrite,
    }
}

/// Whether others reach such rows only once they have made themselves what the person is.
fn is_reached_by_promotion(matrix: &Matrix, person: &Person, cell: &Cell) -> bool {
    let Some(promotion) = &person.promotion else { return false };
    let (by, of_it) = (&promotion.by, matrix.of(&cell.relation));
    let own = |name: &str| {
        let name = name.to_owned();
        of_it.iter().filter(move |other| other.actor == name && other.class == RowClass::Own)
    };
    // Who has a row need not take it.
    let is_same = |command: Command| match cell.command {
        Command::Take | Command::BlindTake | Command::Give | Command::BlindGive => {
            matches!(command, Command::Update | Command::BlindUpdate)
        }
        same => command == same,
    };
    // What is a colleague's to one may be the other's own.
    let is_own_before = cell.class == RowClass::Tenant
        && !own(&person.name).any(|other| other.command == cell.command)
        && own(by).any(|other| is_same(other.command) && other.verdict.is_allowed());
    !is_own_before && !is_reached_as(by, matrix, cell)
}

/// Whether who forges nothing reaches such rows, too.
fn is_reached_without(matrix: &Matrix, cell: &Cell) -> bool {
    is_reached_as(ordinary_of(&cell.actor).unwrap_or_default(), matrix, cell)
}

fn is_reached_as(reference: &str, matrix: &Matrix, cell: &Cell) -> bool {
    let same = |other: &&Cell| (other.command, other.class) == (cell.command, cell.class);
    matrix.row(&cell.relation, reference).filter(same).any(|other| other.verdict.is_allowed())
}

/// Whether only who has left reaches such rows of others: then it is for what they were.
fn is_only_theirs(people: &[Person], matrix: &Matrix, cell: &Cell) -> bool {
    let mut stayed = people.iter().filter(|person| !person.has_left && !person.is_service);
    let same = |other: &&Cell| (other.command, other.class) == (cell.command, cell.class);
    let reaches = |person: &Person| {
        let mut cells = matrix.row(&cell.relation, &person.name).filter(same);
        cells.any(|other| other.verdict.is_allowed())
    };
    !stayed.any(reaches)
}

fn cross_tenant(matrix: &Matrix, cell: &Cell, command: Command) -> Rule {
    // Blind is its own finding only where the same command with WHERE is stopped.
    let is_only_blind = command.qualified().is_some_and(|qualified| {
        !matrix.row(&cell.relation, &cell.actor).any(|other| {
            other.command == qualified && other.class == cell.class && other.verdict.is_allowed()
        })
    });
    match command {
        Command::Read => Rule::CrossTenantRead,
        Command::Insert | Command::InsertReturning => Rule::CrossTenantInsert,
        Command::BlindUpdate if is_only_blind => Rule::BlindUpdate,
        Command::Update | Command::BlindUpdate => Rule::CrossTenantUpdate,
        Command::BlindDelete if is_only_blind => Rule::BlindDelete,
        Command::Delete | Command::BlindDelete => Rule::CrossTenantDelete,
        Command::Give | Command::BlindGive | Command::Take | Command::BlindTake => {
            Rule::CrossTenantMove
        }
        Command::Truncate => Rule::TruncateGranted,
    }
}

/// Whether who asks has left the tenant that the rows of the relation belong to: they belong to
/// tenants where somebody's row is of the same tenant.
fn is_of_left_tenant(matrix: &Matrix, person: &Person, cell: &Cell) -> bool {
    let founds = matches!(cell.command, Command::Insert | Command::InsertReturning);
    let mut subjects = matrix.subjects().iter().filter(|one| one.relation == cell.relation);
    let is_told = cell.command == Command::Read;
    let is_their_own = subjects.any(|subject| {
        subject.is_of_users_only
            || (subject.are_tenants && founds)
            || (subject.are_memberships && is_told)
    });
    person.has_left
        && !is_their_own
        && matrix.of(&cell.relation).iter().any(|other| other.class == RowClass::Tenant)
}
