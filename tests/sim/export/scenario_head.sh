#
# In one terminal:  ilp-connector up --lab network.yaml
# In another one:   sh scenario.sh [URL of the page, such as http://127.0.0.1:8000]
#
# The steps follow each other in the times of the run; each takes some milliseconds more.
set -eu
cd "$(dirname "$0")"
url=${1:-http://127.0.0.1:8000}
url=${url%/}
now=0

# at MILLISECONDS WHAT: waits until then, and says what comes.
at() {
    pause=$(($1 - now))
    now=$1
    [ "$pause" = 0 ] || sleep "$((pause / 1000)).$(printf %03d $((pause % 1000)))"
    printf '%4d.%03d %s\n' $((now / 1000)) $((now % 1000)) "$2"
}

# lab REQUEST: breaks something, or sends packets.
lab() {
    answer=$(curl --silent --show-error --header 'Content-Type: application/json' --data "$1" --write-out ' %{http_code}' "$url/api/v1/lab")
    case $answer in
    *' 200') ;;
    *) printf '         refused: %s\n' "$answer" ;;
    esac
}

# probe REQUEST: sends a packet in peace, and another one as long as each is rejected: a route may still be on its way. All
# probes together wait two minutes at most.
failed=0
tries_left=1200
probe() {
    result='no time is left'
    lab "$1"
    while [ "$tries_left" -gt 0 ]; do
        id=$(printf %s "$answer" | sed -n 's/.*"id":"\([^"]*\)".*/\1/p')
        result=$(curl --silent "$url/api/v1/lab" | sed -n "s/.*\"id\":\"$id\"[^{]*{\([^}]*}\).*/\1/p")
        case $result in
        '"sent":1,"fulfilled":1,'*) return ;;
        '"sent":1,"fulfilled":0,"rejected":{"'*) lab "$1" ;;
        esac
        tries_left=$((tries_left - 1))
        sleep 0.1
    done
    printf '         not fulfilled: %s\n' "$result"
    failed=$((failed + 1))
}

# Waits until nothing is broken and all links are up.
wait_for_peace() {
    tries=0
    until curl --silent "$url/api/v1/lab" | grep -q '"faults":\[\]' &&
        ! curl --silent "$url/api/v1/links" | grep -o '"state":"[a-z]*"' | grep -qv '"up"'; do
        tries=$((tries + 1))
        [ "$tries" -lt 1200 ] || { echo "there is no peace"; exit 1; }
        sleep 0.1
    done
    echo "all links are up, and nothing is broken"
}
