/* driver -- a small driver of the 82599, the 82576 and the i210 for tests of the simulated cards: it forwards frames from each card to the next one (or
 * back out of the only one), and can be told to make one mistake, which the card must name.
 *
 *     driver CARDS COUNT [OPTION...]      ends when COUNT frames were forwarded; 1 when that took more than 10 s
 *
 * Options: legacy, write-back (of the head), queues=N (RSS), jumbo, vlan (strip and insert), offload, untidy (ends without
 * stopping the card), break=MISTAKE. It is no part of nf and shares no code with it.
 * source: 82599 datasheet, 4.6 "Initialization and Software Reset Sequence"; 82576 datasheet, 4.5 "Device Initialization" */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { RING = 64, BUFFERS = 640, BUFFER = 2048, CARDS = 2, QUEUES = 4, HUGE_PAGE = 2 << 20, LONGEST = 40 };

struct queue {
	uint64_t *receive, *transmit;   /* rings, 2 words a descriptor */
	uint32_t receive_next, transmit_next, transmit_done, receive_tail;
	uint32_t buffer[RING];          /* of the receive ring, of the transmit ring */
	uint32_t sending[RING];
	bool ends[RING];                /* this transmit descriptor has RS */
	uint32_t *head;                 /* written back */
	uint32_t pending, pending_buffer[LONGEST], pending_length[LONGEST];
};

/* Where registers lie. */
struct map {
	uint32_t bar, receive, transmit, srrctl, eerd, swsm, sync, mask, multiple, reta, key;
};

static const struct map map_82599 = { 512 << 10, 0x1000, 0x6000, 0x14, 0x10014, 0x10140, 0x10160, 0x888, 0xec80, 0xeb00, 0xeb80 };
static const struct map map_igb = { 128 << 10, 0xc000, 0xe000, 0x0c, 0x14, 0x5b50, 0x5b5c, 0x150c, 0x5818, 0x5c00, 0x5c80 };

struct card {
	const struct map *map;
	volatile uint32_t *bar;
	uint8_t *memory;
	uint64_t physical;
	uint32_t free_count, free_list[BUFFERS];
	struct queue queue[QUEUES];
};

static struct card cards[CARDS];
static uint32_t card_count, queue_count = 1;
static bool legacy, write_back, jumbo, vlan, offload, untidy;
static const char *mistake = "";
static uint64_t forwarded;

static bool breaks(const char *name)
{
	return strcmp(mistake, name) == 0;
}

static uint32_t get(struct card *card, uint32_t at)
{
	return card->bar[at / 4];
}

static void set(struct card *card, uint32_t at, uint32_t value)
{
	card->bar[at / 4] = value;
}

static void die(const char *what)
{
	fprintf(stderr, "driver: %s\n", what);
	exit(2);
}

static void pause_ms(uint32_t ms)
{
	struct timespec time = { .tv_nsec = ms * 1000000L };

	nanosleep(&time, NULL);
}

static void await(struct card *card, uint32_t at, uint32_t mask, uint32_t value, const char *what)
{
	for (uint32_t i = 0; i < 3000; i++) {
		if ((get(card, at) & mask) == value)
			return;
		pause_ms(1);
	}
	die(what);
}

/* --- memory ------------------------------------------------------------------------------------------------------------ */

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

static uint64_t buffer_of(struct card *card, uint32_t buffer)
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
	if (vlan)
		set(card, 0x5088, get(card, 0x5088) & ~(1u << 30));
	if (jumbo) {
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
	set(card, 0x100, 1 << 3 | 1 << 4 | 1 << 15 | 1 << 26 | (jumbo ? 1 << 5 : 0));
	if (vlan)
		set(card, 0x0, get(card, 0x0) | 1 << 30);
}

static void init_rss(struct card *card)
{
	for (uint32_t i = 0; i < 10; i++)
		set(card, card->map->key + 4 * i, 0x6d5a6d5a);
	for (uint32_t i = 0; i < 32; i++)
		set(card, card->map->reta + 4 * i, 0x03020100 & (queue_count == 2 ? 0x01010101 : 0x03030303));
	set(card, card->map->multiple, (card->map == &map_igb ? 2 : 1) | 0xf3u << 16);
}

static uint32_t take_buffer(struct card *card)
{
	if (card->free_count == 0)
		die("no buffer left");
	return card->free_list[--card->free_count];
}

