#!/bin/sh
# lwaftr.sh -- lightweight 4over6 in one script: two home routers (examples/b4.lua), a provider's IPv6 network, the relay
# (nf lwaftr run, examples/lwaftr.conf), and a host of the internet.
#
#     one 192.168.1.10 -- lan [ nf: b4 ] wan1 --\                            /-- six [ nf: lwAFTR ] four -- host 203.0.113.2
#                                                +-- provider (IPv6 alone) -+
#     two 192.168.1.10 -- lan [ nf: b4 ] wan2 --/
#
# Four network namespaces with the kernel in each: the clients one and two, the provider's router, the host; nf's ends are taps in them.
# Both clients leave from 198.51.100.2, each with its own 1,024 ports. It takes some seconds, and ends with 1 when anything failed.
#
#     sudo sh examples/lwaftr.sh              try everything, and end
#     sudo sh examples/lwaftr.sh stay         begin, say where all is, and wait for Ctrl-C
#
# It needs root, iproute2, iputils-ping, busybox; iperf3 for two of the trials. NF names another nf.
set -e
nf=${NF:-build/nf}
folder=$(mktemp -d)
one=nf-one-$$ two=nf-two-$$ way=nf-provider-$$ host=nf-host-$$ relay=lwaftr-$$ b4a=b4-one-$$ b4b=b4-two-$$
failed=0 running=

clean() {
	for process in $running; do kill "$process" 2>/dev/null && wait "$process" || true; done
	for ns in $one $two $way $host; do
		for process in $(ip netns pids "$ns" 2>/dev/null); do kill "$process" 2>/dev/null || true; done
		ip netns delete "$ns" 2>/dev/null || true
	done
	rm -rf "$folder"
}
trap clean EXIT
trap "exit 1" HUP INT TERM

in_one() { ip netns exec "$one" "$@"; }
in_two() { ip netns exec "$two" "$@"; }
in_host() { ip netns exec "$host" "$@"; }

# works WHAT COMMAND...: the command must succeed.
works() {
	what=$1
	shift
	if "$@" >"$folder/out" 2>&1; then echo "works    $what"; else
		echo "FAILED   $what:"
		cat "$folder/out"
		failed=1
	fi
}

# Start an nf and wait for it: NAME COMMAND...
start() {
	name=$1
	shift
	"$nf" "$@" --name "$name" $rest >"$folder/$name" 2>&1 &
	running="$running $!"
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25; do
		"$nf" ps 2>/dev/null | grep -q "$name" && return
		sleep 0.2
	done
	cat "$folder/$name"
	exit 1
}

for ns in $one $two $way $host; do
	ip netns add "$ns"
	ip netns exec "$ns" sysctl -qw net.ipv6.conf.default.accept_dad=0
	ip -n "$ns" link set lo up
done
ip netns exec "$way" sysctl -qw net.ipv6.conf.all.forwarding=1 net.ipv6.icmp.ratelimit=0
for ns in $one $two $host; do ip netns exec "$ns" sysctl -qw net.ipv6.conf.default.disable_ipv6=1 net.ipv4.icmp_ratelimit=0; done

rest="examples/b4.lua -- tap lan wan1 4 2001:db8:b4::b 2001:db8:b4::1 $one $way" start "$b4a" run
rest="examples/b4.lua -- tap lan wan2 5 2001:db8:b4::c 2001:db8:b4:1::1 $two $way" start "$b4b" run
rest= start "$relay" lwaftr run --conf "${CONF:-examples/lwaftr.conf}" --v4 "tap:four@$host" --v6 "tap:six@$way"

# The kernel's side of the taps. nf gives the relay's address in the provider's network; the tunnels' end is behind it.
for ns in $one $two; do
	ip -n "$ns" address add 192.168.1.10/24 dev lan
	ip -n "$ns" route add default via 192.168.1.1
done
ip -n "$way" address add 2001:db8:b4::1/128 dev wan1
ip -n "$way" route add 2001:db8:b4::b/128 dev wan1
ip -n "$way" address add 2001:db8:b4:1::1/128 dev wan2
ip -n "$way" route add 2001:db8:b4::c/128 dev wan2
ip -n "$way" address add 2001:db8:af::2/64 dev six
ip -n "$way" route add 2001:db8:af::1/128 via 2001:db8:af::f
ip -n "$host" address add 203.0.113.2/24 dev four
ip -n "$host" route add 198.51.100.0/24 via 203.0.113.1

