#!/bin/sh
# firewall.sh -- examples/firewall.lua between two hosts: what passes, and what does not.
#
#     inside 10.0.0.1, fd00::1  --  lan [ nf ] wan  --  outside 10.0.0.2, fd00::2
#
# Three network namespaces, made here and deleted at the end: the two hosts, and one with nf's ends of the two veth pairs. It takes
# some seconds, and ends with 1 when something passed that should not, or the other way round.
#
#     sudo sh examples/firewall.sh                    ports are packet sockets (socket.raw)
#     sudo sh examples/firewall.sh xdp.xdp            ports are AF_XDP sockets
#     sudo sh examples/firewall.sh socket.raw all.pcap      what passed is left in all.pcap
#
# It needs root, iproute2, iputils-ping, iperf3, ethtool; for the scans nmap; for the capture's summary tcpdump. NF names another nf.
set -e
nf=${NF:-build/nf} class=${1:-socket.raw}
folder=$(mktemp -d)
capture=$folder/firewall.pcap
[ -z "$2" ] || capture=$(realpath -m "$2")
i=nf-inside-$$ o=nf-outside-$$ f=nf-firewall-$$ name=firewall-$$
failed=0 running=

clean() {
	[ -z "$running" ] || { kill "$running" 2>/dev/null && wait "$running"; } || true
	for ns in $i $o $f; do
		for process in $(ip netns pids "$ns" 2>/dev/null); do kill "$process" 2>/dev/null || true; done
		ip netns delete "$ns" 2>/dev/null || true
	done
	rm -rf "$folder"
}
trap clean EXIT
trap "exit 1" HUP INT TERM

in_inside() { ip netns exec "$i" "$@"; }
in_outside() { ip netns exec "$o" "$@"; }

# passes WHAT COMMAND..., stops WHAT COMMAND...: the command must succeed, or fail.
passes() {
	what=$1
	shift
	if "$@" >"$folder/out" 2>&1; then echo "passes   $what"; else
		echo "FAILED   $what does not pass:"
		cat "$folder/out"
		failed=1
	fi
}
stops() {
	what=$1
	shift
	if "$@" >"$folder/out" 2>&1; then
		echo "FAILED   $what passes:"
		cat "$folder/out"
		failed=1
	else echo "stopped  $what"; fi
}

# The network. XDP sees nothing that a local peer leaves to be finished: checksums, segments, tags.
for ns in $i $o $f; do
	ip netns add "$ns"
	ip netns exec "$ns" sysctl -qw net.ipv6.conf.default.accept_dad=0
	ip -n "$ns" link set lo up
done
ip netns exec "$f" sysctl -qw net.ipv6.conf.default.disable_ipv6=1
ip -n "$i" link add eth0 address 02:00:00:00:00:01 type veth peer name lan netns "$f"
ip -n "$o" link add eth0 address 02:00:00:00:00:02 type veth peer name wan netns "$f"
for side in "$i 1" "$o 2"; do
	set -- $side
	[ "$class" = socket.raw ] || ip netns exec "$1" ethtool -K eth0 tx off tso off gso off txvlan off >/dev/null
	ip -n "$1" address add "10.0.0.$2/24" dev eth0
	ip -n "$1" address add "fd00::$2/64" dev eth0
	ip -n "$1" link set eth0 up
done
ip -n "$f" link set lan up
ip -n "$f" link set wan up

"$nf" run --name "$name" examples/firewall.lua -- lan wan "$class" "$capture" "$f" >"$folder/nf" 2>&1 &
running=$!
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	"$nf" ps 2>/dev/null | grep -q "$name" && break
	sleep 0.2
done
"$nf" ps | grep -q "$name" || { cat "$folder/nf"; exit 1; }

# Servers on both sides; that of the inside is for the inside.
for ns in $i $o; do
	ip netns exec "$ns" iperf3 -s -D --pidfile "$folder/$ns"
	ip netns exec "$ns" iperf3 -s -D -p 25 --pidfile "$folder/$ns.25"
done

echo "From the inside:"
passes "ping" in_inside ping -q -c 3 -i 0.1 -w 5 10.0.0.2
passes "ping over IPv6" in_inside ping -q -c 3 -i 0.1 -w 5 fd00::2
passes "ping in fragments" in_inside ping -q -c 2 -i 0.1 -w 5 -s 4000 10.0.0.2
passes "iperf3 over TCP, to the outside" in_inside timeout 60 iperf3 -c 10.0.0.2 -n 100M
grep receiver "$folder/out" || true
passes "iperf3 over TCP and IPv6, from the outside" in_inside timeout 60 iperf3 -c fd00::2 -n 100M -R
grep receiver "$folder/out" || true
passes "iperf3 over UDP" in_inside timeout 60 iperf3 -c 10.0.0.2 -u -b 50M -l 1200 -n 3M
grep receiver "$folder/out" || true
stops "a connection to port 25" in_inside timeout 2 iperf3 -c 10.0.0.2 -p 25 -t 1 --connect-timeout 500

echo "From the outside:"
stops "ping" in_outside ping -q -c 3 -i 0.1 -w 1 10.0.0.1
stops "ping over IPv6" in_outside ping -q -c 3 -i 0.1 -w 1 fd00::1
stops "a connection to a server" in_outside timeout 2 iperf3 -c 10.0.0.1 -t 1 --connect-timeout 500

# No port of the inside may look open or closed: nothing comes back. The server listens on 5201.
scan() { in_outside nmap -n -Pn -T5 --max-retries 0 --min-rate 2000 --host-timeout 30s "$@" 2>&1; }
finds() { scan "$@" >"$folder/scan" && grep -Eq '^[0-9]+/(tcp|udp) +(open|closed|unfiltered) ' "$folder/scan"; }
hidden() {
	stops "$@"
	grep -Eq 'filtered|no-response' "$folder/scan" || { echo "FAILED   the scan says nothing:"; cat "$folder/scan"; failed=1; }
}
if command -v nmap >/dev/null; then
	hidden "a scan by SYN, 1,001 ports" finds -sS -p 1-1000,5201 10.0.0.1
	hidden "a scan by SYN over IPv6" finds -6 -sS -p 1-1000,5201 fd00::1
	hidden "a scan by ACK" finds -sA -p 1-200,5201 10.0.0.1
	hidden "a scan by FIN" finds -sF -p 1-200,5201 10.0.0.1
	hidden "a scan by FIN, PSH, URG" finds -sX -p 1-200,5201 10.0.0.1
	hidden "a scan without flags" finds -sN -p 1-200,5201 10.0.0.1
	hidden "a scan over UDP" finds -sU -p 1-200 10.0.0.1
else
	echo "skipped  the scans: nmap is not installed"
fi

# What was dropped, by reason, stands behind the counters; the ledger at the end has every packet.
"$nf" stop "$name" >/dev/null || failed=1
wait "$running" || failed=1
running=
echo
cat "$folder/nf"
grep -q "it balances" "$folder/nf" || { echo "FAILED   the ledger does not balance"; failed=1; }
if command -v tcpdump >/dev/null; then
	tcpdump -nr "$capture" 2>/dev/null >"$folder/capture"
	echo "the capture has $(wc -l <"$folder/capture") packets; it begins with"
	head -n 4 "$folder/capture" | cut -c1-120 | sed 's/^/    /'
fi
exit $failed
