//! No false loss, and each true one: files pushed to `sql/conversations` with many messages, while an application
//! inserts and deletes. `LEAKPROOF_MESSAGES=100000 LEAKPROOF_PUSHES=100` is what it has to stand.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use super::target::{Target, number};
use crate::support::{Copy, root};

const MESSAGES_PER_CHAT: usize = 20;

/// What a hosted platform has before the first file, as far as these files need it.
const ROLES: &str = "
    create role anon; create role authenticated; create role service_role bypassrls;";

const PLATFORM: &str = "
    grant usage on schema public to anon, authenticated, service_role;
    create schema extensions; create schema auth; create publication supabase_realtime;
    grant usage on schema extensions, auth to anon, authenticated, service_role;
    create table auth.users (id uuid primary key, email text);
    create function auth.uid() returns uuid language sql stable return
        nullif(current_setting('request.jwt.claims', true)::jsonb ->> 'sub', '')::uuid;";

/// People, tenants and chats with so many messages in their documents, as they are before the files move them.
fn rows(messages: usize) -> String {
    let chats = messages / MESSAGES_PER_CHAT;
    format!(
        "insert into auth.users (id) select md5('person ' || p)::uuid from generate_series(0, {chats} / 50) p;
        insert into public.tenants (id, name)
            select md5('tenant ' || t)::uuid, 'Tenant ' || t from generate_series(0, {chats} / 500) t;
        insert into public.tenant_users (tenant_id, user_id)
            select md5('tenant ' || p / 10)::uuid, md5('person ' || p)::uuid
            from generate_series(0, {chats} / 50) p;
        insert into public.chat_sessions (id, tenant_id, user_id, title, messages, created_at, updated_at)
            select md5('chat ' || c)::uuid, md5('tenant ' || c / 500)::uuid, md5('person ' || c / 50)::uuid,
                'Chat ' || c, (
                    select jsonb_agg(jsonb_build_object(
                        'id', md5(c || ' message ' || m)::uuid,
                        'role', case m % 2 when 0 then 'assistant' else 'user' end,
                        'content', repeat('Message ' || m || ' of chat ' || c || '. ', 8),
                        'timestamp', '2024-01-01T00:00:' || lpad(m::text, 2, '0') || '.000Z'
                    ) order by m) from generate_series(1, {MESSAGES_PER_CHAT}) m
                ), '2024-01-01T00:00:00Z', '2024-01-01T00:00:00Z'
            from generate_series(1, {chats}) c"
    )
}

/// The files before the messages move, and the others.
fn move_files(to: &Copy, is_first: bool) {
    for folder in ["migrations", "preserve"] {
        for entry in
            std::fs::read_dir(root().join("sql/conversations").join(folder)).expect("a folder")
        {
            let path = entry.expect("a file").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            if name.starts_with("V1__") == is_first {
                let text = std::fs::read_to_string(&path).expect("readable");
                to.write(&format!("{folder}/{name}"), &text);
            }
        }
    }
}

/// An application that writes and deletes messages of its own, each in a transaction that has read before.
fn apply_traffic(target: &Target, is_over: &AtomicBool) -> usize {
    let (mut client, mut turns) = (target.connect(), 0);
    while !is_over.load(Ordering::Relaxed) {
        let ordinal = 1000 + turns % 50;
        let sql = format!(
            "begin;
            select count(*) from public.messages where ordinal = {ordinal};
            insert into public.messages (conversation_id, tenant_id, ordinal, role, content)
                select id, tenant_id, {ordinal}, 'user', 'traffic' from public.conversations
                where id = md5('chat 1')::uuid on conflict do nothing;
            delete from public.messages where conversation_id = md5('chat 1')::uuid
                and ordinal between 1000 and 1049 and ordinal <> {ordinal};
            commit"
        );
        client.batch_execute(&sql).expect("the application is not disturbed");
        turns += 1;
    }
    turns
}

