/* card -- a card is found, reset and started, in the order of its datasheet. */
#include "driver.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

const struct map map_82599 = { 512 << 10, 0x1000, 0x6000, 0x14, 0x10014, 0x10140, 0x10160, 0x888, 0xec80, 0xeb00, 0xeb80 };
const struct map map_igb = { 128 << 10, 0xc000, 0xe000, 0x0c, 0x14, 0x5b50, 0x5b5c, 0x150c, 0x5818, 0x5c00, 0x5c80 };

uint32_t get(struct card *card, uint32_t at)
{
	return card->bar[at / 4];
}

void set(struct card *card, uint32_t at, uint32_t value)
{
	card->bar[at / 4] = value;
}

void pause_ms(uint32_t ms)
{
	struct timespec time = { .tv_nsec = ms * 1000000L };

	nanosleep(&time, NULL);
}

static void await(struct card *card, uint32_t at, uint32_t mask, uint32_t value, const char *what)
{
	for (uint32_t i = 0; i < 20000; i++) {
		if ((get(card, at) & mask) == value)
			return;
		pause_ms(1);
	}
	die(what);
}

/* Buffers and rings of a card in one huge page: 4 KiB for each ring from the end. */
static void take_memory(struct card *card)
{
	int flags = breaks("private-memory") ? MAP_PRIVATE : MAP_SHARED, fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry = 0;

	flags |= breaks("ordinary-memory") ? 0 : MAP_HUGETLB;
	card->memory = mmap(NULL, HUGE_PAGE, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
	if (card->memory == MAP_FAILED)
		die("no huge page");
	memset(card->memory, 0, HUGE_PAGE);
	if (pread(fd, &entry, 8, (off_t)((uintptr_t)card->memory / 4096 * 8)) != 8 || !(entry >> 63))
		die("no physical address");
	close(fd);
	card->physical = (entry & ((1ULL << 55) - 1)) * 4096;
	if (breaks("virtual-address"))
		card->physical = (uintptr_t)card->memory;
	if (breaks("wrong-address"))
		card->physical ^= 1ULL << 45;
	for (uint32_t i = 0; i < BUFFERS; i++)
		card->free_list[card->free_count++] = i;
}

static void *ring_place(struct card *card, uint32_t number)
{
	return card->memory + HUGE_PAGE - 4096 * (number + 1);
}

static uint64_t physical_of(struct card *card, const void *at)
{
	return card->physical + (uint64_t)((const uint8_t *)at - card->memory);
}

uint64_t buffer_of(const struct card *card, uint32_t buffer)
{
	return card->physical + (uint64_t)buffer * BUFFER;
}

static void map_card(struct card *card, uint32_t number)
{
	const char *root = getenv("NF_SYSFS");
	char path[256];
	uint16_t command = 0;
	int fd;

	snprintf(path, sizeof(path), "%s/bus/pci/devices/0000:%02x:00.0/config", root != NULL ? root : "/sys", 5 + number);
	fd = open(path, O_RDONLY);
	if (pread(fd, &command, 2, 2) != 2)
		die("no card");
	close(fd);
	card->map = command == 0x10fb ? &map_82599 : &map_igb;
	snprintf(path, sizeof(path), "%s/bus/pci/devices/0000:%02x:00.0/resource0", root != NULL ? root : "/sys", 5 + number);
	fd = open(path, O_RDWR);
	card->bar = mmap(NULL, card->map->bar, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd < 0 || card->bar == MAP_FAILED)
		die("no card");
	close(fd);
	snprintf(path, sizeof(path), "%s/bus/pci/devices/0000:%02x:00.0/config", root != NULL ? root : "/sys", 5 + number);
	fd = open(path, O_RDWR);
	if (pread(fd, &command, 2, 4) != 2)
		die("no configuration space");
	command |= 4;
	if (!breaks("no-bus-master") && pwrite(fd, &command, 2, 4) != 2)
		die("no bus mastering");
	close(fd);
}

/* --- initialisation ------------------------------------------------------------------------------------------------------ */

static void reset(struct card *card)
{
	set(card, card->map->mask, 0x7fffffff);
	set(card, 0x0, get(card, 0x0) | 1u << 26);
	pause_ms(10);
	await(card, 0x0, 1u << 26, 0, "the reset does not end");
	set(card, card->map->mask, 0x7fffffff);
	if (card->map == &map_igb) {
		await(card, 0x8, 1 << 21, 1 << 21, "the reset is not done");
		return;
	}
	await(card, 0x10010, 1 << 9, 1 << 9, "the EEPROM is not read");
	await(card, 0x2f00, 1 << 3, 1 << 3, "DMA is not initialised");
}

/* The EEPROM's checksum, read word by word. */
static void check_eeprom(struct card *card)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < 0x40; i++) {
		set(card, card->map->eerd, i << 2 | 1);
		await(card, card->map->eerd, 2, 2, "no word of the EEPROM");
		sum += get(card, card->map->eerd) >> 16;
	}
	if ((sum & 0xffff) != 0xbaba)
		die("wrong checksum of the EEPROM");
}

