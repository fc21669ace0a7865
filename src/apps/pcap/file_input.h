#pragma once
/* file_input -- a file as a row of blocks, which jobs of the house-keeping thread read ahead. The packet thread takes the next
 * block when it is there and gives it back; it never waits for the file. */
#include "core/core.h"

enum {
	FILE_INPUT_BLOCKS = 16,         /* 4 MiB in all: a late thread has caught up in time */
	FILE_INPUT_BLOCK = 256 << 10,   /* bytes: without a thread they are still in the second-level cache when they are used */
	FILE_INPUT_SLACK = 64           /* bytes that may be read behind a block; undefined */
};

struct file_input_block {
	struct job job;
	struct file_input *input;
	uint8_t *data;                  /* with `front` bytes of room before it */
	uint32_t length;
	bool last;                      /* the file, or its round, ends with this block */
	bool whole;                     /* it holds all of the file: it need not be read again for the next round */
	bool ready;                     /* read and not given back; packet thread */
	int error;                      /* errno of a read that failed; then also `last` */
};

struct file_input {
	struct file_input_block block[FILE_INPUT_BLOCKS];
	uint8_t *memory;
	uint64_t offset;                /* of the next read; house-keeping thread */
	uint32_t next;                  /* the block whose turn it is; packet thread */
	uint32_t blocks;                /* how many are used; 0 before the first call */
	int fd;
	bool is_regular;                /* has a size and positions; else a pipe, a terminal, ... */
	bool is_unnamed;                /* not a pipe with a name, which has not ended before its writer came */
	bool repeats;                   /* begins again behind its end */
	uint64_t device, inode, bytes, changed_ns;      /* of the file when it was opened */
};

/* Make an input of an open file. Nothing is read before the first file_input_block.
 *   needs: front: bytes of room before each block
 *   fails: -ENOMEM, -errno with nf_error(); fd stays the caller's then
 *   owner: takes fd
 *   undo:  file_input_free */
int file_input_new(struct file_input **input, int fd, uint32_t front, bool repeats) __attribute__((warn_unused_result));
void file_input_free(struct file_input *input);         /* needs: file_input_stop before, or nothing begun; NULL is none */

/* Wait until no job runs any more; packet thread. */
void file_input_stop(struct file_input *input);

/* The block whose turn it is, or NULL when it is not there yet. A block that is not `last` may be empty: a pipe has nothing now. */
struct file_input_block *file_input_block(struct file_input *input);

/* Give that block back; it will be filled again. */
void file_input_done(struct file_input *input);

/* Are both the same file, unchanged? */
bool file_input_same(const struct file_input *a, const struct file_input *b);
