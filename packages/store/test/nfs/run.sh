#!/bin/bash
# The store over a real NFS server and two real clients, on a machine whose own kernel may have neither: in User-Mode Linux, a kernel that runs
# as a process. Debian, root; nothing is installed: packages are unpacked below a temporary folder. About two minutes.
#   packages/store/test/nfs/run.sh [VERSION …]      3, 4.0, 4.1, 4.2 unless said. QUORATE_SCALE=1 adds fifty publishers, 64 MiB … (long)
set -eu
repository=$(realpath "$(dirname "$0")/../../../..")
node=$repository/node_modules/.bin/node
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get download -qq user-mode-linux nfs-kernel-server nfs-common rpcbind kmod keyutils libnfsidmap1 libevent-core-2.1-7 libtirpc3 \
  libtirpc-common libkeyutils1 libwrap0 libsqlite3-0 libdevmapper1.02.1 libkmod2 libreadline8
for package in *.deb; do dpkg -x "$package" root; done
kernel=$(basename root/usr/lib/uml/modules/*)
mkdir -p bin lib/modules mnt
ln -s "$work/root/usr/lib/uml/modules/$kernel" lib/modules/
cp "$(ls root/bin/kmod root/usr/bin/kmod 2>/dev/null | head -1)" bin/kmod
ln -s kmod bin/modprobe
truncate -s 2G disk
mkfs.ext4 -q -F disk

cat >init <<EOF
#!/bin/sh
export PATH=$work/bin:$work/root/sbin:$work/root/usr/sbin:/usr/sbin:/usr/bin:/sbin:/bin
export LD_LIBRARY_PATH=$work/root/lib/x86_64-linux-gnu:$work/root/usr/lib/x86_64-linux-gnu
export NODE_OPTIONS=--conditions=@quorate/source QUORATE_SCALE=${QUORATE_SCALE:-}
m=$work/mnt
mount -t proc proc /proc; mount -t tmpfs tmpfs \$m; mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /var/lib
mkdir -p /var/lib/nfs/sm /var/lib/nfs/v4recovery /run/rpcbind \$m/share \$m/a \$m/b \$m/etc
touch /var/lib/nfs/etab /var/lib/nfs/rmtab
cp -a /etc/. \$m/etc/; cp $work/root/etc/netconfig \$m/etc/; sed -i '/tcp6\|udp6/d' \$m/etc/netconfig; touch \$m/etc/exports
grep -q '^sunrpc' /etc/services || printf 'sunrpc 111/tcp rpcbind\nsunrpc 111/udp rpcbind\nnfs 2049/tcp\n' >>\$m/etc/services
grep -q '^_rpc:' /etc/passwd || echo '_rpc:x:109:65534::/run/rpcbind:/usr/sbin/nologin' >>\$m/etc/passwd
mount --bind \$m/etc /etc
ip link set lo up
mount -t ext4 /dev/ubda \$m/share
for module in nfsd nfsv3 nfsv4; do modprobe -d $work \$module; done
mount -t nfsd nfsd /proc/fs/nfsd
rpcbind -w; nfsdcld; rpc.nfsd -G 10 4; rpc.mountd
exportfs -o rw,no_root_squash,no_subtree_check,insecure,fsid=0 "*:\$m/share"
failed=0
for version in ${*:-3 4.0 4.1 4.2}; do
  options=vers=\$version,nosharecache source=/
  if [ \$version = 3 ]; then options=\$options,nolock source=\$m/share; fi
  # another name and another address: the server takes them for two machines
  hostname near; mount.nfs 127.0.0.1:\$source \$m/a -o \$options
  hostname far; mount.nfs 127.0.0.2:\$source \$m/b -o \$options
  echo "── NFS \$version"
  QUORATE_SHARE=\$m/share QUORATE_MOUNTS=\$m/a:\$m/b $node --test --test-reporter=spec $repository/packages/store/test/nfs/two-clients.ts || failed=1
  umount \$m/a \$m/b
done
echo \$failed >$work/failed
sync; echo o >/proc/sysrq-trigger; sleep 10
EOF
chmod +x init
TMPDIR=$work root/usr/bin/linux.uml mem=1500M root=none rootfstype=hostfs rootflags=/ rw "ubd0=$work/disk" "init=$work/init" con=null con0=fd:0,fd:1 quiet \
  </dev/null 2>&1 | sed -n '/── NFS/,/sysrq: Power Off/p'
exit "$(cat failed)"
