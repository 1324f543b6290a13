-- What the functions of the back end answer. The guide promises that the legacy message endpoints
-- still work, and that the old listing returns what stands alone.
-- NOTE: ids are random and times are of the day, so both are left out of what is said just now. So
-- is chatId, which the answer to a saved message has from the cut over on.
-- NOTE: only one message is saved in each call: of two in one millisecond the random id decides
-- which is remembered first.


-- What a mentor is to remember of a user.

-- call: what mentors remember of Anna
-- as: cuser0000000000000000anna
select m.id, get_mentor_messages('cuser0000000000000000anna', m.id)
from (values
    ('cmentor000000000000career'), ('cmentor000000000000health'), ('cmentor00000000000unasked'),
    ('cmentor00000000000deleted'), ('cmentor000000000deleted-2'), (''), ('   '),
    (repeat('m', 256)), (repeat('ü', 255)), ('CMENTOR000000000000CAREER'),
    (' cmentor000000000000career'), ('null'), (E'", "👋\\\n'), ('nobody'), (null)
) m (id);

-- call: what mentors remember of Bert
-- as: cuser0000000000000000bert
select m.id, get_mentor_messages('cuser0000000000000000bert', m.id)
from (values
    ('cmentor000000000000career'), ('cmentor000000000000health'), ('cmentor00000000000unasked'),
    ('cmentor00000000000deleted'), ('cmentor000000000deleted-2'), (''), ('   '),
    (repeat('m', 256)), (repeat('ü', 255)), ('CMENTOR000000000000CAREER'),
    (' cmentor000000000000career'), ('null'), (E'", "👋\\\n'), ('nobody'), (null)
) m (id);

-- call: what mentors remember of Cora
-- as: cuser0000000000000000cora
select m.id, get_mentor_messages('cuser0000000000000000cora', m.id)
from (values
    ('cmentor000000000000career'), ('cmentor000000000000health'), ('cmentor00000000000unasked'),
    ('cmentor00000000000deleted'), ('cmentor000000000deleted-2'), (''), ('   '),
    (repeat('m', 256)), (repeat('ü', 255)), ('CMENTOR000000000000CAREER'),
    (' cmentor000000000000career'), ('null'), (E'", "👋\\\n'), ('nobody'), (null)
) m (id);

-- call: what mentors remember of Dirk
-- as: cuser0000000000000000dirk
select m.id, get_mentor_messages('cuser0000000000000000dirk', m.id)
from (values
    ('cmentor000000000000career'), ('cmentor000000000000health'), ('cmentor00000000000unasked'),
    ('cmentor00000000000deleted'), ('cmentor000000000deleted-2'), (''), ('   '),
    (repeat('m', 256)), (repeat('ü', 255)), ('CMENTOR000000000000CAREER'),
    (' cmentor000000000000career'), ('null'), (E'", "👋\\\n'), ('nobody'), (null)
) m (id);

-- call: what mentors remember of Elsa
-- as: cuser0000000000000000elsa
select m.id, get_mentor_messages('cuser0000000000000000elsa', m.id)
from (values
    ('cmentor000000000000career'), ('cmentor000000000000health'), ('cmentor00000000000unasked'),
    ('cmentor00000000000deleted'), ('cmentor000000000deleted-2'), (''), ('   '),
    (repeat('m', 256)), (repeat('ü', 255)), ('CMENTOR000000000000CAREER'),
    (' cmentor000000000000career'), ('null'), (E'", "👋\\\n'), ('nobody'), (null)
) m (id);

-- call: what mentors remember of Fred
-- as: cuser0000000000000000fred
select m.id, get_mentor_messages('cuser0000000000000000fred', m.id)
from (values
    ('cmentor000000000000career'), ('cmentor000000000000health'), ('cmentor00000000000unasked'),
    ('cmentor00000000000deleted'), ('cmentor000000000deleted-2'), (''), ('   '),
    (repeat('m', 256)), (repeat('ü', 255)), ('CMENTOR000000000000CAREER'),
    (' cmentor000000000000career'), ('null'), (E'", "👋\\\n'), ('nobody'), (null)
) m (id);


