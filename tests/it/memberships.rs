//! Who is a member: from when, until when, and where the config says nothing of it.

use leakproof::finding::Rule;
use leakproof::report::to_text;

use crate::support::{Copy, PLAIN_CONFIG, check_project, high};
use crate::yardstick::{row, supabase};

/// Tenants whose members a helper knows by `condition`, and what belongs to them.
fn members_by(column: &str, condition: &str) -> String {
    format!(
        "create table public.orgs (id uuid primary key default gen_random_uuid(), name text not null);
         create table public.members (
             org_id uuid references public.orgs (id), user_id uuid references auth.users (id), {column},
             primary key (org_id, user_id)
         );
         create table public.docs (
             id uuid primary key default gen_random_uuid(),
             org_id uuid not null references public.orgs (id), title text
         );
         alter table public.orgs enable row level security;
         alter table public.members enable row level security;
         alter table public.docs enable row level security;
         create function public.is_member(o uuid) returns boolean
         language sql stable security definer set search_path = '' as $$
             select exists (
                 select from public.members m
                 where m.org_id = o and m.user_id = auth.uid() and {condition}
             )
         $$;
         create policy own on public.orgs for select using (public.is_member(id));
         create policy own on public.members for select using (user_id = auth.uid());
         create policy own on public.docs for all using (public.is_member(org_id));"
    )
}

#[test]
fn a_membership_counts_from_when_it_is_accepted_until_it_expires() {
    for (column, condition) in [
        ("accepted_at timestamptz", "m.accepted_at is not null"),
        ("joined_on date", "m.joined_on <= current_date"),
        ("expires_at timestamptz", "(m.expires_at is null or m.expires_at > now())"),
        ("valid_until date not null", "m.valid_until >= current_date"),
    ] {
        let report = check_project(&supabase(&members_by(column, condition)).path());
        let text = to_text(&report);
        assert_eq!(high(&report), [], "{column}: {text}");
        assert_eq!(row(&report, "public.docs", "alice"), "T.", "{column}: {text}");
    }
}

#[test]
fn whoever_names_the_users_leaves_the_tenants_to_be_inferred() {
    let copy = Copy::empty();
    copy.write("leakproof.toml", PLAIN_CONFIG);
    copy.write(
        "migrations/V1__all.sql",
        "create table public.users (id uuid primary key, email text not null);
         create table public.teams (id uuid primary key, name text not null);
         create table public.team_members (
             team_id uuid not null references public.teams (id),
             user_id uuid not null references public.users (id), primary key (team_id, user_id)
         );
         create table public.docs (
             id uuid primary key, team_id uuid not null references public.teams (id), title text
         );
         create function public.is_member(team uuid) returns boolean
         language sql stable security definer as $$
             select exists (
                 select from public.team_members m
                 where m.team_id = team and m.user_id::text = current_setting('app.user_id', true)
             )
         $$;
         alter table public.docs enable row level security;
         create policy own on public.docs to app_user using (public.is_member(team_id));
         grant select on public.docs to app_user;",
    );
    let report = check_project(&copy.path());
    let text = to_text(&report);
    assert_eq!(high(&report), [], "{text}");
    assert_eq!(row(&report, "public.docs", "alice"), "T.", "{text}");
}

/// A stranger says at sign-up what opens most; where all of it is refused, one thing, and what of it was
/// let in is told, or why nothing was.
#[test]
fn a_sign_up_that_is_refused_is_told() {
    let of = |org: &str| {
        let sql = format!(
            "create table public.orgs (id uuid primary key default gen_random_uuid(), name text);
             create table public.profiles (
                 id uuid primary key references auth.users (id),
                 org_id uuid references public.orgs (id), role text not null default 'member'
             );
             create table public.docs (
                 id uuid primary key default gen_random_uuid(),
                 org_id uuid not null references public.orgs (id), title text
             );
             alter table public.orgs enable row level security;
             alter table public.profiles enable row level security;
             alter table public.docs enable row level security;
             create policy own on public.profiles for select using (id = auth.uid());
             create policy colleagues on public.docs for select using (exists (
                 select from public.profiles p where p.id = auth.uid() and p.org_id = docs.org_id
             ));
             create policy admins on public.docs for update using (exists (
                 select from public.profiles p
                 where p.id = auth.uid() and p.org_id = docs.org_id and p.role = 'admin'
             ));
             create function public.sign_up() returns trigger language plpgsql security definer
             set search_path = '' as $$
             begin
                 if new.raw_user_meta_data ->> 'role' = 'admin' then
                     raise exception 'no admins here';
                 end if;
                 insert into public.profiles (id, org_id, role)
                 values (new.id, {org}, coalesce(new.raw_user_meta_data ->> 'role', 'member'));
                 return new;
             end $$;
             create trigger sign_up after insert on auth.users
                 for each row execute function public.sign_up();"
        );
        let report = check_project(&supabase(&sql).path());
        let note = report.notes.iter().find(|note| note.starts_with("`outsider:sign-up`")).cloned();
        (note.expect("a note on the sign-up"), high(&report), to_text(&report))
    };
    let (note, high, text) = of("(new.raw_user_meta_data ->> 'org_id')::uuid");
    assert!(note.contains(" signs up with {\"org_id\":"), "{note}");
    assert!(high.contains(&(Rule::ForgeableClaim, "public.docs".to_owned())), "{high:?}\n{text}");
    let (note, high, text) = of("null");
    let told = "`outsider:sign-up` could not sign up with {\"role\":\"admin\"} as metadata, and is an \
                `outsider`: no admins here (SQLSTATE P0001)";
    assert!(note.starts_with(told), "{note}");
    assert_eq!(high, [], "{text}");
}

/// What a trigger does as its owner when people write is counted, and named; what fires for nobody is not.
#[test]
fn a_trigger_of_a_security_definer_is_not_checked() {
    let sql = "
        create table public.inbox (
            id uuid primary key default gen_random_uuid(),
            user_id uuid not null references auth.users (id), body text
        );
        create table public.logs (id uuid primary key default gen_random_uuid(), body text);
        alter table public.inbox enable row level security;
        alter table public.logs enable row level security;
        revoke all on public.logs from anon, authenticated;
        create policy own on public.inbox to authenticated using (user_id = auth.uid());
        create function public.forward() returns trigger language plpgsql security definer
        set search_path = '' as $$
        begin
            update public.inbox set body = new.body where id = new.id;
            return new;
        end $$;
        create trigger forward after insert on public.inbox
            for each row execute function public.forward();
        create trigger forward after insert on public.logs
            for each row execute function public.forward();";
    let report = check_project(&supabase(sql).path());
    assert_eq!(report.unprobed.definer_triggers, ["forward on public.inbox"]);
    let text = to_text(&report);
    let told = "not checked 1 security definer trigger that people fire: ";
    assert!(text.contains(told), "{text}");
}
