# nf -- the only build file. `make help` lists the targets; V=1 shows the commands.
#
#   make                         build/nf
#   make demo                    install what is missing, build, send a real capture through a graph
#   make check                   the same set-up, then all tests; the last line is 'N passed, N failed, N skipped';
#                                TESTS="tests/unit tests/apps/test_tee.lua" runs some
#   make check-qemu              the tests in a virtual machine alone
#   make bench                   all benchmarks; BENCH="basic --json" some
#   make fuzz                    each fuzz harness for a minute
#   make soak                    an hour of traffic, reloads and deaths, with a report; SOAK=SECONDS another time
#   make soak-lwaftr             ten minutes of real traffic through an lwAFTR whose table changes; SOAK=SECONDS another time
#   make lint                    luacheck, gcc and clang without a warning, generated pages up to date
#   make docs                    the generated page docs/apps.md
#   make install                 the binary, its manual page and the completion for bash, below PREFIX=/usr/local
#   make deb                     a Debian package in build/, with the service nf@.service
#   make systemd                 try that package in a container that systemd boots; root, debootstrap, systemd-container
#   make deps, make clean        install the packages that are missing (build-deps: those of the build alone); remove what was built
#                                QEMU=backports: besides, a QEMU that has the 82576, from Debian's backports into build/qemu
#
#   SAN=address,undefined        with any of them: under sanitizers, in a folder of its own
#   DEBUG=1                      packets are tracked: double free, use after free and leaks name the app

VERSION := 0.1.0

CC      ?= gcc
PREFIX  ?= /usr/local
SAN     ?=
DEBUG   ?=
# Any x86-64 server of the last ten years has these instructions; ARCH= builds for any x86-64.
ARCH    ?= $(if $(filter x86_64,$(shell uname -m)),-march=x86-64-v3)

comma   := ,
BUILD   := build$(if $(SAN),-$(subst $(comma),-,$(SAN)))$(if $(DEBUG),-debug)$(if $(filter-out cc gcc,$(CC)),-$(notdir $(CC)))
NF      := $(BUILD)/nf

WARN    := -Wall -Wextra -Wshadow -Wvla -Wmissing-prototypes -Wstrict-prototypes $(if $(CI),-Werror)
OPT     := $(if $(SAN),-O1 -fno-omit-frame-pointer,-O3)
CFLAGS  ?= -g
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE -DNF_VERSION='"$(VERSION)"' $(OPT) $(ARCH) $(WARN) -Isrc -I$(BUILD) -isystem /usr/include/luajit-2.1 -fno-strict-aliasing -fwrapv -pthread -fPIE \
	$(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -DNF_SANITIZED=1) $(if $(SAN)$(DEBUG),-DPACKET_DEBUG=1) $(CFLAGS)
# LuaJIT's library is linked in; everything of the binary is visible to Lua's FFI.
ALL_LDFLAGS = -pie -pthread -Wl,-E $(if $(SAN),-fsanitize=$(SAN)) $(LDFLAGS)
LIBS    := -l:libluajit-5.1.a -lpcap -lnuma -lpci -ljansson -lmicrohttpd -lseccomp -lcap-ng -lbpf -lncurses -ltinfo -lm -ldl

# DPDK's hash table, for `nf bench table` to compare with, is a module of its own: nf does not need DPDK's libraries.
DPDK := $(if $(SAN),,$(patsubst -I%,-isystem %,$(filter-out -march=%,$(shell pkg-config --cflags libdpdk 2>/dev/null))))

# What building takes; and the tests.
BUILD_PACKAGES := gcc make pkg-config libluajit-5.1-dev libpci-dev libnuma-dev libpcap-dev libseccomp-dev libcap-ng-dev libbpf-dev libjansson-dev \
	libmicrohttpd-dev libncurses-dev
PACKAGES := $(BUILD_PACKAGES) lua-unit lua-check iproute2 iputils-ping iperf3 ethtool tcpdump clang libclang-rt-14-dev tmux curl valgrind \
	qemu-system-x86 busybox-static nmap xz-utils

