#!/usr/bin/env bash
# Starts a rotation of the application's secret and shows its stages until the new version is AWSCURRENT.
#   deploy/rotate-now.sh [SECRET]     default: $PROJECT/application, from deploy/settings.env
# It shows version ids and labels, never a content; it needs secretsmanager:RotateSecret and DescribeSecret.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=deploy/settings.env.example
[ ! -f deploy/settings.env ] || source deploy/settings.env
secret=${1:-${PROJECT:?set PROJECT, or name the secret}/application}
[ -z "${AWS_REGION:-}" ] || export AWS_REGION AWS_DEFAULT_REGION="$AWS_REGION"
export AWS_PAGER=""
limit=${ROTATE_LIMIT:-300} # seconds

stages() { # "AWSCURRENT=1b4e28ba AWSPENDING=6fa459ea ...", in the order of the labels
    aws secretsmanager describe-secret --secret-id "$secret" --query 'VersionIdsToStages' --output json |
        python3 -c 'import json, sys
versions = json.load(sys.stdin) or {}
print(*sorted(f"{stage}={version[:8]}" for version, labels in versions.items() for stage in labels))'
}

before=$(stages)
echo "       0 s  $before"
new=$(aws secretsmanager rotate-secret --secret-id "$secret" --query VersionId --output text)
begun=$SECONDS
last=$before
while :; do
    now=$(stages)
    [ "$now" = "$last" ] || printf '%8d s  %s\n' $((SECONDS - begun)) "$now"
    last=$now
    case " $now " in
        *" AWSCURRENT=${new:0:8} "*) break ;;
    esac
    if [ $((SECONDS - begun)) -ge "$limit" ]; then
        echo "rotate-now: after $limit s version ${new:0:8} is not AWSCURRENT. The rotation function's log says why:" >&2
        echo "  aws logs tail /aws/lambda/${secret%%/*}-rotate-${secret##*/} --since 10m" >&2
        exit 1
    fi
    sleep "${ROTATE_POLL:-1}"
done
echo "rotate-now: version ${new:0:8} is AWSCURRENT after $((SECONDS - begun)) s"
