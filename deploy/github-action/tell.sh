#!/usr/bin/env bash
# Tells Tocsin how a job of GitHub Actions ended; action.yml gives the inputs as TOCSIN_ACTION_*. Needs curl and jq, as GitHub's runners have.
# Each call may be repeated: it carries an identity made of the run and its attempt.
set -euo pipefail

fail() { echo "::error title=Tocsin::$1" >&2; exit 1; }

url="${TOCSIN_ACTION_URL%/}"
[[ "$url" =~ ^https?://[^[:space:]]+$ ]] || fail "url: '$url' is no http or https address"
kind="$TOCSIN_ACTION_KIND"
case "$TOCSIN_ACTION_STATUS" in success | failure | cancelled) ;; *) fail "status: '$TOCSIN_ACTION_STATUS' is none of success, failure, cancelled" ;; esac
run="${GITHUB_SERVER_URL}/${GITHUB_REPOSITORY}/actions/runs/${GITHUB_RUN_ID}"
title="${TOCSIN_ACTION_TITLE:-${GITHUB_WORKFLOW} of ${GITHUB_REPOSITORY}: ${TOCSIN_ACTION_STATUS}}"
text="${TOCSIN_ACTION_TEXT:-${GITHUB_JOB} of ${GITHUB_REF_NAME} at ${GITHUB_SHA:0:12}, by ${GITHUB_ACTOR}: ${run}}"
key="${TOCSIN_ACTION_KEY:-github/${GITHUB_REPOSITORY}/${GITHUB_WORKFLOW}/${GITHUB_JOB}/${GITHUB_REF_NAME}}"
# Whatever the names are, an identity has 64 characters.
identity="$(printf '%s\n' "$GITHUB_REPOSITORY" "$GITHUB_RUN_ID" "$GITHUB_RUN_ATTEMPT" "$kind" "$TOCSIN_ACTION_STATUS" "$TOCSIN_ACTION_TOPIC" "$key" | sha256sum)"
identity="${identity%% *}"

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT

# call METHOD PATH [BODY]: the answer; or an error with what the gateway says. The key comes by stdin, where no list of processes shows it.
call() {
  local status header="" answer="$folder/answer"
  if [[ -n "$TOCSIN_ACTION_API_KEY" ]]; then header="header = \"Authorization: Bearer ${TOCSIN_ACTION_API_KEY//[$'"\\\r\n']/}\""; fi
  local line=(--silent --show-error --max-time 30 --retry 5 --retry-connrefused --output "$answer" --write-out '%{http_code}' --request "$1" --config -)
  if (( $# > 2 )); then line+=(--header 'Content-Type: application/json' --data-binary "$3"); fi
  status="$(curl "${line[@]}" "$url$2" <<<"$header")" || fail "$url does not answer"
  [[ "$status" == 2?? ]] || fail "$1 $2: $(jq -er '.detail // .title' "$answer" 2>/dev/null || echo "status $status")"
  cat "$answer"
}

quoted() { jq -rn --arg text "$1" '$text | @uri'; }

tell_incident() {
  local open body
  if [[ "$TOCSIN_ACTION_STATUS" == cancelled ]]; then echo "cancelled: no incident is opened or resolved"; return; fi
  if [[ "$TOCSIN_ACTION_STATUS" == success ]]; then
    open="$(call GET "/v1/incidents?pageSize=1&filter=$(quoted "dedup_key=$(jq -n --arg key "$key" '$key') AND state!=\"RESOLVED\"")" | jq -r '.incidents[0].name // ""')"
    [[ -n "$open" ]] || { echo "no incident is open"; return; }
    call POST "/v1/$open:resolve" '{}' >/dev/null
    name="$open"
    return
  fi
  body="$(jq -n --arg title "$title" --arg text "$text" --arg key "$key" --arg policy "$TOCSIN_ACTION_POLICY" --arg severity "$TOCSIN_ACTION_SEVERITY" \
    --arg url "$run" --arg repository "$GITHUB_REPOSITORY" --arg workflow "$GITHUB_WORKFLOW" --arg branch "$GITHUB_REF_NAME" \
    '{title: $title, description: $text, dedupKey: $key, severity: $severity, url: $url, labels: {repository: $repository, workflow: $workflow, branch: $branch}}
     + (if $policy == "" then {} else {escalationPolicy: $policy} end)')"
  name="$(call POST "/v1/incidents?requestId=$(quoted "$identity")" "$body" | jq -r .name)"
}

tell_event() {
  local body
  body="$(jq -n --arg id "$identity" --arg topic "$TOCSIN_ACTION_TOPIC" --arg source "$run" --arg status "$TOCSIN_ACTION_STATUS" \
    --arg repository "$GITHUB_REPOSITORY" --arg workflow "$GITHUB_WORKFLOW" --arg branch "$GITHUB_REF_NAME" --arg commit "$GITHUB_SHA" --arg actor "$GITHUB_ACTOR" \
    --argjson data "$TOCSIN_ACTION_DATA" \
    '{id: $id, topic: $topic, source: $source, data: ({status: $status, repository: $repository, workflow: $workflow, branch: $branch, commit: $commit, actor: $actor} + $data)}' \
    2>/dev/null)" || fail "data: it is no JSON object"
  call POST /v1/events "$body" >/dev/null
  name="$identity"
}

tell_notification() {
  local body
  [[ -n "$TOCSIN_ACTION_RECIPIENTS" ]] || fail "recipients: nobody is named"
  body="$(jq -n --arg subject "$title" --arg text "$text" --arg recipients "$TOCSIN_ACTION_RECIPIENTS" \
    '{recipients: ($recipients | split(",") | map(gsub("^\\s+|\\s+$"; ""))), subject: $subject, text: $text}')"
  name="$(call POST "/v1/notifications?requestId=$(quoted "$identity")" "$body" | jq -r .name)"
}

tell_ping() {
  [[ -n "$TOCSIN_ACTION_KEY" ]] || fail "key: a ping needs the UUID of its heartbeat, or a ping key and a slug"
  [[ "$TOCSIN_ACTION_KEY" =~ ^[A-Za-z0-9/_-]+$ ]] || fail "key: '$TOCSIN_ACTION_KEY' is no UUID, and no ping key with a slug"
  local suffix=""
  [[ "$TOCSIN_ACTION_STATUS" == success ]] || suffix=/fail
  call POST "/ping/$TOCSIN_ACTION_KEY$suffix" "$(jq -n --arg text "$text" '$text')" >/dev/null
  name="$TOCSIN_ACTION_KEY"
}

name=""
case "$kind" in
  incident | event | notification | ping) "tell_$kind" ;;
  *) fail "kind: '$kind' is none of incident, event, notification, ping" ;;
esac
echo "name=$name" >>"$GITHUB_OUTPUT"
echo "Tocsin: $kind ${name:-(nothing to do)}"