# Each list ends with an empty line, so that adding a file is a change of one line.
# Headers that Lua reads as they are, in the order of their dependence.
PUBLIC := \
	src/core/error.h \
	src/core/log.h \
	src/core/clock.h \
	src/core/random.h \
	src/core/packet.h \
	src/core/link.h \
	src/core/memory.h \
	src/core/pci.h \
	src/core/memory_dma.h \
	src/core/value.h \
	src/core/param.h \
	src/core/app.h \
	src/core/interlink.h \
	src/core/resource.h \
	src/core/job.h \
	src/core/script.h \
	src/core/script_packet.h \
	src/core/graph.h \
	src/core/probe.h \
	src/core/stats.h \
	src/core/engine.h \
	src/core/instance.h \
	src/core/placement.h \
	src/lib/bytes.h \
	src/lib/checksum.h \
	src/lib/ipv4.h \
	src/lib/ipv6.h \
	src/lib/vlan.h \
	src/lib/ethernet.h \
	src/lib/udp.h \
	src/lib/tcp.h \
	src/lib/icmp.h \
	src/lib/arp.h \
	src/lib/ndp.h \
	src/lib/address_set.h \
	src/lib/fragment.h \
	src/lib/icmp_error.h \
	src/lib/capture.h \
	src/lib/virtio_net.h \
	src/lib/gso.h \
	src/core/namespace.h \
	src/core/offload.h \
	src/lib/token_bucket.h \
	src/lib/siphash.h \
	src/lib/ident.h \
	src/lib/reassembly.h \
	src/lib/flow_hash.h \
	src/lib/flow_table.h \
	src/lib/traffic.h \
	src/lib/fifo.h \
	src/lib/heap.h \
	src/lib/map.h \
	src/lib/cuckoo.h \
	src/lib/bpf.h \
	src/lib/bpf_native.h \
	src/core/filter.h \

LUA := \
	lua/nf/apps/forward.lua \
	lua/nf/apps/select.lua \
	lua/nf/config.lua \
	lua/nf/core.lua \
	lua/nf/link.lua \
	lua/nf/outside.lua \
	lua/nf/packet.lua \
	lua/nf/prompt.lua \
	lua/nf/random.lua \
	lua/nf/sandbox.lua \
	lua/nf/time.lua \

# Pages that are served over HTTP.
PAGES := \
	src/program/metrics.html \