# Stop all of nf; its tables and ledgers.
finish() {
	for name in $b4a $b4b $relay; do "$nf" stop "$name" >/dev/null 2>&1 || true; done
	for process in $running; do wait "$process" || failed=1; done
	running=
	for name in $relay $b4a $b4b; do
		grep -q "it balances" "$folder/$name" || { echo "FAILED   the ledger of $name does not balance"; failed=1; }
		echo
		cat "$folder/$name"
	done
	exit $failed
}

if [ "$1" = stay ]; then
	staying=1
	trap "staying=" HUP INT TERM
	echo "clients $one $two provider $way host $host relay $relay routers $b4a $b4b"
	echo "for example: ip netns exec $one ping 203.0.113.2; $nf top $relay; Ctrl-C ends all"
	while [ -n "$staying" ]; do sleep 1; done
	finish
fi

mkdir "$folder/www"
head -c 3000000 /dev/urandom >"$folder/www/file"
sum=$(sha256sum <"$folder/www/file")
fetches() { [ "$("$@" busybox wget -q -O - http://203.0.113.2:8080/file | sha256sum)" = "$sum" ]; }
in_host busybox httpd -p 8080 -h "$folder/www"
in_host "$nf" lua tests/transfer.lua echo 7000 1000 >/dev/null &
fits() { "$1" ping -q -c 2 -i 0.1 -w 10 -M "do" -s "$2" 203.0.113.2; }
# What does not fit is answered with what does: learns CLIENT PAYLOAD MTU
learns() {
	"$1" ping -q -c 1 -w 2 -M "do" -s "$2" 203.0.113.2 || true
	"$1" ip route get 203.0.113.2 | grep -q "mtu $3 " || { "$1" ip route get 203.0.113.2; return 1; }
	fits "$1" $(($3 - 28))
}
traces() {
	in_one busybox traceroute -n -q 1 -w 2 -m 4 "$@" 203.0.113.2 >"$folder/trace"
	cat "$folder/trace"
	grep -q "^ 1 *192.168.1.1 " "$folder/trace" && grep -q "^ 2 *203.0.113.2 " "$folder/trace"
}

works "ping" in_one ping -q -c 3 -i 0.1 -w 10 203.0.113.2
works "ping from the other home" in_two ping -q -c 3 -i 0.1 -w 10 203.0.113.2
works "ping in fragments" in_one ping -q -c 3 -i 0.1 -w 10 -s 4000 203.0.113.2
works "ping of the longest packets without fragments" fits in_one 1432
works "path MTU discovery: the tunnel takes 1460" learns in_one 1472 1460
works "traceroute over UDP" traces
works "traceroute by pings" traces -I
works "HTTP, 3 MB with a checksum" fetches in_one
works "HTTP from the other home" fetches in_two
works "UDP, 1000 datagrams there and back, some in fragments" in_one "$nf" lua tests/transfer.lua datagrams 203.0.113.2 7000 1000

# A link of the provider with less: its router says so, to either end of the tunnel.
ip -n "$way" link set six mtu 1400
works "path MTU discovery: a smaller link on the way to the relay" learns in_one 1432 1360
works "ping in fragments that fit it" in_one ping -q -c 3 -i 0.1 -w 10 -s 4000 203.0.113.2
ip -n "$way" link set six mtu 1500
ip -n "$way" link set wan2 mtu 1400
works "HTTP with a smaller link on the way to the other home" fetches in_two
works "and the host has heard of it" sh -c "ip netns exec $host ip route get 198.51.100.2 | grep -q 'mtu 1360'"
ip -n "$way" link set wan2 mtu 1500

if command -v iperf3 >/dev/null; then
	in_host iperf3 -s -D --pidfile "$folder/iperf3"
	works "iperf3 over TCP, to the host" in_one timeout 60 iperf3 -c 203.0.113.2 -n 30M
	grep receiver "$folder/out" || true
	works "iperf3 over TCP, to the other home" in_two timeout 60 iperf3 -c 203.0.113.2 -n 30M -R
	grep receiver "$folder/out" || true
fi

finish
