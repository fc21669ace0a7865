#!/bin/sh
# demo.sh -- how demo.pcap was recorded: the Linux kernel talking to itself through three network namespaces.
#
#     client 192.0.2.2, 2001:db8:1::2  --  router  --  server 198.51.100.2, 2001:db8:2::2
#
# tcpdump listens at the client's side, with nanoseconds. Checksum and segmentation offloads are off, so every frame is as it
# would be on a wire. In the capture: ARP and neighbour discovery, ping over IPv4 and IPv6, in fragments, in a VLAN and to a
# host that is not there, name queries over UDP, web pages over TCP, packets that are too large for the path, a refused
# connection, a closed UDP port, the path's hops by their time to live.
#
#     sudo sh examples/demo.sh demo.pcap          needs root, iproute2, iputils-ping, ethtool, tcpdump, python3
set -e
out=$(realpath -m "${1:-demo.pcap}")
folder=$(mktemp -d)
c=nf-demo-client-$$ r=nf-demo-router-$$ s=nf-demo-server-$$

clean() {
	for ns in $c $r $s; do
		for process in $(ip netns pids "$ns" 2>/dev/null); do kill "$process" 2>/dev/null || true; done
		ip netns delete "$ns" 2>/dev/null || true
	done
	rm -rf "$folder"
}
trap clean EXIT
trap "exit 1" INT TERM

in_client() { ip netns exec "$c" "$@"; }
in_router() { ip netns exec "$r" "$@"; }
in_server() { ip netns exec "$s" "$@"; }

# The network.
for ns in $c $r $s; do
	ip netns add "$ns"
	ip -n "$ns" link set lo up
done
ip -n "$c" link add eth0 address 02:00:00:00:00:02 type veth peer name eth0 address 02:00:00:00:00:01 netns "$r"
ip -n "$s" link add eth0 address 02:00:00:00:01:02 type veth peer name eth1 address 02:00:00:00:01:01 netns "$r"
for side in "$c eth0" "$r eth0" "$r eth1" "$s eth0"; do
	set -- $side
	ip netns exec "$1" ethtool -K "$2" tx off rx off tso off gso off gro off >/dev/null
	ip -n "$1" link set "$2" up
done
in_router sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
ip -n "$r" link set eth1 mtu 1400
ip -n "$s" link set eth0 mtu 1400
ip -n "$c" address add 192.0.2.2/24 dev eth0
ip -n "$r" address add 192.0.2.1/24 dev eth0
ip -n "$r" address add 198.51.100.1/24 dev eth1
ip -n "$s" address add 198.51.100.2/24 dev eth0
ip -n "$c" address add 2001:db8:1::2/64 dev eth0 nodad
ip -n "$r" address add 2001:db8:1::1/64 dev eth0 nodad
ip -n "$r" address add 2001:db8:2::1/64 dev eth1 nodad
ip -n "$s" address add 2001:db8:2::2/64 dev eth0 nodad
ip -n "$c" route add default via 192.0.2.1
ip -n "$s" route add default via 198.51.100.1
ip -n "$c" -6 route add default via 2001:db8:1::1
ip -n "$s" -6 route add default via 2001:db8:2::1

# VLAN 42 between client and router, also with a kernel that has no VLAN devices: a program for each side carries the frames of
# a tap device over eth0, with a tag.
cat > "$folder/vlan.py" <<'END'
import fcntl, os, select, socket, struct
tap = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tap, 0x400454ca, struct.pack("16sH", b"vlan42", 0x1002))            # TUNSETIFF: IFF_TAP | IFF_NO_PI
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
wire.bind(("eth0", 0))
wire.setsockopt(263, 8, 1)                                                      # SOL_PACKET, PACKET_AUXDATA: the tag
while True:
    ready = select.select([tap, wire], [], [])[0]
    if tap in ready:
        frame = os.read(tap, 2048)
        wire.send(frame[:12] + struct.pack("!HH", 0x8100, 42) + frame[12:])
    if wire in ready:
        frame, control, _, sender = wire.recvmsg(2048, 100)
        tci = next((struct.unpack("IIIHHHH", data)[5] for level, kind, data in control if (level, kind) == (263, 8)), 0)
        if sender[2] != 4 and tci & 0xfff == 42:                                # not our own
            os.write(tap, frame)
END
for ns in $c $r; do
	ip netns exec "$ns" python3 "$folder/vlan.py" >/dev/null 2>&1 &
done
for side in "$c 203.0.113.2/24" "$r 203.0.113.1/24"; do
	set -- $side
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		ip -n "$1" link set vlan42 mtu 1496 up 2>/dev/null && break
		sleep 0.5
	done
	ip -n "$1" address add "$2" dev vlan42
