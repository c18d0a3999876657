# shellcheck shell=bash
# Shared by the scripts of this folder; sourced, never run.

# Where dockerd is, and where Debian lets only root look.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

# say MESSAGE: a line for the person at the terminal. Standard output belongs to
# what callers evaluate or pipe, so everything that is only news goes to stderr.
say() { printf '%s\n' "$*" >&2; }

# die MESSAGE: the same, and the end.
die() {
	say "$*"
	exit 1
}

# as_root COMMAND...: as it is for root, through sudo for everyone else.
as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		die "this needs root, and there is no sudo here: $*"
	fi
}

# on_debian: whether packages come from apt here (Debian, Ubuntu and their like).
on_debian() {
	[ -r /etc/os-release ] && command -v apt-get >/dev/null &&
		(. /etc/os-release && case " ${ID:-} ${ID_LIKE:-} " in *" debian "*) true ;; *) false ;; esac)
}

# debian_install WHY PACKAGE...: installs what is missing. A package that this
# release of Debian does not have is left out: docker-cli is a package of its own
# from Debian 13 on, before it came inside docker.io.
debian_install() {
	local why=$1 package wanted=() log
	shift
	log=$(mktemp)
	say "$why: installing $* from Debian"
	if ! as_root apt-get update -qq >"$log" 2>&1; then
		cat "$log" >&2
		rm -f "$log"
		die "apt-get update failed; see above"
	fi
	for package in "$@"; do
		if apt-cache show --no-all-versions "$package" >/dev/null 2>&1; then
			wanted+=("$package")
		fi
	done
	if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${wanted[@]}" >"$log" 2>&1; then
		cat "$log" >&2
		rm -f "$log"
		die "apt-get install ${wanted[*]} failed; see above"
	fi
	rm -f "$log"
}
