# Watches one private server on behalf of one leakproof process.
# Argument: the folder that is ours to remove.
# Standard input is a pipe which that process holds open: a line is the number of the server that it
# has started, its end means "stop and remove everything", however that process ended.
trap '' HUP INT QUIT TERM
folder=$1
server=

# What has ended and was not waited for by its parent is still there by its number.
is_running() {
    kill -0 "$server" 2>/dev/null || return 1
    if read -r stat <"/proc/$server/stat"; then
        case $stat in *') Z '*) return 1 ;; esac
    fi 2>/dev/null
    return 0
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

# What a library that a migration has brought has started apart from the server. There is no /proc but
# on Linux.
for attempt in 1 2 3 4 5 6 7 8 9 10; do
    left=$(grep -lsF "LEAKPROOF_FOLDER=$folder" /proc/[0-9]*/environ 2>/dev/null)
    [ -n "$left" ] || break
    for process in $left; do
        process=${process#/proc/}
        kill -s KILL "${process%/environ}" 2>/dev/null
    done
done

# Repeated, since initdb may still be writing when the process was killed.
for attempt in 1 2 3 4 5 6 7 8 9 10; do
    rm -rf "$folder" 2>/dev/null
    [ -e "$folder" ] || break
    sleep 1
done
