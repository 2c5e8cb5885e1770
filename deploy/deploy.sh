#!/usr/bin/env bash
# Brings the whole system up, or brings it up to date: six CloudFormation stacks, two images, one setup task.
# Safe to run again at any time; what is as it should be is left alone. Settings: deploy/settings.env.example.
#   deploy/deploy.sh                     everything, in this order
#   deploy/deploy.sh application alarms  only these steps of: network database setup images users rotation application alarms protect
# Needs the aws command (with credentials), docker and git.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=deploy/settings.env.example
[ ! -f deploy/settings.env ] || source deploy/settings.env

missing=()
for name in PROJECT AWS_REGION DOMAIN_NAME CERTIFICATE_ARN; do
    [ -n "${!name:-}" ] || missing+=("$name")
done
if [ ${#missing[@]} -ne 0 ]; then
    echo "deploy: not set: ${missing[*]}. See deploy/settings.env.example." >&2
    exit 2
fi
export AWS_REGION AWS_DEFAULT_REGION="$AWS_REGION" AWS_PAGER=""
tag=${IMAGE_TAG:-$(git rev-parse --short=12 HEAD)}

# What is known, by the name of the template's parameter: the settings, then every output of the stacks before.
declare -A known=([Project]="$PROJECT" [DomainName]="$DOMAIN_NAME" [CertificateArn]="$CERTIFICATE_ARN")
setting() { # setting PARAMETER VARIABLE: if the variable is set
    [ -z "${!2:-}" ] || known[$1]=${!2}
}
setting Engine ENGINE
known[Strategy]=${STRATEGY:-single-user}
setting AlarmEmail ALARM_EMAIL
setting Schedule SCHEDULE
setting Architecture ARCHITECTURE
setting MinTasks MIN_TASKS
setting MaxTasks MAX_TASKS
setting ExistingPublicSubnetIds PUBLIC_SUBNET_IDS
setting ExistingPrivateSubnetIds PRIVATE_SUBNET_IDS
setting ExistingVpcId VPC_ID
setting ExistingPrivateRouteTableIds PRIVATE_ROUTE_TABLE_IDS
setting Endpoints ENDPOINTS
setting ExistingEndpointSecurityGroupId ENDPOINT_SECURITY_GROUP_ID
setting StatusCidr STATUS_CIDR

learn() { # learn STEP: the outputs of its stack, if there is one
    local key value
    while read -r key value; do
        [ -z "$key" ] || [ "$key" = None ] || known[$key]=$value
    done < <(aws cloudformation describe-stacks --stack-name "$PROJECT-$1" \
        --query 'Stacks[0].Outputs[].[OutputKey,OutputValue]' --output text 2>/dev/null || true)
}

told() { # told STEP QUERY: what is known of its stack; nothing if there is none
    aws cloudformation describe-stacks --stack-name "$PROJECT-$1" --query "Stacks[0].$2" --output text 2>/dev/null || true
}

remove() { # remove STEP
    aws cloudformation delete-stack --stack-name "$PROJECT-$1"
    aws cloudformation wait stack-delete-complete --stack-name "$PROJECT-$1"
}

stack() { # stack STEP: the stack is as its template says; a parameter gets what is known under its name
    local template="deploy/cloudformation/$1.yaml" parameters parameter overrides=()
    if [ "$(told "$1" StackStatus)" = ROLLBACK_COMPLETE ]; then # its first deployment failed; it can only be deleted
        echo "deploy: $PROJECT-$1 was never up; making it anew"
        remove "$1"
    fi
    parameters=$(aws cloudformation get-template-summary --template-body "file://$template" \
        --query 'Parameters[].ParameterKey' --output text)
    for parameter in $parameters; do
        [[ ! -v known[$parameter] ]] || overrides+=("$parameter=${known[$parameter]}")
    done
    aws cloudformation deploy --stack-name "$PROJECT-$1" --template-file "$template" --no-fail-on-empty-changeset \
        --capabilities CAPABILITY_IAM CAPABILITY_AUTO_EXPAND --tags "project=$PROJECT" \
        --parameter-overrides "${overrides[@]}"
    learn "$1"
}

network() {
    known[S3PrefixListId]=$(aws ec2 describe-managed-prefix-lists \
        --filters "Name=prefix-list-name,Values=com.amazonaws.$AWS_REGION.s3" \
        --query 'PrefixLists[0].PrefixListId' --output text)
    stack network
}
database() { stack database; }
setup() { stack setup; }
rotation() {
    local before
    before=$(told rotation "Parameters[?ParameterKey=='Strategy'].ParameterValue | [0]")
    if [ -n "$before" ] && [ "$before" != None ] && [ "$before" != "${known[Strategy]}" ]; then
        echo "deploy: from $before to ${known[Strategy]}: the old schedules and functions go first"
        remove rotation
    fi
    stack rotation
}
alarms() { stack alarms; }

declare -A platforms=([X86_64]=linux/amd64 [ARM64]=linux/arm64)
platform=${platforms[${ARCHITECTURE:-X86_64}]:?ARCHITECTURE must be X86_64 or ARM64}

image_of() { # image_of application|setup
    local uri=${known[RepositoryUri]:?run the step setup first}
    [ "$1" = application ] && echo "$uri:$tag" || echo "$uri:$1-$tag"
}

push() { # push application|setup DOCKER-BUILD-ARGUMENTS...: unless the repository has it; its tags never change
    local image which=$1
    image=$(image_of "$which")
    shift
    if aws ecr describe-images --repository-name "$PROJECT" --image-ids "imageTag=${image##*:}" >/dev/null 2>&1; then
        echo "deploy: $image is there already"
        return
    fi
    docker build --platform "$platform" --tag "$image" "$@"
    docker push "$image"
}

images() {
    if [ -n "$(git status --porcelain)" ] && [ -z "${IMAGE_TAG:-}" ]; then
        echo "deploy: the work tree has changes, so commit $tag does not tell what the image holds. Commit, or set IMAGE_TAG." >&2
        exit 2
    fi
    aws ecr get-login-password | docker login --username AWS --password-stdin "${known[RepositoryUri]%%/*}"
    local base=()
    [ -z "${BASE_IMAGE:-}" ] || base=(--build-arg "BASE=$BASE_IMAGE")
    push application --file examples/webapp/Dockerfile "${base[@]}" .
    push setup --file deploy/setup/Dockerfile --build-arg "APPLICATION=$(image_of application)" deploy/setup
}

users() { # the setup task: users, privileges, tables
    local task code
    known[SetupImage]=$(image_of setup)
    stack setup
    local net="awsvpcConfiguration={subnets=[${known[PrivateSubnetIds]}],securityGroups=[${known[ApplicationSecurityGroupId]}],assignPublicIp=DISABLED}"
    task=$(aws ecs run-task --cluster "${known[EcsClusterName]}" --task-definition "${known[SetupTaskArn]}" \
        --launch-type FARGATE --network-configuration "$net" --query 'tasks[0].taskArn' --output text)
    echo "deploy: setup task ${task##*/}"
    aws ecs wait tasks-stopped --cluster "${known[EcsClusterName]}" --tasks "$task"
    code=$(aws ecs describe-tasks --cluster "${known[EcsClusterName]}" --tasks "$task" \
        --query 'tasks[0].containers[0].exitCode' --output text)
    aws logs get-log-events --log-group-name "${known[SetupLogGroup]}" --log-stream-name "setup/setup/${task##*/}" \
        --start-from-head --query 'events[].message' --output text || true
    if [ "$code" != 0 ]; then
        echo "deploy: the setup task ended with $code; its log stands above" >&2
        exit 1
    fi
}

application() {
    known[Image]=$(image_of application)
    stack application
}

protect() { # from deletion: only now, or a first deployment that fails could not be taken back and repeated
    known[DeletionProtection]=true
    known[Image]=${known[Image]:-$(image_of application)}
    stack database
    stack application
}

for step in network database setup rotation application alarms; do
    learn "$step"
done
[ $# -gt 0 ] || set -- network database setup images users rotation application alarms protect
for step in "$@"; do
    case $step in
        network | database | setup | images | users | rotation | application | alarms | protect) ;;
        *) echo "deploy: no step $step; see the top of this file" >&2 && exit 2 ;;
    esac
done
for step in "$@"; do
    echo "== $step"
    "$step"
done
echo "deploy: done. Point $DOMAIN_NAME at ${known[LoadBalancerDnsName]:-the load balancer}; rotate with deploy/rotate-now.sh."