SOURCES := \
	src/apps/apps.c \
	src/apps/basic/delay.c \
	src/apps/basic/drop.c \
	src/apps/basic/join.c \
	src/apps/basic/match.c \
	src/apps/basic/policer.c \
	src/apps/basic/repeater.c \
	src/apps/basic/sample.c \
	src/apps/basic/shaper.c \
	src/apps/basic/sink.c \
	src/apps/basic/source.c \
	src/apps/basic/split.c \
	src/apps/basic/tee.c \
	src/apps/basic/truncate.c \
	src/apps/ip/arp.c \
	src/apps/ip/echo4.c \
	src/apps/ip/echo6.c \
	src/apps/ip/fragment4.c \
	src/apps/ip/fragment6.c \
	src/apps/ip/fragmenter.c \
	src/apps/ip/ndp.c \
	src/apps/ip/neighbor.c \
	src/apps/ip/reassemble4.c \
	src/apps/ip/reassemble6.c \
	src/apps/ip/reassembler.c \
	src/apps/filter/classify.c \
	src/apps/filter/pcap.c \
	src/apps/intel/e1000e.c \
	src/apps/intel/gigabit.c \
	src/apps/intel/igb.c \
	src/apps/intel/igb_pool.c \
	src/apps/intel/intel_device.c \
	src/apps/filter/conntrack.c \
	src/apps/filter/conntrack_fragment.c \
	src/apps/filter/conntrack_frame.c \
	src/apps/filter/conntrack_table.c \
	src/apps/filter/conntrack_tcp.c \
	src/apps/intel/intel_offload.c \
	src/apps/intel/intel_pool.c \
	src/apps/intel/intel_port.c \
	src/apps/intel/intel_port_open.c \
	src/apps/intel/intel_port_watch.c \
	src/apps/intel/intel_receive.c \
	src/apps/intel/intel_register.c \
	src/apps/intel/intel_transmit.c \
	src/apps/intel/ixgbe.c \
	src/apps/intel/ixgbe_init.c \
	src/apps/intel/ixgbe_link.c \
	src/apps/intel/ixgbe_pool.c \
	src/apps/intel/ixgbe_receive.c \
	src/apps/intel/ixgbe_stats.c \
	src/apps/intel/ixgbe_transmit.c \
	src/apps/lwaftr/b4.c \
	src/apps/lwaftr/b4_inward.c \
	src/apps/lwaftr/b4_message.c \
	src/apps/lwaftr/b4_outward.c \
	src/apps/lwaftr/b4_ports.c \
	src/apps/lwaftr/b4_session.c \
	src/apps/lwaftr/b4_tunnel.c \
	src/apps/lwaftr/b4_view.c \
	src/apps/lwaftr/binding.c \
	src/apps/lwaftr/change.c \
	src/apps/lwaftr/command.c \
	src/apps/lwaftr/config.c \
	src/apps/lwaftr/config_check.c \
	src/apps/lwaftr/config_decode.c \
	src/apps/lwaftr/config_model.c \
	src/apps/lwaftr/config_print.c \
	src/apps/lwaftr/config_rfc8676.c \
	src/apps/lwaftr/config_source.c \
	src/apps/lwaftr/config_text.c \
	src/apps/lwaftr/config_value.c \
	src/apps/lwaftr/decapsulate.c \
	src/apps/lwaftr/difference.c \
	src/apps/lwaftr/encapsulate.c \
	src/apps/lwaftr/error.c \
	src/apps/lwaftr/fragment.c \
	src/apps/lwaftr/journal.c \
	src/apps/lwaftr/lwaftr.c \
	src/apps/lwaftr/path.c \
	src/apps/lwaftr/port.c \
	src/apps/lwaftr/ready.c \
	src/apps/lwaftr/relay.c \
	src/apps/lwaftr/stick.c \
	src/apps/lwaftr/tunnel.c \
	src/apps/pcap/file_input.c \
	src/apps/pcap/file_output.c \
	src/apps/pcap/playback.c \
	src/apps/pcap/reader.c \
	src/apps/pcap/replay.c \
	src/apps/pcap/writer.c \
	src/apps/socket/raw.c \
	src/apps/socket/raw_open.c \
	src/apps/tap/tap.c \
	src/apps/tap/tap_open.c \
	src/apps/vlan/mux.c \
	src/apps/vlan/tag.c \
	src/apps/vlan/tags.c \
	src/apps/vlan/untag.c \
	src/apps/xdp/xdp.c \
	src/apps/xdp/xdp_emit.c \
	src/apps/xdp/xdp_life.c \
	src/apps/xdp/xdp_open.c \
	src/apps/xdp/xdp_port.c \
	src/apps/xdp/xdp_program.c \
	src/apps/xdp/xdp_send.c \
	src/core/app.c \
	src/core/arena.c \
	src/core/clock.c \
	src/core/command.c \
	src/core/descriptor.c \
	src/core/engine.c \
	src/core/engine_commit.c \
	src/core/engine_idle.c \
	src/core/engine_ledger.c \
	src/core/engine_plan.c \
	src/core/engine_probe.c \
	src/core/engine_residence.c \
	src/core/engine_restore.c \
	src/core/engine_trace.c \
	src/core/engine_slice.c \
	src/core/engine_wiring.c \
	src/core/error.c \
	src/core/filter.c \
	src/core/filter_child.c \
	src/core/filter_compile.c \
	src/core/graph.c \
	src/core/graph_check.c \
	src/core/graph_describe.c \
	src/core/graph_diff.c \
	src/core/graph_draw.c \
	src/core/graph_draw_dot.c \
	src/core/graph_draw_list.c \
	src/core/graph_interlink.c \
	src/core/graph_link.c \
	src/core/graph_load.c \
	src/core/graph_order.c \
	src/core/graph_sketch.c \
	src/core/graph_tree.c \
	src/core/graph_trial.c \
	src/core/instance.c \
	src/core/interlink.c \
	src/core/interlink_app.c \
	src/core/job.c \
	src/core/link.c \
	src/core/log.c \
	src/core/memory.c \
	src/core/memory_dma.c \
	src/core/memory_home.c \
	src/core/namespace.c \
	src/core/netdev.c \
	src/core/netlink.c \
	src/core/netlink_xdp.c \
	src/core/notify.c \
	src/core/offload.c \
	src/core/packet.c \
	src/core/packet_debug.c \
	src/core/param.c \
	src/core/pci.c \
	src/core/pci_bind.c \
	src/core/pci_card.c \
	src/core/pci_record.c \
	src/core/pci_registers.c \
	src/core/pci_vfio.c \
	src/core/param_describe.c \
	src/core/param_error.c \
	src/core/param_scalar.c \
	src/core/param_text.c \
	src/core/placement.c \
	src/core/probe.c \
	src/core/random.c \
	src/core/resource.c \
	src/core/sandbox.c \
	src/core/script.c \
	src/core/script_app.c \
	src/core/script_link.c \
	src/core/script_memory.c \
	src/core/script_packet.c \
	src/core/script_param.c \
	src/core/script_sandbox.c \
	src/core/script_stack.c \
	src/core/script_state.c \
	src/core/script_value.c \
	src/core/script_watch.c \
	src/core/stats.c \
	src/core/supervisor.c \
	src/core/supervisor_child.c \
	src/core/supervisor_command.c \
	src/core/supervisor_control.c \
	src/core/supervisor_home.c \
	src/core/supervisor_probe.c \
	src/core/supervisor_receipt.c \
	src/core/supervisor_prepare.c \
	src/core/supervisor_read.c \
	src/core/supervisor_reload.c \
	src/core/supervisor_watchdog.c \
	src/core/value.c \
	src/core/value_encode.c \
	src/core/value_print.c \
	src/core/worker.c \
	src/core/worker_reload.c \
	src/lib/address_set.c \
	src/lib/arp.c \
	src/lib/bpf.c \
	src/lib/bpf_assembler.c \
	src/lib/bpf_facts.c \
	src/lib/bpf_native.c \
	src/lib/bpf_native_x86_64.c \
	src/lib/bpf_run.c \
	src/lib/bytes.c \
	src/lib/capture.c \
	src/lib/capture_pcapng.c \
	src/lib/checksum.c \
	src/lib/ethernet.c \
	src/lib/fifo.c \
	src/lib/flow_hash.c \
	src/lib/flow_table.c \
	src/lib/fragment.c \
	src/lib/gso.c \
	src/lib/heap.c \
	src/lib/icmp.c \
	src/lib/icmp_error.c \
	src/lib/ident.c \
	src/lib/ipv4.c \
	src/lib/ipv6.c \
	src/lib/map.c \
	src/lib/ndp.c \
	src/lib/reassembly.c \
	src/lib/siphash.c \
	src/lib/cuckoo.c \
	src/lib/tcp.c \
	src/lib/token_bucket.c \
	src/lib/traffic.c \
	src/lib/udp.c \
	src/lib/virtio_net.c \
	src/lib/vlan.c \
	src/nicsim/sim.c \
	src/nicsim/sim_82599.c \
	src/nicsim/sim_82599_count.c \
	src/nicsim/sim_82599_mode.c \
	src/nicsim/sim_82599_steer.c \
	src/nicsim/sim_capture.c \
	src/nicsim/sim_child.c \
	src/nicsim/sim_control.c \
	src/nicsim/sim_dma.c \
	src/nicsim/sim_driver.c \
	src/nicsim/sim_eeprom.c \
	src/nicsim/sim_filter.c \
	src/nicsim/sim_generator.c \
	src/nicsim/sim_igb.c \
	src/nicsim/sim_igb_count.c \
	src/nicsim/sim_igb_mode.c \
	src/nicsim/sim_igb_steer.c \
	src/nicsim/sim_judge.c \
	src/nicsim/sim_mailbox.c \
	src/nicsim/sim_offload.c \
	src/nicsim/sim_parse.c \
	src/nicsim/sim_pools.c \
	src/nicsim/sim_rate.c \
	src/nicsim/sim_receive.c \
	src/nicsim/sim_register.c \
	src/nicsim/sim_ring.c \
	src/nicsim/sim_semaphore.c \
	src/nicsim/sim_send.c \
	src/nicsim/sim_transmit.c \
	src/nicsim/sim_tree.c \
	src/nicsim/sim_uio.c \
	src/nicsim/sim_wire.c \
	src/nicsim/sim_write_back.c \
	src/program/bench/bare.c \
	src/program/bench/basic.c \
	src/program/bench/bench.c \
	src/program/bench/classify.c \
	src/program/bench/filter.c \
	src/program/bench/conntrack.c \
	src/program/bench/hop.c \
	src/program/bench/idle.c \
	src/program/bench/ip.c \
	src/program/bench/link.c \
	src/program/bench/memory.c \
	src/program/bench/mixed.c \
	src/program/bench/nic.c \
	src/program/bench/nicsim.c \
	src/program/bench/pcap.c \
	src/program/bench/reload.c \
	src/program/bench/report.c \
	src/program/bench/result.c \
	src/program/bench/rig.c \
	src/program/bench/table.c \
	src/program/bench/turns.c \
	src/program/bench/workers.c \
	src/program/bench/xdp.c \
	src/program/capture.c \
	src/program/check.c \
	src/program/control.c \
	src/program/dissect.c \
	src/program/doctor/doctor.c \
	src/program/doctor/doctor_card.c \
	src/program/doctor/doctor_cpu.c \
	src/program/doctor/doctor_device.c \
	src/program/doctor/doctor_files.c \
	src/program/doctor/doctor_memory.c \
	src/program/doctor/doctor_placement.c \
	src/program/doctor/doctor_worker.c \
	src/program/doctor/doctor_xdp.c \
	src/program/figure.c \
	src/program/filter.c \
	src/program/graph.c \
	src/program/graph_live.c \
	src/program/help.c \
	src/program/help_app.c \
	src/program/help_export.c \
	src/program/lua.c \
	src/program/lwaftr/bench.c \
	src/program/lwaftr/check.c \
	src/program/lwaftr/convert.c \
	src/program/lwaftr/counters.c \
	src/program/lwaftr/explain.c \
	src/program/lwaftr/frame.c \
	src/program/lwaftr/gen.c \
	src/program/lwaftr/lwaftr.c \
	src/program/lwaftr/plan.c \
	src/program/lwaftr/plan_options.c \
	src/program/lwaftr/reasoning.c \
	src/program/lwaftr/relay.c \
	src/program/lwaftr/run.c \
	src/program/lwaftr/sample.c \
	src/program/lwaftr/session.c \
	src/program/lwaftr/softwire.c \
	src/program/lwaftr/validate.c \
	src/program/main.c \
	src/program/measure.c \
	src/program/metrics.c \
	src/program/metrics_serve.c \
	src/program/nicsim.c \
	src/program/options.c \
	src/program/prometheus.c \
	src/program/probing.c \
	src/program/pci.c \
	src/program/ps.c \
	src/program/reading.c \
	src/program/regs.c \
	src/program/reload.c \
	src/program/run.c \
	src/program/stats.c \
	src/program/stats_json.c \
	src/program/stats_text.c \
	src/program/stop.c \
	src/program/table.c \
	src/program/trace.c \
	src/program/trace_path.c \
	src/program/top/history.c \
	src/program/top/screen.c \
	src/program/top/top.c \
	src/program/top/view.c \

