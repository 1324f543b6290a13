# Runs a private server in a container, as its first process, for as long as leakproof is connected.
# Needs no image in particular: only PostgreSQL and its user. The password is in LEAKPROOF_PASSWORD;
# the command line of the server, without its data directory, is in the arguments.
export LC_ALL=C TZ=UTC
data=/tmp/leakproof
umask 077

bin=
for initdb in "$(command -v initdb)" /usr/lib/postgresql/*/bin/initdb /usr/lib/postgresql/bin/initdb \
    /usr/local/bin/initdb /usr/libexec/postgresql*/initdb; do
    # The last of several versions, unless one is on PATH.
    [ -x "$initdb" ] || continue
    bin=$(dirname "$(readlink -f "$initdb")")
    [ "$initdb" = "$(command -v initdb)" ] && break
done
if [ -z "$bin" ]; then
    echo "leakproof: there is no initdb in this image" >&2
    exit 1
fi

# Containers usually start as root, which Postgres refuses.
as_postgres() {
    if [ "$(id -u)" != 0 ]; then exec "$@"
    elif command -v gosu >/dev/null; then exec gosu postgres "$@"
    elif command -v su-exec >/dev/null; then exec su-exec postgres "$@"
    elif command -v setpriv >/dev/null; then
        exec setpriv --reuid=postgres --regid="$(id -g postgres)" --clear-groups "$@"
    else exec su postgres -s /bin/sh -c 'exec "$0" "$@"' -- "$@"
    fi
}

mkdir "$data" && cd "$data" || exit 1
printf '%s\n' "$LEAKPROOF_PASSWORD" >"$data/password"
[ "$(id -u)" != 0 ] || chown -R postgres "$data"
(as_postgres "$bin/initdb" --pgdata="$data/data" --username=leakproof --pwfile="$data/password" \
    --auth=scram-sha-256 --encoding=UTF8 --locale=C --no-sync) >"$data/initdb.log" 2>&1 || {
    cat "$data/initdb.log" >&2
    exit 1
}
rm "$data/password"
echo 'host all all all scram-sha-256' >>"$data/data/pg_hba.conf"
unset LEAKPROOF_PASSWORD
(as_postgres "$bin/postgres" -D "$data/data" -k "$data" "$@") &

# The lease is a connection to template1; leakproof holds it from its start to its end, and the
# server closes it as soon as the process is gone. Ten seconds for it to come, none to come back.
limit=10
missing=0
while kill -0 $! 2>/dev/null && [ "$missing" -lt "$limit" ]; do
    if grep -aqs '[p]ostgres: leakproof template1 ' /proc/[0-9]*/cmdline; then
        limit=1
        missing=0
    else
        missing=$((missing + 1))
    fi
    sleep 1
done