/* A receive descriptor with a buffer. */
static void fill(struct card *card, struct queue *queue, uint32_t i, bool first)
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
	set(card, at + card->map->srrctl, (breaks("no-buffer-size") ? 0 : BUFFER / 1024) | (legacy ? 0 : 1u << 25) | 4u << 8);
	set(card, at + 0x10, 0);
	set(card, at + 0x18, 0);
	if (card->map == &map_82599 && !breaks("dca-bit"))
		set(card, at + 0xc, get(card, at + 0xc) & ~(1u << 12));
	if (breaks("tail-first"))
		set(card, at + 0x18, RING - 1);
	set(card, at + 0x28, get(card, at + 0x28) | 1u << 25 | (vlan && card->map == &map_82599 ? 1u << 30 : 0));
	await(card, at + 0x28, 1u << 25, 1u << 25, "a receive queue is not enabled");
	if (breaks("ring-moved"))
		set(card, at, (uint32_t)physical_of(card, queue->receive));
	queue->receive_tail = RING - 1;
	set(card, at + 0x18, breaks("tail-is-length") ? RING : queue->receive_tail);
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
	if (write_back) {
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
	for (uint32_t i = 0; i < queue_count; i++)
		init_receive(card, i, 2 * i);
	if (!breaks("no-receive-enable"))
		set(card, 0x3000, 1);
	if (!breaks("no-transmit-enable"))
		set(card, 0x4a80, get(card, 0x4a80) | 1);
	for (uint32_t i = 0; i < queue_count; i++)
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
	for (uint32_t i = 0; i < queue_count; i++)
		init_transmit(card, i, 2 * i + 1);
	if (!breaks("no-transmit-enable"))
		set(card, 0x400, get(card, 0x400) | 2);
	for (uint32_t i = 0; i < queue_count; i++)
		init_receive(card, i, 2 * i);
	if (!breaks("no-receive-enable"))
		set(card, 0x100, get(card, 0x100) | 2);
}

static void init_card(struct card *card, uint32_t number)
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
	if (queue_count > 1)
		init_rss(card);
	if (card->map == &map_igb)
		start_igb(card);
	else
		start_82599(card);
}

/* --- the data path --------------------------------------------------------------------------------------------------------- */

static uint32_t room(const struct queue *queue)
{
	return RING - 1 - (queue->transmit_next - queue->transmit_done) % RING;
}

/* A context: the tag to insert, header lengths. */
static void put_context(struct queue *queue, uint32_t tag)
{
	uint32_t i = queue->transmit_next;

	queue->transmit[2 * i] = (uint64_t)tag << 16 | 14 << 9 | 20;
	queue->transmit[2 * i + 1] = (1u << 29 | 2 << 20 | 1 << 10);
	queue->sending[i] = UINT32_MAX;
	queue->ends[i] = false;
	queue->transmit_next = (i + 1) % RING;
}

/* The second word of a data descriptor, and of a legacy one. */
static uint64_t command(uint32_t length, uint32_t total, bool first, bool last, uint32_t tag)
{
	uint64_t word = length;

	if (last && !breaks("no-eop"))
		word |= 1 << 24;
	if (!breaks("no-ifcs"))
		word |= 1 << 25;
	if (last && !breaks("no-rs"))
		word |= 1 << 27;
	if (legacy)
		return word | (vlan ? 1ull << 30 | (uint64_t)tag << 48 : 0);
	if (breaks("paylen"))
		total -= 4;
	word |= (uint64_t)total << 46 | 3 << 20 | (breaks("wrong-type") ? 1 << 20 : 0);
	if (!breaks("mixed") || first)
		word |= 1 << 29;
	if (breaks("wrong-type"))
		word ^= 3 << 20;
	if (vlan)
		word |= 1 << 30;
	if (offload || breaks("no-context"))
		word |= 1ull << 40;
	return word;
}

/* Send what is pending: a whole packet, whose buffers go to the other card's transmit ring. */
static void send(struct card *from, struct queue *pending, struct queue *queue, uint32_t tag)
{
	uint32_t total = 0;

	for (uint32_t i = 0; i < pending->pending; i++)
		total += pending->pending_length[i];
	if (!legacy && (vlan || offload) && !breaks("no-context"))
		put_context(queue, tag);
	if (offload)
		memset(from->memory + (uint64_t)pending->pending_buffer[0] * BUFFER + 24, 0, 2);
	for (uint32_t k = 0; k < pending->pending; k++) {
		uint32_t i = queue->transmit_next;

		queue->transmit[2 * i] = buffer_of(from, pending->pending_buffer[k]) + (breaks("wrong-offset") ? 2 : 0);
		queue->transmit[2 * i + 1] = command(pending->pending_length[k], total, k == 0, k + 1 == pending->pending, tag);
		queue->sending[i] = pending->pending_buffer[k];
		queue->ends[i] = k + 1 == pending->pending;
		queue->transmit_next = (i + 1) % RING;
	}
	pending->pending = 0;
	forwarded++;
}

/* Give back buffers of packets that were sent. All cards' buffers belong to the card that received them. */
static void collect(struct card *owner, struct queue *queue)
{
	while (queue->transmit_done != queue->transmit_next) {
		uint32_t end = queue->transmit_done;

		while (!queue->ends[end])
			end = (end + 1) % RING;
		if (write_back ? *(volatile uint32_t *)queue->head == queue->transmit_done :
		    !(*(volatile uint64_t *)&queue->transmit[2 * end + 1] >> 32 & 1))
			return;
		for (uint32_t i = queue->transmit_done; ; i = (i + 1) % RING) {
			if (queue->sending[i] != UINT32_MAX)
				owner->free_list[owner->free_count++] = queue->sending[i];
			if (i == end)
				break;
		}
		queue->transmit_done = (end + 1) % RING;
	}
}

