#pragma once
/* lib -- the C library headers and all public headers of lib/, in order. The public headers themselves hold only what
 * LuaJIT's FFI accepts, hence no #include; this file is for C alone. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/checksum.h"
#include "lib/ipv4.h"
#include "lib/ipv6.h"
#include "lib/vlan.h"
#include "lib/ethernet.h"
#include "lib/udp.h"
#include "lib/tcp.h"
#include "lib/icmp.h"
#include "lib/arp.h"
#include "lib/ndp.h"
#include "lib/address_set.h"
#include "lib/fragment.h"
#include "lib/icmp_error.h"
#include "lib/virtio_net.h"
#include "lib/gso.h"
#include "lib/token_bucket.h"
#include "lib/siphash.h"
#include "lib/ident.h"
#include "lib/reassembly.h"
#include "lib/flow_hash.h"
#include "lib/flow_table.h"
#include "lib/traffic.h"
#include "lib/fifo.h"
#include "lib/heap.h"
#include "lib/map.h"
#include "lib/cuckoo.h"
#include "lib/capture.h"
#include "lib/bpf.h"
#include "lib/bpf_native.h"