-- GET /mentor/messages. From the cut over on it returns only what stands alone: the whole answer is
-- the same until then, and of what stands alone afterwards. That is asked for without a limit,
-- which would count other messages until then.

-- call: Anna reads all that was said
-- as: cuser0000000000000000anna
-- until: V6
select get_messages('cuser0000000000000000anna', 1000);

-- call: Bert reads all that was said
-- as: cuser0000000000000000bert
-- until: V6
select get_messages('cuser0000000000000000bert', 1000);

-- call: Cora reads all that was said
-- as: cuser0000000000000000cora
-- until: V6
select get_messages('cuser0000000000000000cora', 1000);

-- call: Dirk reads all that was said
-- as: cuser0000000000000000dirk
-- until: V6
select get_messages('cuser0000000000000000dirk', 1000);

-- call: Elsa reads all that was said
-- as: cuser0000000000000000elsa
-- until: V6
select get_messages('cuser0000000000000000elsa', 1000);

-- call: Fred reads all that was said
-- as: cuser0000000000000000fred
-- until: V6
select get_messages('cuser0000000000000000fred', 1000);

-- call: Anna reads what stands alone
-- as: cuser0000000000000000anna
select e.value
from jsonb_array_elements(get_messages('cuser0000000000000000anna', null)) e
where btrim(coalesce(e.value ->> 'mentorId', '')) = ''
or length(e.value ->> 'mentorId') > 255;

-- call: Bert reads what stands alone
-- as: cuser0000000000000000bert
select e.value
from jsonb_array_elements(get_messages('cuser0000000000000000bert', null)) e
where btrim(coalesce(e.value ->> 'mentorId', '')) = ''
or length(e.value ->> 'mentorId') > 255;

-- call: Cora reads what stands alone
-- as: cuser0000000000000000cora
select e.value
from jsonb_array_elements(get_messages('cuser0000000000000000cora', null)) e
where btrim(coalesce(e.value ->> 'mentorId', '')) = ''
or length(e.value ->> 'mentorId') > 255;

-- call: Dirk reads what stands alone
-- as: cuser0000000000000000dirk
select e.value
from jsonb_array_elements(get_messages('cuser0000000000000000dirk', null)) e
where btrim(coalesce(e.value ->> 'mentorId', '')) = ''
or length(e.value ->> 'mentorId') > 255;

-- call: Elsa reads what stands alone
-- as: cuser0000000000000000elsa
select e.value
from jsonb_array_elements(get_messages('cuser0000000000000000elsa', null)) e
where btrim(coalesce(e.value ->> 'mentorId', '')) = ''
or length(e.value ->> 'mentorId') > 255;

-- call: Elsa reads page by page
-- as: cuser0000000000000000elsa
-- until: V6
select p.n, get_messages('cuser0000000000000000elsa', 7, p.n * 7)
from generate_series(0, 10) p (n);

-- call: Anna asks for no row
-- as: cuser0000000000000000anna
select get_messages('cuser0000000000000000anna', 0);

-- call: Anna asks for less than no row
-- as: cuser0000000000000000anna
select get_messages('cuser0000000000000000anna', -1);


-- Nobody reads or writes what is another's.

-- call: Bert asks for what others said
-- as: cuser0000000000000000bert
select
    u.id,
    get_messages(u.id, 1000),
    get_mentor_messages(u.id, 'cmentor000000000000career'),
    save_message(u.id, null, '{"role": "user", "content": "x"}')
from (values
    ('cuser0000000000000000anna'), ('cuser0000000000000000gone'), ('nobody'), (null)
) u (id);

-- call: who has no account asks for what others said
-- as: gone
select
    u.id,
    get_messages(u.id, 1000),
    get_mentor_messages(u.id, 'cmentor000000000000career'),
    save_message(u.id, null, '{"role": "user", "content": "x"}')
