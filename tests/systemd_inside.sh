#!/bin/bash
# What tests/systemd.sh runs inside the container that systemd booted. Nothing else runs there.
exec 2>/root/inside.err
set -x
good=0 bad=0

# A point: what it is, and a command that must succeed.
point()
{
	if eval "$2" >&2; then echo "good: $1"; good=$((good + 1)); else echo "BAD:  $1"; bad=$((bad + 1)); fi
}

# Wait at most half a minute until a command succeeds.
until_true()
{
	for _ in $(seq 300); do
		eval "$1" && return 0
		sleep 0.1
	done
	return 1
}

main() { systemctl show -p MainPID --value nf@router; }
worker() { pgrep -P "$(main)" -x nf-worker; }
journal() { journalctl -u nf@router --no-pager -o cat; }

# A graph between two namespaces: tap0 here, tap1 there, and a capture of what goes through.
graph()
{
	cat >/etc/nf/router.lua <<END
return {
  apps = { a = { "tap.tap", name = "tap0" }, b = { "tap.tap", name = "tap1", namespace = "peer" }, copy = { "basic.tee" },
    cut = { "basic.truncate", length = $1 }, dump = { "pcap.writer", file = "/var/lib/nf/router.pcap", flush = "50ms" } },
  links = { "a.output -> copy.input", "copy.a -> cut -> b.input", "copy.b -> dump.input", "b.output -> a.input" },
}
END
}

# Give the taps of a start their addresses, and see whether packets pass.
address()
{
	ip address replace 10.9.0.1/24 dev tap0 && ip -n peer address replace 10.9.0.2/24 dev tap1
}
pings() { ping -q -c 3 -i 0.2 -w 10 10.9.0.2; }

ip netns add peer
graph 1000
point "the package brings the user and the folders" 'id nf && test -d /etc/nf'
point "it starts when it is enabled" 'systemctl enable --now nf@router'
point "start returns when the graph runs" 'nf stats router --interval 0 | grep -q running'
point "taps carry packets" 'address && pings'
point "workers are closed" 'nf doctor router'
point "the supervisor has no new privileges" 'grep -q "NoNewPrivs:.1" /proc/$(main)/status'
point "a capture of a link" 'ping -q -c 50 -i 0.1 10.9.0.2 & nf capture router copy.a --count 3 -w /root/c.pcap && [ $(tcpdump -nr /root/c.pcap | wc -l) = 3 ]'

ping -q -c 300 -i 0.01 10.9.0.2 >/root/ping.out &
pinging=$!
graph 1200
point "reload changes the graph" 'systemctl reload nf@router && journal | grep -q "reconfigured   1  cut"'
wait $pinging
point "reload loses nothing" 'grep -q "300 received" /root/ping.out'
cp /etc/nf/router.lua /root/router.lua
echo 'return { apps = { x = { "basic.tea" } } }' >/etc/nf/router.lua
point "a reload that is refused fails" '! systemctl reload nf@router'
point "and says why" "journal | grep -q \"class 'basic.tea' is unknown\""
point "and the old graph goes on" 'systemctl is-active nf@router && pings'
cp /root/router.lua /etc/nf/router.lua

before=$(main)
kill -9 "$(worker)"
point "a worker that dies is started again" 'until_true "journal | grep -q \"is back after\"" && pings && [ $(main) = $before ]'
kill -9 "$before"
point "a supervisor that dies is started again" 'until_true "[ \$(main) != 0 ] && [ \$(main) != $before ] && systemctl is-active nf@router" && address && pings'
before=$(main)
kill -STOP "$before"
point "the watchdog ends one that hangs" 'until_true "[ \$(main) != 0 ] && [ \$(main) != $before ] && systemctl is-active nf@router" && address && pings'
point "as a watchdog" 'journal | grep -q "Watchdog timeout"'

before=$(main)
apt-get install -y --reinstall /root/nf.deb >/dev/null
point "an upgrade leaves it running" '[ $(main) = $before ] && pings && systemctl reload nf@router'
point "stop drains" 'systemctl stop nf@router && journal | grep -q "it balances"'
point "the capture of the app is whole" '[ $(tcpdump -nr /var/lib/nf/router.pcap icmp | wc -l) -ge 3 ]'
point "nothing is left behind" '[ -z "$(pgrep nf)" ] && [ ! -e /run/nf/router ] && ! ip link show tap0'
point "a wrong configuration does not start" 'echo "return {}" >/etc/nf/wrong.lua && ! systemctl start nf@wrong'
systemctl stop nf@wrong
point "one that is not there is skipped" 'systemctl start nf@nothing && ! systemctl is-active nf@nothing'
point "removal ends what runs" 'systemctl start nf@router && apt-get remove -y nf && ! systemctl is-active nf@router && [ -z "$(pgrep nf)" ]'
point "configurations stay" 'test -e /etc/nf/router.lua'
point "purge forgets what was enabled" 'apt-get purge -y nf && ! ls /etc/systemd/system/*.wants/nf@*'
[ $bad = 0 ] && echo "all $good points are good" || echo "$bad of $((good + bad)) points are bad"
