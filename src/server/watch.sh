# Watches one private server on behalf of one leakproof process.
# Arguments: the folder that is ours to remove, then the command line of the server.
# Standard input is a pipe which that process holds open: a line means "start the server now", its
# end means "stop and remove everything", however that process ended.
trap '' HUP INT QUIT TERM
folder=$1
shift
exec 3<&0 </dev/null

if read -r start <&3; then
    "$@" 3<&- >"$folder/server.log" 2>&1 &
    server=$!
    (
        while read -r line <&3; do :; done
        : >"$folder/stopping"
        # Repeated, since a server that has only just been started may not listen to signals yet.
        while [ -d "$folder" ] && [ ! -e "$folder/stopped" ]; do
            kill -QUIT "$server" 2>/dev/null
            sleep 0.1 || sleep 1
        done
    ) &
    exec 3<&-
    wait "$server"
    : >"$folder/stopped"
    # A server that ended by itself leaves its log to be read, until the process lets go.
    [ -e "$folder/stopping" ] || wait
fi

# Repeated, since initdb may still be writing when the process was killed.
for attempt in 1 2 3 4 5 6 7 8 9 10; do
    rm -rf "$folder" 2>/dev/null
    [ -e "$folder" ] || break
    sleep 1
done