from (values
    ('cuser0000000000000000anna'), ('cuser0000000000000000gone'), ('nobody'), (null)
) u (id);

-- call: who is not logged in asks for what others said
-- as: nobody
select
    u.id,
    get_messages(u.id, 1000),
    get_mentor_messages(u.id, 'cmentor000000000000career'),
    save_message(u.id, null, '{"role": "user", "content": "x"}')
from (values
    ('cuser0000000000000000anna'), ('cuser0000000000000000gone'), ('nobody'), (null)
) u (id);


-- POST /mentor/chat: what is said is answered, and remembered as the last.

-- call: Anna goes on with a mentor
-- as: cuser0000000000000000anna
select save_message('cuser0000000000000000anna', 'cmentor000000000000career', '{
    "role": "user", "content": "just now", "prompt": "y", "model": "z", "tokens": 1,
    "metadata": {"a": 1.0}, "taskId": "t"
}') - '{id,createdAt,chatId}'::text[] as saved;
select case e.value ->> 'content'
    when 'just now' then e.value - '{id,createdAt}'::text[]
    else e.value
end as message
from jsonb_array_elements(
    get_mentor_messages('cuser0000000000000000anna', 'cmentor000000000000career')
) with ordinality e
order by e.ordinality;

-- call: Bert goes on where something is dated far in the future
-- as: cuser0000000000000000bert
select save_message('cuser0000000000000000bert', m.id, '{
    "role": "user", "content": "just now"
}') - '{id,createdAt,chatId}'::text[] as saved
from mentors m
where m.id = 'cmentor000000000000health';
select e.value ->> 'content' as content
from jsonb_array_elements(
    get_mentor_messages('cuser0000000000000000bert', 'cmentor000000000000health')
) with ordinality e
order by e.ordinality;

-- call: Anna asks a mentor whom nobody asked
-- as: cuser0000000000000000anna
select save_message('cuser0000000000000000anna', 'cmentor00000000000unasked', '{
    "role": "user", "content": "", "metadata": null
}') - '{id,createdAt,chatId}'::text[] as saved;
select e.value - '{id,createdAt}'::text[] as message
from jsonb_array_elements(
    get_mentor_messages('cuser0000000000000000anna', 'cmentor00000000000unasked')
) e;

-- call: Fred speaks to nobody in particular
-- as: cuser0000000000000000fred
select save_message('cuser0000000000000000fred', null, '{"role": "user", "content": "é"}')
    - '{id,createdAt,chatId}'::text[] as saved;
select e.value - '{id,createdAt}'::text[] as message
from jsonb_array_elements(get_messages('cuser0000000000000000fred', 10)) e
where e.value ->> 'content' = 'é';

-- call: an id and a time as they are made
-- as: cuser0000000000000000fred
select
    s.message ->> 'id' ~ '^c[0-9a-f]{24}$' as is_id,
    s.message ->> 'createdAt' ~ '^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d\d\dZ$' as is_time
from (
    select save_message('cuser0000000000000000fred', null, '{"role": "user", "content": "é"}')
) s (message);

-- call: a message to a mentor that does not exist is kept
-- as: cuser0000000000000000anna
-- until: V6
select save_message('cuser0000000000000000anna', 'nobody', '{"role": "user", "content": "x"}')
    - '{id,createdAt}'::text[] as saved;


-- What is refused.

-- call: a message without content
-- as: cuser0000000000000000anna
select save_message('cuser0000000000000000anna', null, '{"role": "user"}');

-- call: a message without a role
-- as: cuser0000000000000000anna
select save_message('cuser0000000000000000anna', null, '{"content": "x"}');

-- call: a message that cost no number
-- as: cuser0000000000000000anna
select save_message(
    'cuser0000000000000000anna', null, '{"role": "user", "content": "x", "tokens": "many"}'
);
