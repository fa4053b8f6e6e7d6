#!/usr/bin/env bash
# One motion, from a shell: exits with 0 if it was carried in time, else with what `wait` says (8, 9).
#   AYES_URL=… AYES_TOKEN=… motion.sh "Deploy 1.2 on Friday" people.csv SECONDS > links.csv
set -euo pipefail
policy=$(printf '{"assumption":{"rule":"percent","threshold":60},"ttl_seconds":%d}' "$3")
event=$(ayes-client create "$1" --organiser --policy "$policy" --json | jq -r .event)
ayes-client invite "$event" --csv "$2"
ayes-client start "$event" >&2
motion=$(ayes-client propose "$event" assumption "$1" --json | jq -r .result.proposal)
ayes-client wait "$event" "$motion" --timeout $(($3 + 60)) >&2
