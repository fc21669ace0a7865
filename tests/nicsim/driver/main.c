/* main -- the command line, and the loop. */
#include "driver.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct wishes wish = { .queues = 1, .mistake = "" };

static volatile sig_atomic_t ended;     /* told to end: the cards are stopped */
static struct card cards[CARDS];
static uint32_t card_count;

bool breaks(const char *name)
{
	return strcmp(wish.mistake, name) == 0;
}

void die(const char *what)
{
	fprintf(stderr, "driver: %s\n", what);
	exit(2);
}

static bool all_sent(void)
{
	for (uint32_t c = 0; c < card_count; c++)
		for (uint32_t q = 0; q < wish.queues; q++) {
			collect(&cards[card_count - 1 - c], &cards[c].queue[q]);
			if (cards[c].queue[q].transmit_done != cards[c].queue[q].transmit_next)
				return false;
		}
	return true;
}

static void on_end(int number)
{
	ended = number;
}

static uint64_t now_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

static void work(void)
{
	for (uint32_t c = 0; c < card_count; c++)
		for (uint32_t q = 0; q < wish.queues; q++) {
			if (wish.show)
				show(&cards[c], q);
			else
				forward(&cards[c], &cards[card_count - 1 - c], q);
		}
}

/* While nothing comes it looks at the cards' status and rests: others want the processor, too. */
static void run(uint64_t count, uint32_t limit_ms)
{
	uint64_t begin = now_ms(), until = begin + limit_ms, before;
	uint32_t idle = 0;

	while (forwarded < count && now_ms() < until && !ended) {
		before = forwarded;
		work();
		idle = forwarded == before ? idle + 1 : 0;
		/* Long enough for the card to see that nothing happens, on a busy machine too. */
		if (wish.mistake[0] != 0 && now_ms() - begin > limit_ms / 10 && idle > 500)
			break;
		for (uint32_t c = 0; c < card_count && idle > 100; c++)
			(void)get(&cards[c], 0x8);
		if (idle > 100)
			pause_ms(1);
	}
	while (!all_sent() && now_ms() < until && !ended)
		pause_ms(1);
}

/* Frames and octets received and sent, each read twice: the first reading clears them. */
static void show_statistics(struct card *card)
{
	static const uint32_t at[] = { 0x4074, 0x4080, 0x4088, 0x4090 };

	for (uint32_t i = 0; i < 4; i++) {
		uint32_t first = get(card, at[i]);

		printf("statistics %05x %u %u\n", at[i], first, get(card, at[i]));
	}
}

static void parse(const char *word)
{
	wish.legacy |= strcmp(word, "legacy") == 0;
	wish.write_back |= strcmp(word, "write-back") == 0;
	wish.jumbo |= strcmp(word, "jumbo") == 0;
	wish.vlan |= strcmp(word, "vlan") == 0;
	wish.offload |= strcmp(word, "offload") == 0;
	wish.show |= strcmp(word, "show") == 0;
	wish.statistics |= strcmp(word, "statistics") == 0;
	wish.sums |= strcmp(word, "sums") == 0;
	wish.offload |= wish.sums;
	wish.pools |= strcmp(word, "pools") == 0;
	wish.spread |= strcmp(word, "spread") == 0;
	wish.mirror |= strcmp(word, "mirror") == 0;
	wish.loop |= strcmp(word, "loop") == 0;
	wish.port_vlan |= strcmp(word, "port-vlan") == 0;
	wish.restart |= strcmp(word, "restart") == 0;
	wish.untidy |= strcmp(word, "untidy") == 0;
	if (strncmp(word, "break=", 6) == 0)
		wish.mistake = word + 6;
	if (strncmp(word, "queues=", 7) == 0)
		wish.queues = (uint32_t)atoi(word + 7);
	if (strncmp(word, "rate=", 5) == 0)
		wish.rate = (uint32_t)atoi(word + 5);
	if (strncmp(word, "segment=", 8) == 0)
		wish.segment = (uint32_t)atoi(word + 8);
}

/* From so many frames on there is no end in sight. */
enum { ENDLESS = 100000000 };

int main(int argc, char **argv)
{
	uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
	uint32_t limit_ms = 10000;

	card_count = argc > 1 ? (uint32_t)atoi(argv[1]) : 0;
	for (int i = 3; i < argc; i++)
		parse(argv[i]);
	if (card_count < 1 || card_count > CARDS || wish.queues > QUEUES)
		die("driver CARDS COUNT [OPTION...]");
	/* Some mistakes show only when nothing happens for a while. */
	if (breaks("never-refilled") || breaks("no-receive-enable"))
		limit_ms = 15000;
	else if (wish.mistake[0] != 0)
		limit_ms = 500;
	else if (count >= ENDLESS)      /* somebody else ends it, on a busy machine late */
		limit_ms = 120000;
	signal(SIGTERM, on_end);
	for (uint32_t c = 0; c < card_count; c++)
		init_card(&cards[c], c);
	run(count, limit_ms);
	if (wish.statistics)
		show_statistics(&cards[0]);
	for (uint32_t c = 0; c < card_count && !wish.untidy; c++)
		stop(&cards[c]);
	printf("driver: %llu frames forwarded\n", (unsigned long long)forwarded);
	return forwarded >= count ? 0 : 1;
}