done

# The servers: web pages, and names (every name has the server's address).
mkdir "$folder/www"
echo '<html><body>It works.</body></html>' > "$folder/www/index.html"
seq 1 4000 > "$folder/www/numbers.txt"
in_server python3 -m http.server --directory "$folder/www" --bind :: 80 >/dev/null 2>&1 &
cat > "$folder/names.py" <<'END'
import socket, struct
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind(("::", 53))
while True:
    query, peer = s.recvfrom(512)
    end = 12
    while query[end]: end += 1 + query[end]
    kind = struct.unpack("!H", query[end + 1:end + 3])[0]
    data = socket.inet_aton("198.51.100.2") if kind == 1 else socket.inet_pton(socket.AF_INET6, "2001:db8:2::2")
    s.sendto(query[:2] + struct.pack("!HHHHH", 0x8580, 1, 1, 0, 0) + query[12:end + 5] +
             struct.pack("!HHHIH", 0xc00c, kind, 1, 300, len(data)) + data, peer)
END
in_server python3 "$folder/names.py" >/dev/null 2>&1 &

cat > "$folder/ask.py" <<'END'
import socket, struct, sys
server = sys.argv[1]
s = socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(2)
for number, name in enumerate(sys.argv[2:]):
    for kind in (1, 28):
        labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
        s.sendto(struct.pack("!HHHHHH", 0x1000 + number, 0x0100, 1, 0, 0, 0) + labels + struct.pack("!BHH", 0, kind, 1), (server, 53))
        s.recv(512)
END
cat > "$folder/get.py" <<'END'
import sys, urllib.request
for url in sys.argv[1:]:
    urllib.request.urlopen(url, timeout=5).read()
END
cat > "$folder/hops.py" <<'END'
import socket, time
for family, ttl, server in ((socket.AF_INET, (socket.IPPROTO_IP, socket.IP_TTL), "198.51.100.2"),
                            (socket.AF_INET6, (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS), "2001:db8:2::2")):
    for hop in range(1, 5):
        for probe in range(3):
            s = socket.socket(family, socket.SOCK_DGRAM)
            s.setsockopt(ttl[0], ttl[1], hop)
            s.sendto(b"hop" * 8, (server, 33434 + hop * 3 + probe))
            time.sleep(0.05)
END
cat > "$folder/refused.py" <<'END'
import socket
for family, server in ((socket.AF_INET, "198.51.100.2"), (socket.AF_INET6, "2001:db8:2::2")):
    s = socket.socket(family, socket.SOCK_STREAM)
    try:
        s.connect((server, 81))
    except ConnectionRefusedError:
        pass
END
sleep 2

ip netns exec "$c" tcpdump -i eth0 -U --time-stamp-precision=nano -s 0 -w "$folder/demo.pcap" 2>/dev/null &
dump=$!
sleep 1

in_client ping -q -c 10 -i 0.2 192.0.2.1 >/dev/null
in_client ping -q -c 10 -i 0.2 198.51.100.2 >/dev/null
in_client ping -6 -q -c 10 -i 0.2 2001:db8:2::2 >/dev/null
in_client ping -q -c 10 -i 0.2 203.0.113.1 >/dev/null
in_client ping -q -c 4 -i 0.2 -s 4000 192.0.2.1 >/dev/null
in_client ping -6 -q -c 4 -i 0.2 -s 3000 2001:db8:1::1 >/dev/null
in_client ping -q -c 2 -i 0.2 -W 1 192.0.2.77 >/dev/null || true
in_client python3 "$folder/ask.py" 198.51.100.2 example.com www.example.com mail.example.net
in_client python3 "$folder/ask.py" 2001:db8:2::2 example.org ns.example.org
in_client python3 "$folder/get.py" http://198.51.100.2/ http://198.51.100.2/numbers.txt 'http://[2001:db8:2::2]/' \
	'http://[2001:db8:2::2]/numbers.txt'
in_client python3 "$folder/refused.py"
in_client python3 "$folder/hops.py"
# The router's second link takes frames of 1,400 bytes: "fragmentation needed", "packet too big".
in_client ping -q -c 3 -i 0.2 -W 1 -M do -s 1450 198.51.100.2 >/dev/null 2>&1 || true
in_client ping -6 -q -c 3 -i 0.2 -W 1 -M do -s 1450 2001:db8:2::2 >/dev/null 2>&1 || true
in_server ping -q -c 5 -i 0.2 192.0.2.2 >/dev/null
in_server ping -6 -q -c 5 -i 0.2 2001:db8:1::2 >/dev/null
sleep 1
kill -TERM "$dump"
wait "$dump" || true
mv "$folder/demo.pcap" "$out"
