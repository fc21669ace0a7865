#!/bin/bash
# The Debian package under a real systemd: `make systemd`, as root, with debootstrap and systemd-container, and Debian's packages
# within reach. It bootstraps Debian 12 into build/systemd (once), installs the package there, boots it as a container, and there
# starts, reloads, kills, stops, upgrades and removes nf. A line for each point; it ends with 0 when all are good.
set -eu
deb=$(realpath "$1") work=build/systemd
root=$work/root
release=bookworm mirror=http://deb.debian.org/debian

[ "$(id -u)" = 0 ] || { echo "make systemd needs root"; exit 1; }
for tool in debootstrap systemd-nspawn; do
	command -v $tool >/dev/null || { echo "make systemd needs $tool"; exit 1; }
done
if [ ! -e $work/bootstrapped ]; then
	rm -rf $root
	mkdir -p $work
	debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,iproute2,iputils-ping,procps,tcpdump $release $root $mirror >$work/log
	touch $work/bootstrapped
fi
cp "$deb" $root/root/nf.deb
chroot $root sh -c 'apt-get purge -y nf; apt-get update -qq; apt-get install -y --no-install-recommends /root/nf.deb' >>$work/log 2>&1
cp tests/systemd_inside.sh $root/root/inside.sh
cat >$root/etc/systemd/system/inside.service <<END
[Service]
Type=oneshot
ExecStart=/bin/bash /root/inside.sh
ExecStopPost=/bin/systemctl poweroff --no-block
StandardOutput=append:/root/inside.out
[Install]
WantedBy=multi-user.target
END
mkdir -p $root/etc/systemd/system/multi-user.target.wants
ln -sf ../inside.service $root/etc/systemd/system/multi-user.target.wants/
rm -f $root/root/inside.out
timeout 300 systemd-nspawn -q -D $root --boot --register=no --keep-unit --private-network --capability=all --bind=/dev/net/tun \
	</dev/null >$work/boot.log 2>&1 || true
cat $root/root/inside.out
if ! tail -n 1 $root/root/inside.out | grep -q '^all [0-9]* points are good$'; then
	echo "see $root/root/inside.err, $work/boot.log"
	exit 1
fi
