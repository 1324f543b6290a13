//! The steps of a check, in order, over one state.

use std::sync::Arc;

use crate::check::audience::Audience;
use crate::check::base;
use crate::check::jobs::probe_everything;
use crate::check::new_files::{first_without_rows, has_fixtures, newest};
use crate::check::notes::{
    note_on_calls_ahead, note_on_grants, note_on_idle, note_on_late_files, note_on_rosters,
    note_on_version, notes_on_chance, notes_on_deviations, notes_on_identity,
};
use crate::check::observer::{Event, Observer};
use crate::check::options::CheckOptions;
use crate::check::rehearsal::rehearse;
use crate::check::round_trip::Passed;
use crate::check::suspect::suspecting;
use crate::discretion::Discretion;
use crate::error::Result;
use crate::finding::access::SeenAccess;
use crate::finding::rule::Rule;
use crate::finding::unknown::Unknown;
use crate::finding::value::Finding;
use crate::finding::waiver::{Known, apply_waivers};
use crate::finding::{
    judge_access, misplaced, nobody, opening, preservation, rehearsal, repeat, round_trip, unknown,
    untested, widening,
};
use crate::matrix::compare::compare_with;
use crate::matrix::mark::Marks;
use crate::matrix::snapshot::{self, AcceptedAt};
use crate::platform::Platform;
use crate::project::Project;
use crate::project::config::{People, Waiver};
use crate::project::revision::Revision;
use crate::report::discreet::hide_values;
use crate::report::value::Report;
use crate::scratch::Scratch;
use crate::server::instance::Server;
use crate::world::identify::refuse_unknown;

/// A check on its way.
pub(crate) struct Run<'a> {
    project: &'a Project,
    options: &'a CheckOptions,
    observer: &'a dyn Observer,
    platform: Platform,
    server: Arc<Server>,
    scratch: Scratch<'a>,
    /// The version up to which all is accepted, as the accepted file says.
    accepted: AcceptedAt,
    /// The version after which files meet generated rows.
    rows_from: Option<i64>,
    /// What is accepted, as it is when findings are settled.
    accepted_marks: Option<Marks>,
    /// The version that `--accept` writes down.
    accepting: AcceptedAt,
    passed: Passed,
    report: Report,
    findings: Vec<Finding>,
}

impl<'a> Run<'a> {
    /// Starts the server and makes the database.
    ///
    /// # Errors
    /// No server, or one that refuses; options that do not fit the project.
    pub(crate) fn begin(
        project: &'a Project,
        options: &'a CheckOptions,
        observer: &'a dyn Observer,
    ) -> Result<Self> {
        let platform = match options.grants {
            Some(grants) => Platform::of(project).with_grants(grants),
            None => Platform::of(project),
        };
        let base = options.base.as_deref().map(|name| Revision::find(project.root(), name));
        let since = base.transpose()?.map(|base| base::since(project, &base)).transpose()?;
        let accepted = snapshot::accepted_at(&project.accepted_path());
        let rows_from = first_without_rows(project, options, accepted)?;
        observer.tell(&Event::Step("start the server"));
        let server = Server::shared_for(&options.server, Some(&platform.common_sql()))?;
        let platform = match project.is_to_be_identified() {
            true => {
                observer.tell(&Event::Step("find out who asks"));
                Scratch::find_who_asks(project, &server)
                    .map_err(|error| suspecting(project, error))?;
                platform.known(project)
            }
            false => platform,
        };
        observer.tell(&Event::Step("set up the platform"));
        let mut scratch = Scratch::empty(project, platform.clone(), &server)?;
        if options.keep_going {
            scratch = scratch.keep_going();
        }
        if options.twice {
            scratch = scratch.repeat();
        }
        let report = Report {
            project: project.name().to_owned(),
            path: project.root().display().to_string(),
            server: server.describe(),
            platform: platform.describe(),
            since,
            platform_why: project.platform().why.clone(),
            is_data_only: options.data_only,
            is_twice: options.twice,
            fail_on: options.fail_on.or(project.config().check.fail_on).unwrap_or_default(),
            ..Report::default()
        };
        Ok(Self {
            project,
            options,
            observer,
            platform,
            server,
            scratch,
            accepted,
            rows_from,
            accepted_marks: None,
            accepting: AcceptedAt::Unknown,
            passed: Passed::default(),
            report,
            findings: Vec::new(),
        })
    }

    /// Takes all steps, and gives what came of them.
    ///
    /// # Errors
    /// The run itself failed; what the check finds is in the report.
    pub(crate) fn finish(mut self) -> Result<Report> {
        let steps: [fn(&mut Self) -> Result<()>; 4] =
            [Self::apply, Self::try_on_rows, Self::check_access, Self::go_round];
        for step in steps {
            // What a migration lost ends the run before anybody asks.
            if self.report.stopped.is_none() {
                step(&mut self)?;
            }
        }
        self.settle_findings();
        self.step("clean up");
        Ok(self.report)
    }

