/* file_input -- see file_input.h. */
#include "apps/pcap/file_input.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { PATIENCE_MS = 100 };             /* how long a run on virtual time waits in one go for a pipe */

/* Read from the file's position on until the block is full or the file ends; house-keeping thread. */
static void read_regular(struct file_input *input, struct file_input_block *block)
{
	uint64_t begin = input->offset;

	while (block->length < FILE_INPUT_BLOCK) {
		ssize_t n = pread(input->fd, block->data + block->length, FILE_INPUT_BLOCK - block->length, (off_t)input->offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			block->error = n < 0 ? errno : 0;
			block->last = true;
			block->whole = begin == 0 && n == 0 && input->repeats;
			input->offset = 0;
			return;
		}
		block->length += (uint32_t)n;
		input->offset += (uint64_t)n;
	}
}

/* Read what a pipe has, without waiting for more: other jobs wait behind this one. A pipe with a name reads as ended as long
 * as its first writer has not come; poll knows better. */
static void read_pipe(struct file_input *input, struct file_input_block *block)
{
	struct pollfd look = { .fd = input->fd, .events = POLLIN };

	if (poll(&look, 1, clock_virtual ? PATIENCE_MS : 0) <= 0 && !input->is_unnamed)
		return;
	while (block->length < FILE_INPUT_BLOCK) {
		ssize_t n = read(input->fd, block->data + block->length, FILE_INPUT_BLOCK - block->length);

		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			return;
		if (n <= 0) {
			block->error = n < 0 ? errno : 0;
			block->last = true;
			return;
		}
		block->length += (uint32_t)n;
	}
}

static void read_block(struct job *job)
{
	struct file_input_block *block = (struct file_input_block *)job;

	block->length = 0;
	block->error = 0;
	block->last = block->whole = false;
	if (block->input->is_regular)
		read_regular(block->input, block);
	else
		read_pipe(block->input, block);
}

/* What the file is; a pipe or terminal is made non-blocking. */
static int look_at(struct file_input *input)
{
	struct stat status;
	struct statfs system;

	if (fstat(input->fd, &status) != 0 || fstatfs(input->fd, &system) != 0)
		return nf_fail(errno, "%s", strerror(errno));
	if (S_ISDIR(status.st_mode))
		return nf_fail(EISDIR, "it is a folder");
	input->is_regular = S_ISREG(status.st_mode) || S_ISBLK(status.st_mode);
	input->is_unnamed = !S_ISFIFO(status.st_mode) || (uint64_t)system.f_type == PIPEFS_MAGIC;
	input->device = status.st_dev;
	input->inode = status.st_ino;
	input->bytes = (uint64_t)status.st_size;
	input->changed_ns = (uint64_t)status.st_mtim.tv_sec * 1000000000u + (uint64_t)status.st_mtim.tv_nsec;
	if (input->repeats && !input->is_regular)
		return nf_fail(ESPIPE, "a pipe cannot be read more than once");
	if (input->is_regular)
		posix_fadvise(input->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	else if (fcntl(input->fd, F_SETFL, O_NONBLOCK) != 0)
		return nf_fail(errno, "%s", strerror(errno));
	return 0;
}

int file_input_new(struct file_input **result, int fd, uint32_t front, bool repeats)
{
	struct file_input *input = calloc(1, sizeof(*input));
	size_t stride = ((size_t)front + FILE_INPUT_BLOCK + FILE_INPUT_SLACK + 63) & ~(size_t)63;
	int code;

	*result = NULL;
	if (input == NULL)
		return nf_fail(ENOMEM, "no memory for its blocks");
	input->fd = fd;
	input->repeats = repeats;
	code = look_at(input);
	if (code < 0)
		goto fail;
	code = -ENOMEM;
	input->memory = aligned_alloc(64, FILE_INPUT_BLOCKS * stride);
	if (input->memory == NULL) {
		nf_fail(ENOMEM, "no memory for its blocks");
		goto fail;
	}
	for (uint32_t i = 0; i < FILE_INPUT_BLOCKS; i++) {
		input->block[i].job.run = read_block;
		input->block[i].input = input;
		input->block[i].data = input->memory + i * stride + front;
		/* The first page faults happen here, not later. */
		memset(input->block[i].data, 0, FILE_INPUT_BLOCK + FILE_INPUT_SLACK);
	}
	*result = input;
	return 0;
fail:
	free(input->memory);
	free(input);
	return code;
}

void file_input_free(struct file_input *input)
{
	if (input == NULL)
		return;
	close(input->fd);
	free(input->memory);
	free(input);
}

void file_input_stop(struct file_input *input)
{
	for (uint32_t i = 0; i < FILE_INPUT_BLOCKS; i++)
		if (!job_is_idle(&input->block[i].job))
			job_wait(&input->block[i].job);
}

struct file_input_block *file_input_block(struct file_input *input)
{
	struct file_input_block *block = &input->block[input->next];

	/* Without the house-keeping thread a job runs where it is submitted: reading ahead would only push blocks out of the
	 * cache (frames of 1,514 bytes cost 360 ns with it, 315 without). */
	if (input->blocks == 0)
		input->blocks = job_event_fd() >= 0 && !clock_virtual ? FILE_INPUT_BLOCKS : 1;
	if (block->ready)
		return block;
	if (job_is_idle(&block->job))           /* nothing is on its way: ask for all, in the order of the file */
		for (uint32_t i = 0; i < input->blocks; i++)
			job_submit(&input->block[(input->next + i) % input->blocks].job);
	if (!job_finished(&block->job))
		return NULL;
	block->ready = true;
	return block;
}

void file_input_done(struct file_input *input)
{
	struct file_input_block *block = &input->block[input->next];

	input->next = (input->next + 1) % input->blocks;
	if (block->whole)
		return;
	block->ready = false;
	if (input->blocks > 1)
		job_submit(&block->job);
}

bool file_input_same(const struct file_input *a, const struct file_input *b)
{
	return a->device == b->device && a->inode == b->inode && (!a->is_regular ||
		(a->bytes == b->bytes && a->changed_ns == b->changed_ns));
}
