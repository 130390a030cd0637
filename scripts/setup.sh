#!/bin/sh
# setup: see that everything `make demo` and `make test` need is here, and install what is missing:
# the server programs of PostgreSQL and Redis, nothing else, through the system's own packages.
#
# No server is started and no cluster is made: Callscribe runs private ones of its own, on sockets in its data directory.
# Exit 0: everything is here. Exit 2: something is missing that this script cannot install; it says what and how.
set -eu

say() { printf 'setup: %s\n' "$*"; }
complain() { printf 'setup: %s\n' "$*" >&2; }
has() { command -v "$1" >/dev/null 2>&1; }

# Newest first, as src/embedded/binaries.rs looks for them.
find_postgres() {
    for dir in $(printf '%s\n' /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /opt/homebrew/opt/postgresql@*/bin /usr/local/opt/postgresql@*/bin /home/linuxbrew/.linuxbrew/opt/postgresql@*/bin \
        | sort -rV 2>/dev/null) $(printf '%s' "$PATH" | tr ':' ' '); do
        if [ -x "$dir/postgres" ] && [ -x "$dir/initdb" ]; then
            printf '%s\n' "$dir"
            return 0
        fi
    done
    return 1
}

find_redis() {
    for name in redis-server valkey-server; do
        if path=$(PATH="$PATH:/usr/sbin:/usr/local/bin:/opt/homebrew/bin" command -v "$name" 2>/dev/null); then
            printf '%s\n' "$path"
            return 0
        fi
    done
    return 1
}

# --- what runs as root on Debian and its kin: `setup.sh install-with-apt postgresql redis` ---

policy=/usr/sbin/policy-rc.d
policy_kept=
drop_in=/etc/postgresql-common/createcluster.d/callscribe-setup.conf
drop_in_made=
drop_in_dir_made=
cluster_conf=/etc/postgresql-common/createcluster.conf
cluster_conf_kept=

put_back() {
    if [ "$policy_kept" = absent ]; then rm -f "$policy"; fi
    if [ -n "$policy_kept" ] && [ "$policy_kept" != absent ]; then mv -f "$policy_kept" "$policy"; fi
    if [ -n "$drop_in_made" ]; then rm -f "$drop_in"; fi
    if [ -n "$drop_in_dir_made" ]; then rmdir "$(dirname "$drop_in")" 2>/dev/null || true; fi
    if [ -n "$cluster_conf_kept" ]; then mv -f "$cluster_conf_kept" "$cluster_conf"; fi
    policy_kept='' drop_in_made='' drop_in_dir_made='' cluster_conf_kept=''
}

# Debian starts what it installs, unless this file says no. Whatever was there comes back afterwards,
# also what an earlier run of this script, killed in between, had put aside.
forbid_starting() {
    kept=$policy.callscribe-setup
    if grep -qs callscribe-setup "$policy"; then
        rm -f "$policy"
        if [ -e "$kept" ]; then mv -f "$kept" "$policy"; fi
    fi
    if [ -e "$policy" ] || [ -L "$policy" ]; then
        mv "$policy" "$kept"
        policy_kept=$kept
    else
        policy_kept=absent
    fi
    printf '#!/bin/sh\n# callscribe-setup put this here for the time of an installation\nexit 101\n' >"$policy"
    chmod 755 "$policy"
}

# PostgreSQL's package makes a cluster on port 5432, unless its settings say no. They come with `postgresql-common`.
forbid_clusters() {
    if grep -q "^[[:space:]]*include_dir.*createcluster.d" "$cluster_conf" 2>/dev/null; then
        if [ ! -d "$(dirname "$drop_in")" ]; then
            drop_in_dir_made=yes
            mkdir "$(dirname "$drop_in")"
        fi
        drop_in_made=yes
        printf 'create_main_cluster = false\n' >"$drop_in"
    else
        cp -p "$cluster_conf" "$cluster_conf.callscribe-setup"
        cluster_conf_kept=$cluster_conf.callscribe-setup
        printf '\ncreate_main_cluster = false\n' >>"$cluster_conf"
    fi
}

apt_install() {
    apt-get install -y -q --no-install-recommends "$@" </dev/null && return 0
    say "that failed; reading the package lists afresh and trying once more"
    apt-get update -q </dev/null
    apt-get install -y -q --no-install-recommends "$@" </dev/null
}