    fn step(&self, name: &'static str) {
        self.observer.tell(&Event::Step(name));
    }

    fn note(&mut self, notes: impl IntoIterator<Item = String>) {
        self.report.notes.extend(notes);
    }

    /// Applies the migrations, and looks at what each of them does to rows and to who sees them.
    fn apply(&mut self) -> Result<()> {
        self.step("apply the migrations");
        let project = self.project;
        self.note(project.notes().to_vec());
        self.note(notes_on_identity(project));
        self.note(project.notes_on_left_out());
        self.note(note_on_version(project, &self.server));
        self.note(note_on_late_files(project, self.accepted));
        self.note(notes_on_chance(project, self.accepted, self.options.twice));
        let notes = self.scratch.uncommitted(|session| self.platform.notes(session))?;
        self.note(notes);
        let mut audience = Audience::of(project, self.platform.clone());
        let (observer, is_round_trip) = (self.observer, self.options.round_trip);
        let is_data_only = self.options.data_only;
        let (passed, of) = (&mut self.passed, project.migrations().len());
        let mut done = 0;
        let migrated = self.scratch.migrate_watched(&mut |session, file| {
            done += 1;
            let (version, name) = (file.version(), file.name());
            observer.tell(&Event::Migrated { version, name, done, of });
            if is_round_trip {
                passed.look(session, file)?;
            }
            match is_data_only {
                true => Ok(()),
                false => audience.look(session, file).map_err(|error| suspecting(project, error)),
            }
        });
        self.report.applied = self.scratch.applied().to_vec();
        self.report.failed = self.scratch.take_failed();
        let notes = self.scratch.notes().to_vec();
        self.note(notes);
        self.report.followed = audience.into_followed();
        let notes = notes_on_deviations(&self.report.applied);
        self.note(notes);
        self.note(note_on_calls_ahead(project));
        self.accepting = newest(project, &self.report.applied);
        self.findings.extend(preservation::judge(&self.report.applied));
        self.findings.extend(preservation::judge(self.scratch.tried()));
        self.findings.extend(repeat::judge(&self.report.applied));
        self.findings.extend(widening::judge(&self.report.followed.widenings));
        match migrated {
            // What was lost on the way explains more than where it ended.
            Err(error) if !self.findings.is_empty() => {
                self.report.stopped = Some(error);
                Ok(())
            }
            outcome => outcome,
        }
    }

    /// Has the new files meet rows, where there are new files and no fixtures.
    fn try_on_rows(&mut self) -> Result<()> {
        let Some(from) = self.rows_from else { return Ok(()) };
        self.step("try the new files on rows");
        if !self.report.failed.is_empty() {
            let note = "the new files were not tried on rows, since a file was left out";
            self.note([note.into()]);
            return Ok(());
        }
        let rehearsal =
            rehearse(self.project, &self.platform, &self.server, from, self.options.twice)?;
        let lost = rehearsal::judge(&rehearsal);
        self.report.rehearsal = Some(rehearsal);
        if !apply_waivers(lost.clone(), &self.project.config().waive, &Known::default(), |_| false)
            .0
            .is_empty()
        {
            self.accepting = self.accepted;
            self.note(self.options.accept.then(|| {
                "only access is accepted: the new files stay new, until what they do to rows is \
                 mended, covered by a pair, or waived"
                    .into()
            }));
        }
        // What a file does to rows that files have made is known by now.
        let is_known = |one: &Finding| {
            self.findings
                .iter()
                .any(|known| (known.rule, &known.subject) == (one.rule, &one.subject))
        };
        let new: Vec<Finding> = lost.into_iter().filter(|one| !is_known(one)).collect();
        self.findings.extend(new);
        Ok(())
    }

