//! leakproof applies your Postgres migrations to a throwaway database and proves, by really trying,
//! that no tenant can touch another tenant's rows and that no row was lost on the way.
//!
//! # In your tests
//!
//! Give me a database with my migrations, let me ask as somebody, assert who can do what:
//!
//! ```
//! use leakproof::{Project, Scratch};
//!
//! let project = Project::read("sql/conversations")?;
//! let scratch = Scratch::of(&project)?; // a copy of a database that is migrated once
//! let mut isolation = scratch.isolation()?; // two tenants, their people, rows of each
//!
//! let seen = isolation.ask("outsider", "select title from public.conversations")?;
//! assert!(seen.is_empty());
//!
//! let matrix = isolation.matrix()?.to_string();
//! insta::with_settings!({
//!     snapshot_path => concat!(env!("CARGO_MANIFEST_DIR"), "/snapshots/conversations"),
//!     prepend_module_to_snapshot => false,
//! }, {
//!     insta::assert_snapshot!("access", matrix);
//! });
//! # Ok::<(), leakproof::Error>(())
//! ```
//!
//! It needs the server binaries of PostgreSQL on the machine, or Docker, or a server named by
//! `LEAKPROOF_DATABASE_URL`; see [`server`]. The clients are blocking: inside an async runtime, call
//! from `spawn_blocking`.
//!
//! The whole job, with findings and the census, is [`check::check`]; the program `leakproof check`
//! is a thin shell around it.
//!
//! # How it works
//!
//! ```text
//! project -> server -> platform -> migrate -> catalog -> tenancy -> world -> probe -> matrix
//!                                     | census, preserve queries, calls         -> compare -> report
//! ```
//!
//! The modules are declared below in that order. Each file defines its own names, imports name the
//! file that does, and no two files import each other.
//!
//! - `sql` reads SQL as text and as trees; [`names`] and `words` name and count things.
//! - [`project`] reads the folder and accounts for every file.
//! - `session` speaks to the server, and gives its refusals as fields.
//! - [`server`] starts a Postgres or uses one, and makes scratch databases.
//! - [`platform`] puts in what the database has before the first migration.
//! - [`migrate`] decides a plan by what refinery says is pending, and acts on it in transactions of our own;
//!   [`preserve`] looks before and after. `catalog` reads the schema back.
//! - `tenancy` finds who owns what; [`actor`] becomes a person; `world` is the rows of everybody, made by
//!   its `seeding`.
//! - `probe` tries; [`matrix`] holds what came of it, and compares it with what was accepted.
//! - [`finding`] judges; [`report`] tells.
//! - [`check`] is the flow, as a list of steps over one state: it follows who sees what from version to
//!   version, has new files meet generated rows, goes back over the rollback files and there again,
//!   and tells an [observer](check::observer::Observer) what happens.
//! - [`push`] applies the same files to somebody's database, guarded by the same census, and tells how they stand.
//! - [`drift`] tells what a database has otherwise than the files make it that its history names.
//! - [`scratch`] and [`isolation`] are the same pieces by hand, for tests.
//! - [`init`] writes down what was inferred of the tenancy; [`template`] makes the files of the next
//!   version, [`drafting`] the pairs for one that is there.
//!
//! # What is kept true
//!
//! - The pure modules (`error`, `words`, `names`, `sql`, `discretion`, `project`, `tenancy`, `matrix`, `finding`,
//!   `report`, and values elsewhere) never see a client, nor a module that does.
//! - A probe never commits. Only `migrate` and `push` do.
//! - Only a target that is thrown away has a way to adapt a file, stub an extension or elevate a
//!   statement.
//! - Nothing but `main` prints or exits. stdout is the report, stderr is progress and errors.
//! - Every list is sorted before it is shown. The same input gives the same bytes: ids are uuid v5
//!   of names; no clock, port or random value reaches a snapshot.
//! - No SQL of a project runs in a superuser's session: files run as the owner who has logged in, people
//!   ask as who connects in production. With more jobs each has a copy of the database.
//! - Before any probe the session is the actor's role, and that is neither superuser nor BYPASSRLS,
//!   but for `service_role`, on purpose.
//! - What could not be tried is `untested`, never "denied"; and three relations of known access are
//!   probed beside the project's, so that a broken detector is noticed.

pub mod error;
pub(crate) mod words;
pub mod names;
pub mod refusal;
mod sql;
pub(crate) mod discretion;
pub mod project;
mod session;
pub mod server;
pub mod platform;
mod catalog;
pub mod migrate;
pub mod preserve;
mod tenancy;
pub mod actor;
mod world;
pub mod matrix;
mod probe;
pub mod finding;
pub mod report;
pub mod check;
pub mod push;
pub mod drift;
pub mod scratch;
pub mod isolation;
pub mod init;
pub mod template;
pub mod drafting;

pub use error::{Error, Result};
pub use isolation::Isolation;
pub use project::Project;
pub use scratch::Scratch;
