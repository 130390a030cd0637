#!/bin/sh
# env: write a `.env` for docker-compose.yml with fresh secrets, and the settings of .env.example below them, commented out.
# It never touches a `.env` that is there.
set -eu
cd "$(dirname "$0")/.."

if [ -e .env ]; then
    echo "env: \`.env\` is there already and stays as it is" >&2
    exit 0
fi

# the shape `openssl rand -hex N` gives, without needing openssl
random_hex() { od -An -N "$1" -tx1 /dev/urandom | tr -d ' \n'; }

umask 077
{
    cat <<END
# Secrets of this installation, made by \`make env\`. Keep a copy of CALLSCRIBE_ENCRYPTION_KEY apart from the database:
# without it the stored OAuth tokens cannot be read.
POSTGRES_PASSWORD=$(random_hex 24)
AWS_ACCESS_KEY_ID=callscribe
AWS_SECRET_ACCESS_KEY=$(random_hex 24)
CALLSCRIBE_ENCRYPTION_KEY=$(head -c 32 /dev/urandom | base64)
CRON_SECRET=$(random_hex 24)

END
    cat .env.example
} >.env
echo "env: wrote \`.env\`; fill in WEBEX_CC_* and OPENAI_* in it, then \`docker compose up --detach --build\`"