/* One descriptor of the receive ring. gives: false when it is not done */
static bool receive_one(struct card *card, struct queue *queue, bool *ends, uint32_t *tag)
{
	uint32_t i = queue->receive_next;
	uint64_t word = *(volatile uint64_t *)&queue->receive[2 * i + 1];
	bool advanced = !legacy;

	if (!(word >> (advanced ? 0 : 32) & 1))
		return false;
	__sync_synchronize();
	*ends = word >> (advanced ? 1 : 33) & 1;
	*tag = (uint32_t)(word >> 48);
	queue->pending_buffer[queue->pending] = queue->buffer[i];
	queue->pending_length[queue->pending] = advanced ? word >> 32 & 0xffff : word & 0xffff;
	queue->pending++;
	fill(card, queue, i, false);
	queue->receive_next = (i + 1) % RING;
	return true;
}

static void forward(struct card *from, struct card *to, uint32_t number)
{
	struct queue *in = &from->queue[number], *out = &to->queue[number];
	uint32_t tail = out->transmit_next, n = 0, tag = 0;
	bool ends;

	collect(from, out);
	while (room(out) > LONGEST / 2 && n < 32 && receive_one(from, in, &ends, &tag)) {
		n++;
		if (ends)
			send(from, in, out, tag);
	}
	if (n > 0 && !breaks("never-refilled")) {
		in->receive_tail = (in->receive_next + RING - 1) % RING;
		set(from, from->map->receive + 0x18 + 0x40 * number, breaks("tail-too-far") ? in->receive_next : in->receive_tail);
	}
	if (out->transmit_next == tail)
		return;
	set(to, to->map->transmit + 0x18 + 0x40 * number, breaks("transmit-tail") ? (out->transmit_next + 1) % RING : out->transmit_next);
	if (breaks("buffer-reused") && out->sending[tail] != UINT32_MAX)
		memset(from->memory + (uint64_t)out->sending[tail] * BUFFER, 0x55, 60);
}

static bool all_sent(void)
{
	for (uint32_t c = 0; c < card_count; c++)
		for (uint32_t q = 0; q < queue_count; q++) {
			collect(&cards[card_count - 1 - c], &cards[c].queue[q]);
			if (cards[c].queue[q].transmit_done != cards[c].queue[q].transmit_next)
				return false;
		}
	return true;
}

static uint64_t now_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

static void run(uint64_t count, uint32_t limit_ms)
{
	uint64_t until = now_ms() + limit_ms;

	while (forwarded < count && now_ms() < until)
		for (uint32_t c = 0; c < card_count; c++)
			for (uint32_t q = 0; q < queue_count; q++)
				forward(&cards[c], &cards[card_count - 1 - c], q);
	while (!all_sent() && now_ms() < until)
		pause_ms(1);
}

/* Queues off, bus mastering stays: the memory goes with the process. */
static void stop(struct card *card)
{
	uint32_t receive = card->map->receive, at = card->map == &map_igb ? 0x100 : 0x3000;

	set(card, at, card->map == &map_igb ? get(card, at) & ~2u : 0);
	for (uint32_t q = 0; q < queue_count; q++) {
		set(card, receive + 0x28 + 0x40 * q, 0);
		await(card, receive + 0x28 + 0x40 * q, 1u << 25, 0, "a receive queue is not disabled");
		set(card, card->map->transmit + 0x28 + 0x40 * q, 0);
	}
}

static void parse(const char *word)
{
	legacy |= strcmp(word, "legacy") == 0;
	write_back |= strcmp(word, "write-back") == 0;
	jumbo |= strcmp(word, "jumbo") == 0;
	vlan |= strcmp(word, "vlan") == 0;
	offload |= strcmp(word, "offload") == 0;
	untidy |= strcmp(word, "untidy") == 0;
	if (strncmp(word, "break=", 6) == 0)
		mistake = word + 6;
	if (strncmp(word, "queues=", 7) == 0)
		queue_count = (uint32_t)atoi(word + 7);
}

int main(int argc, char **argv)
{
	uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
	uint32_t limit_ms = 10000;

	card_count = argc > 1 ? (uint32_t)atoi(argv[1]) : 0;
	for (int i = 3; i < argc; i++)
		parse(argv[i]);
	if (card_count < 1 || card_count > CARDS || queue_count > QUEUES)
		die("driver CARDS COUNT [OPTION...]");
	/* Some mistakes show only when nothing happens for a while. */
	if (mistake[0] != 0)
		limit_ms = breaks("never-refilled") || breaks("no-receive-enable") ? 2500 : 500;
	for (uint32_t c = 0; c < card_count; c++)
		init_card(&cards[c], c);
	run(count, limit_ms);
	for (uint32_t c = 0; c < card_count && !untidy; c++)
		stop(&cards[c]);
	printf("driver: %llu frames forwarded\n", (unsigned long long)forwarded);
	return forwarded >= count ? 0 : 1;
}
