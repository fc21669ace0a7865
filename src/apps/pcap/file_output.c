/* file_output -- see file_output.h. */
#include "apps/pcap/file_output.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/lib.h"

extern inline uint8_t *file_output_place(struct file_output *output, uint32_t length);
extern inline void file_output_add(struct file_output *output, uint32_t length);

enum { AGAIN_NS = 1000000, STOP_NS = 1000000000 };

/* How much of a block's first `written` bytes are whole records; counts them down in *records. */
static uint32_t whole_records(const struct file_output_block *block, uint32_t written, uint32_t *records)
{
	uint32_t at = block->head;

	if (written < at)
		return 0;
	while (*records > 0 && written - at >= CAPTURE_RECORD_HEADER) {
		uint32_t length;

		memcpy(&length, block->data + at + 8, sizeof(length));
		if (written - at - CAPTURE_RECORD_HEADER < length)
			break;
		at += CAPTURE_RECORD_HEADER + length;
		(*records)--;
	}
	return at;
}

/* A write failed: keep the file readable, tell once. */
static void fail(struct file_output *output, struct file_output_block *block, int code)
{
	uint64_t begin = output->offset - block->done;
	uint32_t left = block->records, whole = whole_records(block, block->done, &left);

	block->lost = left;
	if (output->is_regular && ftruncate(output->fd[block->file], (off_t)(begin + whole)) != 0)
		whole = block->done;
	log_error("%s: cannot be written: %s; it ends at byte %llu, all further packets are dropped", output->name, strerror(code),
		(unsigned long long)(begin + whole));
	__atomic_store_n(&output->failed, true, __ATOMIC_RELAXED);
}

/* Say how far the file of a block is written, and of the one before it in the ring that nobody writes it any more. */
static void mark(const struct file_output *output, const struct file_output_block *block)
{
	uint32_t before = (block->file + output->files - 1) % output->files;

	if (!output->is_regular || output->failed)
		return;
	lseek(output->fd[block->file], (off_t)output->offset, SEEK_SET);
	if (block->head > 0 && before != block->file)
		lseek(output->fd[before], 0, SEEK_SET);
}

/* Write a block, as far as that is possible without waiting for a reader; house-keeping thread. */
static void write_block(struct job *job)
{
	struct file_output_block *block = (struct file_output_block *)job;
	struct file_output *output = block->output;
	int fd = output->fd[block->file];

	if (block->number != output->turn)
		return;                         /* one before it waits for a pipe: it comes again */
	if (block->resumes) {
		output->offset = block->from;
		if (ftruncate(fd, (off_t)block->from) != 0)
			fail(output, block, errno);
	}
	if (block->head > 0 && block->done == 0) {
		output->offset = 0;
		if (!output->failed && output->is_regular && ftruncate(fd, 0) != 0)
			fail(output, block, errno);
	}
	while (block->done < block->length && !output->failed) {
		const uint8_t *from = block->data + block->done;
		uint32_t left = block->length - block->done;
		ssize_t n = output->is_regular ? pwrite(fd, from, left, (off_t)output->offset) : write(fd, from, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			fail(output, block, n < 0 ? errno : ENOSPC);
			break;
		}
		block->done += (uint32_t)n;
		output->offset += (uint64_t)n;
	}
	mark(output, block);
	if (block->done < block->length && block->lost == 0)
		block->lost = block->records;   /* of a block behind the failed one */
	block->done = block->length;
	output->turn++;
}

/* What the files are; pipes and terminals are made non-blocking. */
static int look_at(struct file_output *output)
{
	struct stat status;

	for (uint32_t i = 0; i < output->files; i++) {
		if (fstat(output->fd[i], &status) != 0)
			return nf_fail(errno, "%s: %s", output->name, strerror(errno));
		if (isatty(output->fd[i]))
			return nf_fail(EINVAL, "%s: a terminal cannot show a capture file", output->name);
		output->is_regular = S_ISREG(status.st_mode);
		output->inode[i] = status.st_ino ^ (uint64_t)status.st_dev << 32;
		if (output->is_regular)
			continue;
		if (output->files > 1)
			return nf_fail(EINVAL, "%s: the files of a ring must be regular files", output->name);
		if (fcntl(output->fd[i], F_SETFL, O_NONBLOCK) != 0)
			return nf_fail(errno, "%s: %s", output->name, strerror(errno));
	}
	return 0;
}

static void free_memory(struct file_output *output)
{
	if (output == NULL)
		return;
	free(output->name);
	free(output->fd);
	free(output->inode);
	free(output->memory);
	free(output);
}

int file_output_new(struct file_output **result, const int *fd, uint32_t files, const char *name)
{
	struct file_output *output = calloc(1, sizeof(*output));
	int code = -ENOMEM;

	*result = NULL;
	if (output != NULL) {
		output->files = files;
		output->name = strdup(name);
		output->fd = calloc(files, sizeof(*output->fd));
		output->inode = calloc(files, sizeof(*output->inode));
		output->memory = aligned_alloc(64, FILE_OUTPUT_BLOCKS * (size_t)FILE_OUTPUT_BLOCK);
	}
	if (output == NULL || output->name == NULL || output->fd == NULL || output->inode == NULL || output->memory == NULL) {
		nf_fail(ENOMEM, "%s: no memory for its blocks", name);
		goto fail;
	}
	memcpy(output->fd, fd, files * sizeof(*fd));
	code = look_at(output);
	if (code < 0)
		goto fail;
	/* The first page faults happen here, not later. */
	memset(output->memory, 0, FILE_OUTPUT_BLOCKS * (size_t)FILE_OUTPUT_BLOCK);
	for (uint32_t i = 0; i < FILE_OUTPUT_BLOCKS; i++) {
		output->block[i].job.run = write_block;
		output->block[i].output = output;
		output->block[i].data = output->memory + i * (size_t)FILE_OUTPUT_BLOCK;
	}
	*result = output;
	return 0;
fail:
	for (uint32_t i = 0; i < files; i++)
		close(fd[i]);
	free_memory(output);
	return code;
}