OBJECTS := $(SOURCES:src/%.c=$(BUILD)/%.o) $(BUILD)/embedded.o

# The library that shows a driver's accesses to simulated cards (nf nicsim): loaded by other programs, so never with sanitizers.
TRAP := $(BUILD)/nicsim-trap.so
TRAP_SOURCES := \
	src/nicsim/trap/trap_decode.c \
	src/nicsim/trap/trap_mailbox.c \
	src/nicsim/trap/trap_region.c \
	src/nicsim/trap/trap_signal.c \

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-8s %s\n' '$(1)' '$(2)')

.PHONY: all deps linux demo check check-qemu bench lint fuzz soak soak-lwaftr docs install deb systemd clean help
.DEFAULT_GOAL := all

all: $(NF) $(if $(DPDK),$(BUILD)/table_dpdk.so)
all: $(NF) $(TRAP)

help:
	@sed -n '3,/^$$/{s/^#   //p;s/^#$$//p}' Makefile

# Debian's packages, installed only when one is missing; as root, else with sudo.
deps build-deps:
	@missing=; for p in $(if $(filter build-deps,$@),$(BUILD_PACKAGES),$(PACKAGES)); do dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then echo "installing:$$missing"; \
		sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
		$$sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -qq --no-install-recommends $$missing; fi

