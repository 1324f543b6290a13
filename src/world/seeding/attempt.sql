create function pg_temp.leakproof_try(attempts text, is_one_enough boolean) returns setof text
language plpgsql
as $body$
declare
    attempt json;
    answer json;
    state text;
    said text;
    more text;
    advice text;
    of_schema text;
    of_table text;
    of_column text;
    of_constraint text;
    of_datatype text;
    inside text;
begin
    for attempt in select e.value from pg_catalog.json_array_elements(attempts::json) e loop
        begin
            answer := null;
            if attempt ->> 'b' <> '' then
                execute attempt ->> 'b';
            end if;
            execute attempt ->> 's' into answer;
            if attempt ->> 'a' <> '' then
                execute attempt ->> 'a';
            end if;
            if answer is null then
                return next '"swallowed"';
            else
                return next pg_catalog.json_build_object('stored', answer)::text;
                if is_one_enough then
                    return;
                end if;
            end if;
        exception when assert_failure or others then
            get stacked diagnostics
                state = returned_sqlstate,
                said = message_text,
                more = pg_exception_detail,
                advice = pg_exception_hint,
                of_schema = schema_name,
                of_table = table_name,
                of_column = column_name,
                of_constraint = constraint_name,
                of_datatype = pg_datatype_name,
                inside = pg_exception_context;
            return next pg_catalog.json_build_object('refused', pg_catalog.json_build_object(
                'sqlstate', state, 'message', said, 'detail', nullif(more, ''),
                'hint', nullif(advice, ''), 'schema', nullif(of_schema, ''),
                'table', nullif(of_table, ''), 'column', nullif(of_column, ''),
                'constraint', nullif(of_constraint, ''), 'datatype', nullif(of_datatype, ''),
                'context', nullif(inside, '')
            ))::text;
        end;
    end loop;
end
$body$;

create function pg_temp.leakproof_castable(type_name text, texts text[]) returns integer[]
language plpgsql
as $body$
declare
    places integer[] := '{}';
begin
    for place in 1 .. coalesce(pg_catalog.array_length(texts, 1), 0) loop
        begin
            execute 'select ' || pg_catalog.quote_literal(texts[place]) || '::' || type_name;
            places := places || place;
        exception when others then
            null;
        end;
    end loop;
    return places;
end
$body$