void file_output_free(struct file_output *output)
{
	for (uint32_t i = 0; i < output->files; i++)
		close(output->fd[i]);
	free_memory(output);
}

/* Make a free block the present one. gives: false when none is free */
static bool next_block(struct file_output *output)
{
	uint32_t next = (output->present + (output->blocks > 0)) % FILE_OUTPUT_BLOCKS;
	struct file_output_block *block = &output->block[next];

	if (block->handed)
		return false;
	output->present = next;
	output->filling = true;
	block->length = block->done = block->records = block->head = 0;
	block->lost = 0;
	block->again = block->resumes = false;
	block->file = output->file;
	block->number = output->blocks++;
	return true;
}

bool file_output_begin(struct file_output *output, const uint8_t *header, uint32_t length)
{
	uint32_t before = output->file;
	struct file_output_block *block;

	file_output_flush(output);
	if (output->blocks > 0)
		output->file = (before + 1) % output->files;
	if (!next_block(output)) {
		output->file = before;
		return false;
	}
	block = &output->block[output->present];
	memcpy(block->data, header, length);
	block->length = block->head = length;
	output->file_bytes = length;
	return true;
}

bool file_output_resume(struct file_output *output)
{
	struct file_output_block *block;
	off_t at = 0, next = 0;
	uint32_t file = 0;

	/* It may have died right after it began the next file of the ring: then both have a position, and that one counts. */
	while (file < output->files && (at = lseek(output->fd[file], 0, SEEK_CUR)) <= 0)
		file++;
	if (file == output->files)
		return false;
	if (file + 1 < output->files && (next = lseek(output->fd[file + 1], 0, SEEK_CUR)) > 0) {
		file++;
		at = next;
	}
	output->file = file;
	if (!next_block(output))
		return false;
	block = &output->block[output->present];
	block->resumes = true;
	block->from = output->file_bytes = (uint64_t)at;
	file_output_flush(output);
	return true;
}

uint8_t *file_output_next(struct file_output *output)
{
	file_output_flush(output);
	return next_block(output) ? output->block[output->present].data : NULL;
}

void file_output_flush(struct file_output *output)
{
	struct file_output_block *block = &output->block[output->present];

	if (!output->filling)
		return;
	output->filling = false;
	block->handed = true;
	job_submit(&block->job);
}

/* The i-th block that was handed over, from the oldest. */
static struct file_output_block *oldest(struct file_output *output, uint32_t i)
{
	return &output->block[(output->present + 1 + i) % FILE_OUTPUT_BLOCKS];
}

/* A block is back. gives: records that it lost */
static uint64_t release(struct file_output_block *block)
{
	block->handed = false;
	return block->lost;
}

uint64_t file_output_collect(struct file_output *output)
{
	bool is_time = clock_now() >= output->again_ns;
	uint64_t lost = 0;

	for (uint32_t i = 0; i < FILE_OUTPUT_BLOCKS; i++) {
		struct file_output_block *block = oldest(output, i);

		if (!block->handed)
			continue;
		if (job_finished(&block->job)) {
			if (block->done < block->length)
				block->again = true;
			else
				lost += release(block);
		}
		if (block->handed && block->again && is_time) {
			block->again = false;
			output->again_ns = clock_now() + AGAIN_NS;
			job_submit(&block->job);
		}
	}
	return lost;
}

/* Let a block be written once more, and wait for that. gives: false when it is still unfinished */
static bool settle(struct file_output_block *block)
{
	if (!job_is_idle(&block->job))
		job_wait(&block->job);
	if (block->done < block->length) {
		job_submit(&block->job);
		job_wait(&block->job);
	}
	return block->done == block->length;
}

uint64_t file_output_stop(struct file_output *output)
{
	struct timespec pause = { .tv_nsec = AGAIN_NS };
	uint64_t start = clock_system_ns(), lost = 0;

	file_output_flush(output);
	for (uint32_t i = 0; i < FILE_OUTPUT_BLOCKS; i++) {
		struct file_output_block *block = oldest(output, i);

		if (!block->handed)
			continue;
		while (!settle(block) && clock_system_ns() - start < STOP_NS)
			nanosleep(&pause, NULL);
		if (block->done < block->length) {
			uint32_t left = block->records;

			whole_records(block, block->done, &left);
			block->lost = left;
		}
		lost += release(block);
	}
	for (uint32_t i = 0; i < output->files && output->is_regular; i++)
		lseek(output->fd[i], 0, SEEK_SET);
	return lost;
}

bool file_output_same(const struct file_output *a, const struct file_output *b)
{
	return a->files == b->files && memcmp(a->inode, b->inode, a->files * sizeof(*a->inode)) == 0;
}