/* 10.5.4: SMBI, SWESMBI, then the bit of the resource. */
static void hold_semaphore(struct card *card, bool hold)
{
	uint32_t swsm = card->map->swsm, sync = card->map->sync;

	if (!breaks("no-semaphore")) {
		await(card, swsm, 1, 0, "no SMBI");
		set(card, swsm, get(card, swsm) | 2);
		await(card, swsm, 2, 2, "no SWESMBI");
	}
	set(card, sync, hold ? get(card, sync) | 8 : get(card, sync) & ~8u);
	set(card, swsm, 0);
}

static void init_filters(struct card *card)
{
	set(card, 0x5080, 0x700);
	if (wish.vlan)
		set(card, 0x5088, get(card, 0x5088) & ~(1u << 30));
	if (wish.jumbo) {
		set(card, 0x4268, 9728u << 16);
		set(card, 0x4240, get(card, 0x4240) | 4);
	}
	if (!breaks("crc-strip-twice"))
		set(card, 0x2f00, (get(card, 0x2f00) & ~(31u << 17)) | 2);
	set(card, 0x4240, get(card, 0x4240) | 2);
	set(card, 0x5000, 1 << 13);
}

/* Accept everything, without FCS, up to 9,728 bytes; the switch for reception comes last. */
static void init_filters_igb(struct card *card)
{
	set(card, 0x5004, 9728);
	set(card, 0x100, 1 << 3 | 1 << 4 | 1 << 15 | 1 << 26 | (wish.jumbo ? 1 << 5 : 0) | (wish.pools ? 1 << 18 : 0));
	if (wish.vlan)
		set(card, 0x0, get(card, 0x0) | 1 << 30);
}

static void init_rss(struct card *card)
{
	for (uint32_t i = 0; i < 10; i++)
		set(card, card->map->key + 4 * i, 0x6d5a6d5a);
	for (uint32_t i = 0; i < 32; i++)
		set(card, card->map->reta + 4 * i, 0x03020100 & (wish.queues == 2 ? 0x01010101 : 0x03030303));
	set(card, card->map->multiple, get(card, card->map->multiple) | (wish.spread ? 0 : card->map == &map_igb ? 2 : 1) | 0xf3u << 16);
}

static uint32_t take_buffer(struct card *card)
{
	if (card->free_count == 0)
		die("no buffer left");
	return card->free_list[--card->free_count];
}

/* A receive descriptor with a buffer. */
void fill(struct card *card, struct queue *queue, uint32_t i, bool first)
{
	if (!breaks("same-buffer") || first)
		queue->buffer[i] = take_buffer(card);
	else
		queue->buffer[i] = 0;
	queue->receive[2 * i] = buffer_of(card, queue->buffer[i]);
	if (!breaks("stale-dd") || first)
		queue->receive[2 * i + 1] = 0;
}

static void init_receive(struct card *card, uint32_t number, uint32_t place)
{
	struct queue *queue = &card->queue[number];
	uint32_t at = card->map->receive + 0x40 * number, length = breaks("ring-length") ? RING * 16 - 16 : RING * 16;

	queue->receive = ring_place(card, place);
	for (uint32_t i = 0; i < RING; i++)
		fill(card, queue, i, true);
	set(card, at, (uint32_t)physical_of(card, queue->receive) + (breaks("ring-misaligned") ? 64 : 0));
	set(card, at + 4, (uint32_t)(physical_of(card, queue->receive) >> 32));
	set(card, at + 8, breaks("short-ring") ? RING * 8 : length);
	set(card, at + card->map->srrctl, (breaks("no-buffer-size") ? 0 : BUFFER / 1024) | (wish.legacy ? 0 : 1u << 25) | 4u << 8);
	set(card, at + 0x10, 0);
	set(card, at + 0x18, 0);
	if (card->map == &map_82599 && !breaks("dca-bit"))
		set(card, at + 0xc, get(card, at + 0xc) & ~(1u << 12));
	if (breaks("tail-first"))
		set(card, at + 0x18, RING - 1);
	set(card, at + 0x28, get(card, at + 0x28) | 1u << 25 | (wish.vlan && card->map == &map_82599 ? 1u << 30 : 0));
	await(card, at + 0x28, 1u << 25, 1u << 25, "a receive queue is not enabled");
	if (breaks("ring-moved"))
		set(card, at, (uint32_t)physical_of(card, queue->receive));
	queue->receive_tail = RING - 1;
	set(card, at + 0x18, breaks("tail-is-length") ? RING : queue->receive_tail);
	if (breaks("descriptor-changed"))
		queue->receive[0] = queue->receive[2];
}