# A kernel for the virtual machine of tests/qemu: unpacked, not installed. Without one those tests are skipped. Taken out of its
# compression it boots in half the time: offset and length are in its header (Linux Documentation/x86/boot.rst: setup_sects,
# payload_offset, payload_length).
LINUX := build/linux
linux: $(LINUX)/vmlinux
$(LINUX)/vmlinux: $(LINUX)/complete
	@at() { od -An -tu$$2 -j$$1 -N$$2 $$3 | tr -d ' '; }; for f in $(LINUX)/boot/vmlinuz-*; do \
		[ -e $$f ] && tail -c +$$((($$(at 497 1 $$f) + 1) * 512 + $$(at 584 4 $$f) + 1)) $$f | head -c $$(at 588 4 $$f) | \
		xz -dc --single-stream > $@.new 2>/dev/null && mv $@.new $@ || rm -f $@.new; done
$(LINUX)/complete:
	@mkdir -p $(LINUX) && cd $(LINUX) && package=$$(apt-cache depends linux-image-amd64 | awk '/Depends: linux-image/ { print $$2 }') && \
	[ -n "$$package" ] && echo "unpacking $$package for virtual machines" && apt-get download -qq $$package 2>/dev/null && \
	dpkg-deb --fsys-tarfile $${package}_*.deb | tar -x --wildcards './boot/vmlinuz*' './lib/modules/*/kernel/drivers/net/*' \
		'./lib/modules/*/kernel/drivers/vfio/*' './lib/modules/*/kernel/drivers/dca/*' './lib/modules/*/kernel/drivers/i2c/algos/*' \
		'./lib/modules/*/kernel/virt/*' './lib/modules/*/kernel/net/*' && \
	rm -f $${package}_*.deb && touch complete || echo 'no kernel for virtual machines: tests/qemu is skipped'