#[test]
fn under_traffic_no_loss_is_false_and_each_true_one_is_found() {
    let messages = number("LEAKPROOF_MESSAGES").unwrap_or(2_000);
    let pushes = number("LEAKPROOF_PUSHES").unwrap_or(10);
    let target = Target::start_alone();
    target.admin().batch_execute(ROLES).expect("roles");
    target.connect().batch_execute(PLATFORM).expect("a platform");
    let copy = Copy::empty();
    copy.write("leakproof.toml", "[project]\nplatform = \"supabase\"\ngrants = \"2026\"\n");
    move_files(&copy, true);
    expect_counted(&target, &copy);
    target.connect().batch_execute(&rows(messages)).expect("rows");
    move_files(&copy, false);
    let begun = Instant::now();
    expect_counted(&target, &copy);
    println!("the files of the project: {:?}", begun.elapsed());
    let count = "select count(*)::text from public.messages where ordinal < 1000";
    let all = target.ask(count);
    assert_eq!(all, [(messages / MESSAGES_PER_CHAT * MESSAGES_PER_CHAT).to_string()]);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let traffic = scope.spawn(|| apply_traffic(&target, &is_over));
        // Who fails ends the application, too.
        let end = End(&is_over);
        let mut took = Vec::new();
        for at in 0..pushes {
            let version = 100 + at;
            let begun = Instant::now();
            if at % 10 == 9 {
                refuse_loss(&target, &copy, version);
            }
            let path = format!("migrations/V{version}__touch.sql");
            copy.write(&path, &harmless(at));
            expect_counted(&target, &copy);
            took.push(begun.elapsed());
        }
        drop(end);
        took.sort();
        let turns = traffic.join().expect("the application goes on");
        println!(
            "{pushes} pushes, half within {:?}, all within {:?}; {turns} turns of the application",
            took[took.len() / 2],
            took[took.len() - 1]
        );
        assert!(turns > pushes);
    });
    assert_eq!(target.ask(count), all);
}

/// 100,000 messages have 61 MB, and twice that once all were rewritten: more than is counted by default.
const BUDGET: [&str; 2] = ["--lock-budget", "20"];

/// Pushes, and leaves no table out.
fn expect_counted(target: &Target, copy: &Copy) {
    let (code, stdout, stderr) = target.push(copy, &BUDGET);
    assert!(code == 0 && !stdout.contains("not counted"), "{stdout}{stderr}");
}

/// Says that all is over when it goes.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A file that touches the tables and loses nothing.
fn harmless(at: usize) -> String {
    match at % 5 {
        0 => format!("alter table public.messages add column more_{at} text default 'x'"),
        1 => "update public.messages set content = content where ordinal = 7".into(),
        2 => format!(
            "alter table public.messages add constraint check_{at} check (ordinal > 0);
             update public.conversations set title = title"
        ),
        3 => format!(
            "alter table public.messages alter column more_{0} type varchar(9);
             update public.messages set more_{0} = 'y' where more_{0} is null",
            at - 3
        ),
        _ => format!("create index messages_{at} on public.messages (created_at)"),
    }
}

/// A file that loses one row, be it by naming it or by a function: it is rolled back, and the key is shown.
fn refuse_loss(target: &Target, copy: &Copy, version: usize) {
    let key = &target.ask(
        "select id::text from public.messages where ordinal < 1000 order by md5(id::text) limit 1",
    )[0];
    let delete = format!("delete from public.messages where id = '{key}'");
    let sql = match version / 10 % 2 {
        0 => delete,
        _ => format!(
            "do $do$ begin execute replace($$delete from public.mess_ages where id = '{key}'$$, '_', ''); end $do$"
        ),
    };
    copy.write(&format!("migrations/V{version}__touch.sql"), &sql);
    let (code, stdout, stderr) = target.push(copy, &BUDGET);
    let told = format!("{stdout}{stderr}");
    assert!(code == 1 && told.contains("public.messages lost 1 of its"), "{told}");
    assert!(told.contains(key), "{told}");
}
