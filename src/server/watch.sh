# Watches one private server on behalf of one leakproof process.
# Argument: the folder that is ours to make, and to remove; a line says that it is there.
# Standard input is a pipe which that process holds open: a line is the number of the server that it
# has started, its end means "stop and remove everything", however that process ended.
trap '' HUP INT PIPE QUIT TERM
folder=$1
server=
mkdir -m 700 "$folder" || exit 1
# Nobody may be there to hear it any more.
echo made 2>/dev/null || :
# As the kernel names it.
mapped=$(cd "$folder" && pwd -P) || mapped=$folder

# By its environment, since another process may have its number by now. One that has ended and was not
# waited for has none. There is no /proc but on Linux.
is_running() {
    if [ -e /proc/self/environ ]; then
        grep -qsF "LEAKPROOF_FOLDER=$folder" "/proc/$server/environ"
    else
        kill -0 "$server" 2>/dev/null
    fi
}

while read -r line; do
    server=$line
done

# It may have been started, and the process killed before it told us.
if [ -z "$server" ] && [ -e "$folder/server.log" ]; then
    sleep 0.2 || sleep 1
    read -r server <"$folder/data/postmaster.pid" || server=
fi 2>/dev/null
tries=0
while [ -n "$server" ] && is_running; do
    # What a migration has stopped (SIGSTOP) hears nothing else.
    if [ "$tries" -lt 20 ]; then signal=QUIT; else signal=KILL; fi
    kill -s "$signal" "$server" 2>/dev/null
    tries=$((tries + 1))
    sleep 0.1 || sleep 1
done

# Its own processes end with it, but for those that are stopped, and for what a library that a migration
# has brought has started apart. Those have no environment, and have files of the folder mapped.
for attempt in 1 2 3 4 5 6 7 8 9 10; do
    left=$(grep -lsF "$mapped/" /proc/[0-9]*/maps 2>/dev/null)
    [ -n "$left" ] || break
    for process in $left; do
        process=${process#/proc/}
        kill -s KILL "${process%/maps}" 2>/dev/null
    done
    sleep 0.1 || sleep 1
done

# Repeated, since initdb may still be writing when the process was killed.
for attempt in 1 2 3 4 5 6 7 8 9 10; do
    rm -rf "$folder" 2>/dev/null
    [ -e "$folder" ] || break
    sleep 1
done
