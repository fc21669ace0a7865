/* playback -- see playback.h. */
#include "apps/pcap/playback.h"

#include <unistd.h>

enum { PIPE_LOOK_NS = 1000000 };        /* how often a pipe that has nothing is looked at again */

/* Tell the user, from the house-keeping thread. */
static void report(struct job *job)
{
	log_error("%s", ((struct playback_report *)job)->text);
}

int playback_new(struct playback **result, const struct app *app, const char *file, int fd, uint64_t loop)
{
	struct playback *play = calloc(1, sizeof(*play));
	int code;

	*result = NULL;
	if (play == NULL) {
		close(fd);
		return nf_fail(ENOMEM, "app '%s': no memory to read %s", app->name, file);
	}
	code = file_input_new(&play->input, fd, CAPTURE_CARRY, loop != 1);
	if (code < 0) {
		close(fd);
		free(play);
		return nf_fail(-code, "app '%s': cannot read %s: %s", app->name, file, nf_error());
	}
	play->file = file;
	play->loop = loop;
	play->report.job.run = report;
	capture_reader_init(&play->capture);
	*result = play;
	return 0;
}

void playback_free(struct playback *play)
{
	file_input_free(play->input);
	free(play);
}

void playback_stop(struct playback *play)
{
	file_input_stop(play->input);
	if (!job_is_idle(&play->report.job))
		job_wait(&play->report.job);
}

/* Send what was wrong to the log; while an older message is on its way, only the counter tells. */
static void complain(struct playback *play, struct app *app, const char *what)
{
	struct playback_report *r = &play->report;

	app->counter[PLAYBACK_DAMAGED]++;
	job_finished(&r->job);
	if (!job_is_idle(&r->job) || play->rounds > 0)
		return;
	snprintf(r->text, sizeof(r->text), "app '%s': %s: %s; packets read: %llu", app->name, play->file, what,
		(unsigned long long)play->capture.packets);
	job_submit(&r->job);
}

/* The file has been read to its end, or as far as it can be read. */
static void end_round(struct playback *play, struct app *app)
{
	if (play->block->error != 0)
		complain(play, app, strerror(play->block->error));
	else if (!capture_reader_end(&play->capture, play->left))
		complain(play, app, play->capture.error);
	play->rounds++;
	app->counter[PLAYBACK_ROUNDS]++;
	/* A round without any packet would be followed by the same, for ever. */
	if ((play->loop != 0 && play->rounds >= play->loop) || play->round_packets == 0)
		app->ended = true;
	capture_reader_init(&play->capture);
	play->round_packets = 0;
	play->new_round = true;
}

/* Take the next block, with what is left of the one before in front of it. gives: false when it is not there yet */
static bool next_block(struct playback *play)
{
	struct file_input_block *block = file_input_block(play->input);

	if (block == NULL)
		return false;
	play->look_ns = 0;
	if (!block->last && block->length == 0 && !play->input->is_regular)
		play->look_ns = clock_now() + PIPE_LOOK_NS;
	memcpy(block->data - play->carried, play->carry, play->carried);
	play->at = block->data - play->carried;
	play->left = play->carried + block->length;
	play->carried = 0;
	play->block = block;
	return true;
}

/* The block holds no further whole packet: keep its rest, and give it back. What stands behind damage is passed over. */
static void leave_block(struct playback *play, struct app *app)
{
	bool damaged = play->capture.error[0] != '\0';

	if (play->block->last || (damaged && !play->input->repeats)) {
		end_round(play, app);
	} else if (!damaged) {
		nf_assert(play->left < CAPTURE_CARRY, "the parser of captures left %zu bytes", play->left);
		memcpy(play->carry, play->at, play->left);
		play->carried = (uint32_t)play->left;
	}
	play->block = NULL;
	if (!app->ended || play->input->repeats)
		file_input_done(play->input);
}

/* Read the next packets of the file. gives: false when there are none now */
bool playback_read(struct playback *play, struct app *app)
{
	struct capture_reader *capture = &play->capture;

	while (!app->ended && clock_now() >= play->look_ns) {
		uint64_t skipped = capture->skipped, truncated = capture->truncated;
		size_t used;

		if (play->block == NULL && !next_block(play))
			return false;
		play->next = 0;
		play->count = capture_read(capture, play->at, play->left, play->record, BURST, &used);
		play->at += used;
		play->left -= used;
		play->round_packets += play->count;
		app->counter[PLAYBACK_SKIPPED] += capture->skipped - skipped;
		app->counter[PLAYBACK_TRUNCATED] += capture->truncated - truncated;
		if (play->count > 0)
			return true;
		leave_block(play, app);
	}
	return false;
}

