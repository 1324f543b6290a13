-- preserve: every user stays who he is
-- before
select u.id, u.email, u.name, u.created_at
from public.users u;
-- after
select u.id, u.email, u.name, u.created_at
from public.users u;