# A QEMU of Debian's backports beside the installed one: unpacked, not installed. apt works in a state of its own.
BACKPORTS := build/qemu
ifeq ($(QEMU),backports)
deps: $(BACKPORTS)/unpacked
endif
$(BACKPORTS)/unpacked:
	@mkdir -p $(BACKPORTS)/apt/sources $(BACKPORTS)/apt/lists/partial $(BACKPORTS)/apt/cache/archives/partial && . /etc/os-release && \
	suite=$$VERSION_CODENAME && folder=$(CURDIR)/$(BACKPORTS)/apt && \
	printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian %s main\n' $$suite $$suite-backports \
		> $$folder/sources/backports.list && \
	apt="apt-get -qq -o Debug::NoLocking=1 -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts=$$folder/sources" && \
	apt="$$apt -o Dir::State::Lists=$$folder/lists -o Dir::Cache=$$folder/cache" && \
	echo "unpacking QEMU of $$suite-backports into $(BACKPORTS)" && $$apt update && \
	$$apt install -y -t $$suite-backports --download-only --no-install-recommends qemu-system-x86 >/dev/null && \
	for f in $$folder/cache/archives/*.deb; do dpkg-deb -x $$f $(BACKPORTS) || exit 1; done && \
	rm -rf $$folder && touch $@ && QEMU_MODULE_DIR=/none LD_LIBRARY_PATH=$(BACKPORTS)/usr/lib/$$(uname -m)-linux-gnu \
	$(BACKPORTS)/usr/bin/qemu-system-x86_64 --version | head -1

$(NF): $(OBJECTS) $(BUILD)/files
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(OBJECTS) $(LIBS)

$(BUILD)/table_dpdk.so: src/program/bench/table_dpdk.c src/program/bench/table_dpdk.h $(BUILD)/flags
	$(call say,CC,$@)
	$(Q)$(CC) $(filter-out -fPIE,$(ALL_CFLAGS)) -fPIC -shared $(DPDK) -o $@ $< $$(pkg-config --libs libdpdk)
$(TRAP): $(TRAP_SOURCES) src/nicsim/trap/trap.h src/nicsim/mailbox.h $(BUILD)/flags
	$(call say,LINK,$@)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE -O2 $(WARN) -Isrc -fPIC -shared -ftls-model=initial-exec $(CFLAGS) -o $@ $(TRAP_SOURCES) -ldl

$(BUILD)/%.o: src/%.c $(BUILD)/flags
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# nf with the driver of intel cards as tests/nicsim/test_mutants.lua has written it: with defects, of which NF_MUTANT=N chooses one.
MUTANTS = $(patsubst src/%.c,$(BUILD)/mutants/%.o,$(filter src/apps/intel/%.c,$(SOURCES)))

$(BUILD)/mutants/%.o: $(BUILD)/mutants/%.c $(BUILD)/flags
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(BUILD)/nf-mutants: $(MUTANTS) $(OBJECTS)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(filter-out $(BUILD)/apps/intel/%,$(OBJECTS)) $(MUTANTS) $(LIBS)