/* To restart it, 4.6.7.1: a queue is disabled, and when ENABLE reads 0 begins anew, with the same buffers. */
static void start_receive(struct card *card, uint32_t number, uint32_t place)
{
	uint32_t at = card->map->receive + 0x40 * number + 0x28;

	init_receive(card, number, place);
	if (!wish.restart)
		return;
	set(card, at, get(card, at) & ~(1u << 25));
	if (!breaks("no-wait"))
		await(card, at, 1u << 25, 0, "a receive queue is not disabled");
	for (uint32_t i = 0; i < RING; i++)
		card->free_list[card->free_count++] = card->queue[number].buffer[i];
	init_receive(card, number, place);
}

static void init_transmit(struct card *card, uint32_t number, uint32_t place)
{
	struct queue *queue = &card->queue[number];
	uint32_t at = card->map->transmit + 0x40 * number;

	queue->transmit = ring_place(card, place);
	queue->head = (uint32_t *)((uint8_t *)queue->transmit + 2048 + (breaks("write-back-misaligned") ? 8 : 0));
	set(card, at, (uint32_t)physical_of(card, queue->transmit));
	set(card, at + 4, (uint32_t)(physical_of(card, queue->transmit) >> 32));
	set(card, at + 8, RING * 16);
	if (wish.write_back) {
		set(card, at + 0x3c, (uint32_t)(physical_of(card, queue->head) >> 32));
		set(card, at + 0x38, (uint32_t)physical_of(card, queue->head) | 1);
	}
	set(card, at + 0x10, 0);
	set(card, at + 0x18, 0);
	set(card, at + 0x28, get(card, at + 0x28) | 1u << 25);
	await(card, at + 0x28, 1u << 25, 1u << 25, "a transmit queue is not enabled");
}

static void start_82599(struct card *card)
{
	await(card, 0x42a4, 1u << 30, 1u << 30, "no link");
	init_filters(card);
	for (uint32_t i = 0; i < wish.queues; i++)
		start_receive(card, i, 2 * i);
	if (!breaks("no-receive-enable"))
		set(card, 0x3000, 1);
	if (!breaks("no-transmit-enable"))
		set(card, 0x4a80, get(card, 0x4a80) | 1);
	for (uint32_t i = 0; i < wish.queues; i++)
		init_transmit(card, i, 2 * i + 1);
}

/* The PHY is read, the link is set up; queues first, then the switches. */
static void start_igb(struct card *card)
{
	set(card, 0x0, get(card, 0x0) | 1 << 6);
	set(card, 0x20, 2 << 26 | 1 << 21 | 2 << 16);
	await(card, 0x20, 1 << 28, 1 << 28, "no answer from the PHY");
	await(card, 0x8, 2, 2, "no link");
	init_filters_igb(card);
	for (uint32_t i = 0; i < wish.queues; i++)
		init_transmit(card, i, 2 * i + 1);
	if (!breaks("no-transmit-enable"))
		set(card, 0x400, get(card, 0x400) | 2);
	for (uint32_t i = 0; i < wish.queues; i++)
		start_receive(card, i, 2 * i);
	if (!breaks("no-receive-enable"))
		set(card, 0x100, get(card, 0x100) | 2);
}

void init_card(struct card *card, uint32_t number)
{
	map_card(card, number);
	take_memory(card);
	if (!breaks("no-reset"))
		reset(card);
	check_eeprom(card);
	hold_semaphore(card, true);
	hold_semaphore(card, false);
	for (uint32_t i = 0; i < 4; i++)
		(void)get(card, 0x4074 + 4 * i);
	if (wish.pools)
		init_pools(card);
	if (wish.queues > 1 && (!wish.pools || wish.spread))
		init_rss(card);
	if (wish.rate > 0)
		init_rate(card);
	if (card->map == &map_igb)
		start_igb(card);
	else
		start_82599(card);
}

/* Queues off, bus mastering stays: the memory goes with the process. */
void stop(struct card *card)
{
	uint32_t receive = card->map->receive, at = card->map == &map_igb ? 0x100 : 0x3000;

	set(card, at, card->map == &map_igb ? get(card, at) & ~2u : 0);
	for (uint32_t q = 0; q < wish.queues; q++) {
		set(card, receive + 0x28 + 0x40 * q, 0);
		await(card, receive + 0x28 + 0x40 * q, 1u << 25, 0, "a receive queue is not disabled");
		set(card, card->map->transmit + 0x28 + 0x40 * q, 0);
	}
}