    /// Seeds, probes and compares, and accepts if asked to.
    fn check_access(&mut self) -> Result<()> {
        if self.options.data_only {
            return Ok(());
        }
        if let Err(error) = refuse_unknown(self.project) {
            // What was lost on the way is told all the same.
            if self.findings.is_empty() {
                return Err(error);
            }
            self.report.stopped = Some(error);
            return Ok(());
        }
        let mut isolation = probe_everything(self.options, &self.scratch, self.observer)
            .map_err(|error| suspecting(self.project, error))?;
        let report = &mut self.report;
        report.matrix = isolation.unproved_matrix()?.clone();
        report.controls = isolation.controls()?.clone();
        report.attempts = isolation.attempts()?;
        report.people = isolation.actors().len();
        report.tenants = isolation.tenants();
        report.seeded_rows = isolation.seeded_rows();
        report.seed_stub = isolation.seed_stub();
        self.note(isolation.notes_on_thinned());
        self.note(isolation.note_on_tenancy());
        self.note(isolation.note_on_homes());
        self.note(note_on_rosters(isolation.actors(), &self.report.matrix));
        self.note(isolation.note_on_common_tenants());
        self.note(isolation.note_on_ending());
        self.note(isolation.note_on_people());
        self.note(isolation.note_on_sign_up());
        self.note(isolation.seeding_notes());
        let is_chosen = self.options.grants.or(self.project.grants()).is_some();
        if !is_chosen && self.platform.has_users() {
            self.note(note_on_grants(&self.report.matrix));
        }
        self.note(isolation.note_on_closed(&self.report.matrix));
        if !self.platform.has_users() {
            self.note(isolation.note_on_logins(self.platform.login()));
        }
        self.note(note_on_idle(&self.report.matrix, isolation.actors()));
        self.step("compare and judge");
        self.compare()?;
        let api = self.platform.has_users().then(|| self.project.schemas());
        let people = isolation.people()?;
        let found = judge_access(&SeenAccess {
            matrix: &self.report.matrix,
            people: &people,
            api: api.as_deref(),
            protections: &isolation.protections(self.scratch.places()),
        });
        self.findings.extend(found);
        let unknown = isolation.unknown();
        let mut untried = isolation.untried(self.scratch.places())?;
        // Nobody meets what asks whose a row is where that is not known.
        untried.retain(|(one, _)| {
            let is_it = |known: &Unknown| known.relation == one.relation && known.why.asks();
            !unknown.iter().any(is_it)
        });
        self.findings.extend(unknown::judge(unknown));
        self.findings.extend(opening::judge(isolation.openings()?));
        self.findings.extend(misplaced::judge(isolation.misplaced()?));
        self.findings.extend(untested::judge(untried));
        self.findings.extend(untested::judge_unseeded(isolation.unseeded()));
        self.report.unprobed = isolation.unprobed()?.clone();
        match self.project.config().project.people {
            Some(People::None) => self.findings.extend(nobody::judge(&self.report.matrix)),
            None => {
                let is_whole = self.options.only.is_none() && self.report.failed.is_empty();
                self.report.is_out_of_reach = is_whole && !nobody::is_reached(&self.report.matrix);
                let asking = self.project.asking();
                self.report.is_unasked = asking.is_some_and(|asking| asking.unknown.is_some());
            }
        }
        Ok(())
    }

    /// Compares with what is accepted, and accepts what is, if asked to.
    fn compare(&mut self) -> Result<()> {
        let (path, report) = (self.project.accepted_path(), &mut self.report);
        let shown = path.display().to_string();
        let only = self.options.only.as_deref();
        // Not from a run that cannot be trusted.
        let is_sound = report.controls.failed.is_empty() && report.matrix.is_tried();
        if self.options.accept && is_sound {
            // One that cannot be read is what `--accept` is to mend.
            let before = snapshot::read_accepted(&path).ok();
            let compared =
                before.map(|before| compare_with(shown.clone(), before, &report.matrix, only));
            report.accepted_now = compared.transpose()?;
            snapshot::accept(&path, &report.matrix, self.accepting)?;
        }
        let accepted = snapshot::read_accepted(&path)?;
        self.accepted_marks = accepted.as_ref().map(|accepted| accepted.marks.clone());
        report.comparison = Some(compare_with(shown, accepted, &report.matrix, only)?);
        Ok(())
    }

    /// Goes back over the rollback files, and there again, if asked to.
    fn go_round(&mut self) -> Result<()> {
        if !self.options.round_trip {
            return Ok(());
        }
        self.step("go back and there again");
        let passed = std::mem::take(&mut self.passed);
        let trip = passed.travel(self.project, &mut self.scratch)?;
        self.findings.extend(round_trip::judge(&trip));
        self.report.round_trip = Some(trip);
        Ok(())
    }

    /// Takes away what is declared to be meant, and tells of what is left.
    fn settle_findings(&mut self) {
        let waivers = match self.report.stopped {
            None => self.project.config().waive.as_slice(),
            Some(_) => &[],
        };
        // What a file does to rows is known only when it meets them.
        let must_match = |waiver: &Waiver| {
            self.options.only.is_none()
                && (has_fixtures(self.project) || !waiver.finding.is_about_rows())
                && (self.options.twice || !waiver.finding.is_of(Rule::NotRepeatable))
        };
        let mut findings = std::mem::take(&mut self.findings);
        if self.project.discretion() == Discretion::Keys {
            let real_data = self.project.real_data().into_iter();
            let real_data: Vec<String> = real_data.map(|path| path.display().to_string()).collect();
            hide_values(&mut self.report, &mut findings, &real_data);
        }
        let known =
            Known { matrix: Some(&self.report.matrix), accepted: self.accepted_marks.as_ref() };
        let (findings, waived) = apply_waivers(findings, waivers, &known, must_match);
        findings.iter().for_each(|finding| self.observer.tell(&Event::Found(finding)));
        (self.report.findings, self.report.waived) = (findings, waived);
    }
}