# Lua modules, public headers and pages as data: the assembler reads the files, a table (script.h) gives them their names.
$(BUILD)/embedded.s: $(LUA) $(PUBLIC) $(PAGES) $(BUILD)/files
	$(call say,EMBED,$@)
	$(Q){ n=0; for f in $(PUBLIC) $(LUA) $(PAGES); do \
		name=$${f#src/}; case $$f in *.lua) name=$$(echo "$${f#lua/}" | sed 's/\.lua$$//; s,/,.,g');; esac; n=$$((n + 1)); \
		printf '.section .rodata\nname%d: .asciz "%s"\ntext%d: .incbin "%s"\nend%d: .byte 0\n' $$n "$$name" $$n "$$f" $$n; \
		printf '.section .data.rel.ro,"aw"\n.quad name%d, text%d\n.long end%d - text%d, 0\n' $$n $$n $$n $$n; \
	done; printf '.section .note.GNU-stack,"",%%progbits\n'; } \
	| { printf '.globl script_sources\n.section .data.rel.ro,"aw"\n.balign 8\nscript_sources:\n'; cat; \
	printf '.section .data.rel.ro,"aw"\n.quad 0, 0, 0\n'; } > $@

$(BUILD)/embedded.o: $(BUILD)/embedded.s
	$(Q)$(CC) -c -o $@ $<

# Fuzz harnesses tests/fuzz/fuzz_NAME.c with their corpora tests/fuzz/corpus/NAME/; always clang, libFuzzer and sanitizers, all
# sources but the programs, of which only what reads packets is there. Only `make fuzz` and the test that replays the corpora build them.
FUZZERS := \
	b4 \
	bpf \
	capture \
	config \
	dissect \
	conntrack \
	gso \
	lwaftr \
	lwaftr_command \
	lwaftr_config \
	lwaftr_json \
	lwaftr_graph \
	neighbor \
	reassemble \
	worker \

SECONDS  ?= 60
FUZZ_CC  ?= clang
FUZZ_SAN := address,undefined
FUZZ_FLAGS = $(filter-out -fsanitize=% -fno-sanitize-recover=% -O% -DNF_SANITIZED=%,$(ALL_CFLAGS)) -DNF_SANITIZED=1 -O1 -fno-omit-frame-pointer -DPACKET_DEBUG=1 \
	-fno-sanitize-recover=all
FUZZ_OBJECTS := $(patsubst src/%.c,$(BUILD)/fuzz/%.o,$(filter-out src/program/%,$(SOURCES)) src/program/dissect.c src/program/lwaftr/plan.c \
	src/program/trace_path.c) $(BUILD)/embedded.o
.SECONDARY: $(FUZZ_OBJECTS)

$(BUILD)/fuzz/flags: FORCE
	$(Q)mkdir -p $(@D)
	$(call remember,$(FUZZ_CC) $(FUZZ_FLAGS))

$(BUILD)/fuzz/%.o: src/%.c $(BUILD)/fuzz/flags
	$(call say,FUZZ,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(FUZZ_CC) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link,$(FUZZ_SAN) -MMD -MP -c -o $@ $<

$(BUILD)/fuzz-%: tests/fuzz/fuzz_%.c $(FUZZ_OBJECTS)
	$(call say,LINK,$@)
	$(Q)$(FUZZ_CC) $(FUZZ_FLAGS) -fsanitize=fuzzer,$(FUZZ_SAN) -pie -pthread -o $@ $< $(FUZZ_OBJECTS) $(LIBS)

# Each harness for SECONDS; what it finds lies in build/fuzz/, an input that fails in build/fuzz/fail-*.
fuzz: $(FUZZERS:%=$(BUILD)/fuzz-%)
	@for f in $(FUZZERS); do mkdir -p $(BUILD)/fuzz/found/$$f; echo "fuzzing $$f for $(SECONDS) s"; \
		$(BUILD)/fuzz-$$f -max_total_time=$(SECONDS) -max_len=65536 -timeout=10 -rss_limit_mb=4096 -verbosity=0 \
			-print_final_stats=1 -artifact_prefix=$(BUILD)/fuzz/fail-$$f- $(BUILD)/fuzz/found/$$f tests/fuzz/corpus/$$f || exit 1; \
	done

# A change of compiler or flags rebuilds everything; one in the lists of files links again.
remember = @mkdir -p $(BUILD); text="$(subst ",,$(1))"; echo "$$text" | cmp -s - $@ || echo "$$text" > $@
$(BUILD)/flags: FORCE
	$(call remember,$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS))
$(BUILD)/files: FORCE
	$(call remember,$(SOURCES) $(PUBLIC) $(LUA) $(PAGES) $(LIBS))
.PHONY: FORCE
FORCE:

# One job per processor, unless make was told otherwise.
JOBS = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))
SUBMAKE = $(MAKE) --no-print-directory $(JOBS)

