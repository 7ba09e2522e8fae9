#!/bin/sh
# Builds a caddy with this checkout's modules in it. See usage below, or --help.
set -eu

xcaddy=github.com/caddyserver/xcaddy/cmd/xcaddy@v0.4.5
module=github.com/caddy-etcd/caddy-etcd
caddy=github.com/caddyserver/caddy/v2 # at the version that go.mod names

usage() {
	cat <<'EOF'
Usage: xcaddy.sh [--output FILE] [--with MODULE[@VERSION][=REPLACEMENT]]...

Builds Caddy with the etcd modules of the checkout that this script stands in.
It needs Go, and nothing else: xcaddy is fetched and run by Go itself.
Caddy, etcd and gRPC have the versions that the checkout's go.mod names.

  --output FILE   the binary to write; ./caddy in the current folder by default
  --with ...      another plugin to build in; also --replace and --embed,
                  all three passed on to xcaddy as they are, any number of times
  --help          this text

The first build compiles everything and takes some minutes; later ones are quick.
GOOS and GOARCH build for another machine. XCADDY_* variables work as in xcaddy's
own documentation.
EOF
}

# fail CODE MESSAGE...: 2 for wrong arguments, 1 for everything else.
fail() {
	code=$1
	shift
	echo "xcaddy.sh: $*" >&2
	exit "$code"
}

output=caddy
others= # whether there are plugins that may raise versions
left=$#
while [ "$left" -gt 0 ]; do # takes arguments from the front, puts xcaddy's at the back
	arg=$1
	shift
	left=$((left - 1))
	case $arg in
	-h | --help)
		usage
		exit
		;;
	--output=* | --with=* | --replace=* | --embed=*)
		value=${arg#*=}
		arg=${arg%%=*}
		;;
	--output | --with | --replace | --embed)
		[ "$left" -gt 0 ] || fail 2 "$arg needs a value (--help explains)"
		value=$1
		shift
		left=$((left - 1))
		;;
	v[0-9]*) fail 2 "unknown argument $arg: go.mod pins Caddy's version" ;;
	*) fail 2 "unknown argument $arg (--help explains)" ;;
	esac
	case $value in '' | --*) fail 2 "$arg needs a value (--help explains)" ;; esac
	if [ "$arg" = --output ]; then
		output=$value
	else
		others=yes
		set -- "$@" "$arg" "$value"
	fi
done
case $output in /*) ;; *) output=$PWD/$output ;; esac
[ ! -d "$output" ] || fail 2 "--output $output is a folder"
[ -d "$(dirname -- "$output")" ] || fail 2 "--output $output: there is no such folder"

dir=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
[ -f "$dir/go.mod" ] || fail 1 "$dir is not a checkout of $module: it has no go.mod"

# Go 1.21 and later fetch a newer Go where go.mod asks for one, if they may.
need=$(awk '$1 == "go" { print $2 }' "$dir/go.mod")
command -v go >/dev/null || fail 1 "Go is not installed; Go $need or later is needed (https://go.dev/dl/)"
have=$(cd "$dir" && go env GOVERSION) || have='an unknown Go'
echo "$have $need" | awk '{
	sub(/^go/, "", $1)
	split($1, have, /[^0-9]+/)
	split($2, need, /[^0-9]+/)
	for (i = 1; i <= 3; i++) if (have[i] + 0 != need[i] + 0) exit have[i] + 0 < need[i] + 0
}' || fail 1 "Go $need or later is needed (https://go.dev/dl/), this is $have"

# What must be in the binary, one "module version" a line.
wanted=$(awk -v caddy="$caddy" '
	$1 == "require" { $1 = ""; $0 = $0 }
	$2 ~ /^v[0-9]/ && ($1 == caddy || $1 ~ /^go\.etcd\.io\// || $1 == "google.golang.org/grpc") { print $1, $2 }
' "$dir/go.mod")
version=$(echo "$wanted" | awk -v caddy="$caddy" '$1 == caddy { print $2 }')
[ -n "$version" ] || fail 1 "$dir/go.mod does not require $caddy"

echo "Building Caddy $version with the etcd modules of $dir; a first build takes some minutes." >&2
# xcaddy itself is to run here, whatever it builds for.
goos=${GOOS:-} goarch=${GOARCH:-}
unset GOOS GOARCH
go run -exec "env GOOS=$goos GOARCH=$goarch" "$xcaddy" build "$version" \
	--output "$output" --with "$module@v0.0.0=$dir" "$@" || fail 1 "the build failed; see above"
[ -f "$output" ] || exit 0 # XCADDY_SKIP_BUILD

# A module that xcaddy's own go.mod resolved differently has not been tested here.
differ=$(go version -m "$output" | awk -v wanted="$wanted" '
	BEGIN {
		n = split(wanted, word)
		for (i = 1; i < n; i += 2) want[word[i]] = word[i + 1]
	}
	$1 == "dep" && $2 in want && $3 != want[$2] { print "  " $2 " " $3 ", in go.mod " want[$2] }')
if [ -n "$differ" ]; then
	echo "xcaddy.sh: these versions differ from go.mod:" >&2
	echo "$differ" >&2
	[ -n "$others" ] || exit 1
fi
echo "Built $output" >&2
