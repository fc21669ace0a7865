#pragma once
/* playback -- the packets of a capture file, one round after the other, from the blocks of a file_input. */
#include "apps/pcap/file_input.h"
#include "lib/lib.h"

/* The counters of the app that plays it. */
enum { PLAYBACK_SKIPPED, PLAYBACK_TRUNCATED, PLAYBACK_DAMAGED, PLAYBACK_ROUNDS };

/* What was wrong with the file, on its way to the log. */
struct playback_report {
	struct job job;
	char text[1536];
};

struct playback {
	struct file_input *input;
	struct file_input_block *block; /* in use; NULL: the next one is wanted */
	const uint8_t *at;              /* the unread rest of it */
	size_t left;
	uint32_t carried;               /* bytes at `carry` that stand before the next block */
	uint32_t next, count;           /* of record: the packets that were read and not sent */
	struct capture_record record[BURST];
	uint64_t loop;                  /* how often the file is read; 0: for ever */
	uint64_t rounds;                /* how often it was */
	uint64_t round_packets;         /* of Ethernet, in this round */
	bool new_round;                 /* the next record is the first of a round; cleared by whoever takes it */
	uint64_t look_ns;               /* when to look at a pipe again; 0: it had something */
	const char *file;
	struct playback_report report;
	struct capture_reader capture;
	uint8_t carry[CAPTURE_CARRY];
};

/* Play an open file for an app.
 *   fails: -errno with nf_error(), fd is closed
 *   owner: takes fd, always; file must live as long as the app
 *   undo:  playback_free */
int playback_new(struct playback **play, const struct app *app, const char *file, int fd, uint64_t loop)
	__attribute__((warn_unused_result));
void playback_free(struct playback *play);              /* needs: playback_stop before, or nothing read */

/* Wait until no job runs any more; packet thread. */
void playback_stop(struct playback *play);

/* Read the next records when all were taken. Counts in app; sets app->ended behind the last.
 *   gives: false when there are none now; play->look_ns may say when to ask again */
bool playback_read(struct playback *play, struct app *app);
