#!/bin/sh
# Makes the secrets that docker-compose.cluster.yml mounts, each once: what is there stays. With --tls also a certificate
# authority and certificates for Postgres and Redis (needs openssl).
set -eu
umask 077
secrets=$(dirname "$(dirname "$(readlink -f "$0")")")/deploy/secrets
days=3650

usage() { echo "usage: $0 [--tls]" >&2; exit 2; }
tls=
case "$#:${1:-}" in 0:) ;; 1:--tls) tls=yes ;; *) usage ;; esac

# The folder is closed to everyone else on this machine. The files in it are readable, because the containers' users, whose
# numbers are not this one's, read them where they are mounted one by one.
mkdir -p "$secrets"
chmod 0700 "$secrets"

# Takes a name; writes standard input to it, whole or not at all.
keep() {
  cat >"$secrets/.$1.new"
  [ -s "$secrets/.$1.new" ] || { rm -f "$secrets/.$1.new"; echo "could not make $secrets/$1" >&2; exit 1; }
  chmod 0444 "$secrets/.$1.new"
  mv -f "$secrets/.$1.new" "$secrets/$1"
  echo "made $secrets/$1"
}
missing() { [ ! -s "$secrets/$1" ]; }
random() { od -An -vtx1 -N32 /dev/urandom | tr -d ' \n'; }

for name in postgres-password db-password redis-password; do
  if missing "$name"; then random | keep "$name"; fi
done

# Redis learns no password, only its hash; and its clients may do nothing that a cache does not need.
hash=$(tr -d '\n' <"$secrets/redis-password" | sha256sum | cut -d ' ' -f 1)
acl="user default on #$hash ~* &* +@all -@admin -@dangerous +info"
if missing redis-users.acl || [ "$(cat "$secrets/redis-users.acl")" != "$acl" ]; then echo "$acl" | keep redis-users.acl; fi

[ -n "$tls" ] || exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
new_key="-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"

if missing ca-key.pem || missing ca.pem; then
  # shellcheck disable=SC2086 # several words
  openssl req -x509 $new_key -days "$days" -subj "/CN=OllamaMax cluster" -addext keyUsage=critical,keyCertSign,cRLSign \
    -keyout "$work/ca-key.pem" -out "$work/ca.pem" 2>/dev/null
  keep ca-key.pem <"$work/ca-key.pem"
  chmod 0400 "$secrets/ca-key.pem"
  keep ca.pem <"$work/ca.pem"
  rm -f "$secrets/postgres-cert.pem" "$secrets/redis-cert.pem"
fi
for server in postgres redis; do
  if missing "$server-key.pem" || missing "$server-cert.pem"; then
    # shellcheck disable=SC2086
    openssl req $new_key -subj "/CN=$server" -keyout "$work/key.pem" -out "$work/request.pem" 2>/dev/null
    printf 'subjectAltName=DNS:%s,DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n' "$server" >"$work/extensions"
    openssl x509 -req -in "$work/request.pem" -CA "$secrets/ca.pem" -CAkey "$secrets/ca-key.pem" -CAcreateserial \
      -CAserial "$work/serial" -days "$days" -extfile "$work/extensions" -out "$work/cert.pem" 2>/dev/null
    keep "$server-key.pem" <"$work/key.pem"
    keep "$server-cert.pem" <"$work/cert.pem"
  fi
done