# The main job on what comes with nf: it needs no root, no huge pages and no card.
DEMO = $(CURDIR)/$(BUILD)/demo/out.pcap
demo: deps
	+@$(SUBMAKE) all
	@mkdir -p $(BUILD)/demo
	@printf '\nA capture of real traffic, examples/demo.pcap, goes through this graph, examples/demo.lua:\n\n'
	@./$(NF) graph examples/demo.lua -- $(DEMO)
	@printf '\n    $$ $(NF) run --clock virtual examples/demo.lua -- $(DEMO)\n\n'
	@./$(NF) run --clock virtual --name demo-$$$$ examples/demo.lua -- $(DEMO)
	@printf '\nEvery packet is accounted for: that is what the ledger says. The packets that passed are in\n'
	@printf '$(DEMO), which tcpdump and Wireshark read. It begins with\n\n'
	@tcpdump -c 4 -nr $(DEMO) 2>/dev/null | cut -c1-120 | sed 's/^/    /'
	@printf '\nNext: change examples/demo.lua and run it again; build/nf help apps lists what a graph can be made of.\n'

# All tests; what needs root, huge pages or a package that is not there is skipped, with the reason.
check: deps linux
	+@$(SUBMAKE) all
	@./$(NF) lua tests/run.lua $(NF) $(TESTS)

# Those in a virtual machine alone.
check-qemu: deps linux
	+@$(SUBMAKE) all
	@./$(NF) lua tests/run.lua $(NF) tests/qemu

# All benchmarks; BENCH names some, with options: make bench BENCH="basic --json".
bench: all
	@./$(NF) bench $(BENCH)

# Traffic, reloads, deaths, captures and metrics at once, for SOAK seconds; the report is a table.
soak: all
	@./$(NF) lua tests/soak.lua $(NF)

# Real traffic through an lwAFTR whose table changes all the while, for SOAK seconds (600), as root.
soak-lwaftr: all
	@./$(NF) lua tests/lwaftr_soak.lua $(NF)

# What people and machines read but the compiler does not: Lua, warnings of two compilers, generated pages.
lint: deps
	$(call say,LUACHECK,lua tests examples)
	$(Q)luacheck -q $(wildcard lua tests examples)
	+@$(SUBMAKE) all CI=1 CC=gcc BUILD=build-lint-gcc
	+@$(SUBMAKE) all CI=1 CC=clang BUILD=build-lint-clang
	$(call say,STALE?,docs/apps.md)
	$(Q)./build-lint-gcc/nf help --markdown | diff -u docs/apps.md - || { echo 'docs/apps.md is stale: run make docs'; exit 1; }

# Pages that are made from tables in the source.
docs: all
	$(call say,DOC,docs/apps.md)
	$(Q)mkdir -p docs && ./$(NF) help --markdown > $(BUILD)/apps.md && cp $(BUILD)/apps.md docs/apps.md

# The binary, its manual page and the completion for bash, below PREFIX (and DESTDIR, for packagers).
install: all
	$(Q)./$(NF) help --man > $(BUILD)/nf.1
	$(Q)./$(NF) help --bash > $(BUILD)/nf.bash
	$(call say,INSTALL,$(DESTDIR)$(PREFIX))
	$(Q)install -D -m 755 $(NF) $(DESTDIR)$(PREFIX)/bin/nf
	$(Q)install -D -m 644 $(TRAP) $(DESTDIR)$(PREFIX)/lib/nf/nicsim-trap.so
	$(Q)install -D -m 644 $(BUILD)/nf.1 $(DESTDIR)$(PREFIX)/share/man/man1/nf.1
	$(Q)install -D -m 644 $(BUILD)/nf.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/nf

# A package of what `make install` installs, the service and the user of the workers. It depends on this machine's libraries.
deb:
	$(Q)rm -rf $(BUILD)/deb
	+$(Q)$(SUBMAKE) install PREFIX=/usr DESTDIR=$(BUILD)/deb
	$(call say,DEB,$(BUILD))
	$(Q)dist/deb.sh $(BUILD)/deb $(VERSION) $(BUILD)

# Not part of check: it takes root, half a minute, and a mirror of Debian.
systemd: deb
	$(Q)tests/systemd.sh $(BUILD)/nf_$(VERSION)_$$(dpkg --print-architecture).deb

clean:
	rm -rf build build-*

-include $(OBJECTS:.o=.d) $(FUZZ_OBJECTS:.o=.d)
