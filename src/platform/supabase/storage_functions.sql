-- What policies on files ask: the folder, the name and the ending of a path; and what the storage
-- service calls itself.

set role supabase_storage_admin;

create function storage.foldername(name text) returns text[] language sql immutable
as $$
    select parts[1:cardinality(parts) - 1]
    from (values (string_to_array(name, '/'))) as path (parts)
$$;
comment on function storage.foldername(text) is 'The folders of a path, the outermost first.';

create function storage.filename(name text) returns text language sql immutable
as $$
    select parts[cardinality(parts)]
    from (values (string_to_array(name, '/'))) as path (parts)
$$;
comment on function storage.filename(text) is 'The last part of a path.';

create function storage.extension(name text) returns text language sql immutable
as $$
    select reverse(split_part(reverse(storage.filename(name)), '.', 1))
$$;
comment on function storage.extension(text) is 'What comes after the last dot of a path.';

create function storage.operation() returns text language sql stable
as $$
    select current_setting('storage.operation', true)
$$;
comment on function storage.operation() is 'What the storage service is about to do.';

create function storage.get_size_by_bucket() returns table (size bigint, bucket_id text)
language sql stable
as $$
    select sum((o.metadata ->> 'size')::bigint)::bigint, o.bucket_id
    from storage.objects o
    group by o.bucket_id
$$;
comment on function storage.get_size_by_bucket() is 'The bytes in each bucket.';

create function storage.can_insert_object(bucketid text, name text, owner uuid, metadata jsonb)
returns void language plpgsql
as $$
begin
    insert into storage.objects (bucket_id, name, owner, metadata)
    values (bucketid, name, owner, metadata);
    raise exception using errcode = 'PT200', message = 'ROLLBACK',
        detail = 'rollback successful insert';
end
$$;
comment on function storage.can_insert_object(text, text, uuid, jsonb) is
    'Tries an insert, and takes it back by an error that says that it went well.';

create function storage.search(
    prefix text,
    bucketname text,
    limits integer default 100,
    levels integer default 1,
    offsets integer default 0,
    search text default '',
    sortcolumn text default 'name',
    sortorder text default 'asc'
) returns table (
    name text,
    id uuid,
    updated_at timestamptz,
    created_at timestamptz,
    last_accessed_at timestamptz,
    metadata jsonb
) language sql stable
as $$
    with entries as (
        select
            o.path_tokens[levels] as name,
            bool_or(cardinality(o.path_tokens) > levels) as is_folder,
            min(o.id::text) as id,
            max(o.updated_at) as updated_at,
            min(o.created_at) as created_at,
            max(o.last_accessed_at) as last_accessed_at,
            min(o.metadata::text) as metadata
        from storage.objects o
        where o.bucket_id = bucketname
            and starts_with(lower(o.name), lower(prefix || search))
            and cardinality(o.path_tokens) >= levels
        group by o.path_tokens[levels]
    )
    select
        e.name,
        case when not e.is_folder then e.id::uuid end,
        case when not e.is_folder then e.updated_at end,
        case when not e.is_folder then e.created_at end,
        case when not e.is_folder then e.last_accessed_at end,
        case when not e.is_folder then e.metadata::jsonb end
    from entries e
    order by
        e.is_folder desc,
        case when lower(sortorder) = 'desc' then e.name end desc,
        e.name
    limit limits
    offset offsets
$$;
comment on function storage.search(text, text, integer, integer, integer, text, text, text) is
    'The files and folders at one level below a prefix.';

create function storage.update_updated_at_column() returns trigger language plpgsql
as $$
begin
    new.updated_at = now();
    return new;
end
$$;

create trigger update_objects_updated_at
    before update on storage.objects
    for each row execute function storage.update_updated_at_column();

grant execute on all functions in schema storage to postgres, anon, authenticated, service_role;

reset role;