install_with_apt() {
    export DEBIAN_FRONTEND=noninteractive
    trap put_back EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    forbid_starting
    for what in "$@"; do
        case $what in
        postgresql)
            [ -e "$cluster_conf" ] || apt_install postgresql-common
            forbid_clusters
            apt_install postgresql
            ;;
        redis)
            apt_install redis-server
            # the package would start Redis on 6379 at the next boot
            if has systemctl; then systemctl disable redis-server >/dev/null 2>&1 || true; fi
            if has update-rc.d; then update-rc.d redis-server disable >/dev/null 2>&1 || true; fi
            ;;
        esac
    done
}

if [ "${1-}" = install-with-apt ]; then
    shift
    install_with_apt "$@"
    exit 0
fi

# --- what runs as whoever calls ---

refuse=
if ! has cargo && [ ! -x "${CARGO_HOME:-$HOME/.cargo}/bin/cargo" ]; then
    complain "\`cargo\` is missing: install Rust as https://rustup.rs says"
    refuse=yes
fi
if ! has cc; then
    complain "\`cc\` is missing: install a C compiler (Debian, Ubuntu: \`apt-get install build-essential\`; Fedora: \`dnf install gcc\`; Arch: \`pacman -S base-devel\`; macOS: \`xcode-select --install\`)"
    refuse=yes
fi

missing=
postgres=$(find_postgres) || missing="$missing postgresql"
redis=$(find_redis) || missing="$missing redis"
missing=${missing# }

if [ -z "$missing" ]; then
    [ -z "$refuse" ] || exit 2
    say "nothing to install: PostgreSQL is in $postgres, Redis is $redis"
    exit 0
fi

as_root=
if [ "$(id -u)" != 0 ]; then as_root=sudo; fi

dnf_redis() { if dnf -q list valkey >/dev/null 2>&1; then echo valkey; else echo redis; fi; }

# The command for a person, per package manager; also what is run, except with apt, where it is run with care.
packages() {
    names=
    for what in $missing; do
        case $1-$what in
        apt-postgresql | pacman-postgresql) names="$names postgresql" ;;
        apt-redis) names="$names redis-server" ;;
        dnf-postgresql) names="$names postgresql-server" ;;
        dnf-redis) names="$names $(dnf_redis)" ;;
        pacman-redis) names="$names valkey" ;;
        brew-postgresql) names="$names postgresql@17" ;;
        brew-redis) names="$names redis" ;;
        esac
    done
    printf '%s\n' "${names# }"
}

if has apt-get; then
    manager=apt
    command="apt-get install --no-install-recommends $(packages apt)"
elif has dnf; then
    manager=dnf
    command="dnf install -y $(packages dnf)"
elif has pacman; then
    manager=pacman
    command="pacman -S --needed --noconfirm $(packages pacman)"
elif has brew; then
    manager=brew
    as_root=
    command="brew install $(packages brew)"
else
    complain "missing: $missing, and none of apt-get, dnf, pacman, brew is here to install it"
    complain "install the server programs of PostgreSQL 14 or newer (\`postgres\`, \`initdb\`) and of Redis 6.2 or newer or Valkey (\`redis-server\` or \`valkey-server\`), then run \`make setup\` again"
    exit 2
fi

by_hand() {
    complain "$1"
    complain "run this${as_root:+ as root}, then \`make setup\` again: $command"
    exit 2
}

if [ -n "$as_root" ]; then
    has sudo || by_hand "$missing is missing and installing needs root, but \`sudo\` is not here"
    if ! [ -t 0 ] && ! sudo -n true 2>/dev/null; then by_hand "$missing is missing and \`sudo\` wants a password, but there is no terminal to ask on"; fi
fi

say "missing: $missing; Callscribe runs private servers of its own and needs only the programs"
say "running: ${as_root:+$as_root }$command"
if [ -n "$as_root" ]; then say "(\`sudo\` may ask for your password: installing packages needs root)"; fi
case $manager in
apt)
    say "(with the packages kept from starting servers or making a cluster: nothing will listen on 5432 or 6379)"
    # shellcheck disable=SC2086 # words on purpose
    $as_root sh "$0" install-with-apt $missing || by_hand "the installation failed"
    ;;
*)
    # shellcheck disable=SC2086 # words on purpose
    $as_root $command || by_hand "the installation failed"
    ;;
esac

postgres=$(find_postgres) || by_hand "PostgreSQL's \`postgres\` and \`initdb\` are still not to be found"
redis=$(find_redis) || by_hand "neither \`redis-server\` nor \`valkey-server\` is to be found still"
say "PostgreSQL is in $postgres, Redis is $redis"
[ -z "$refuse" ] || exit 2
