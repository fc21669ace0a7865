#pragma once
/* file_output -- blocks of records that jobs of the house-keeping thread write into a file, or into a ring of files. The
 * packet thread fills the present block and hands it over; it never waits for the disk.
 *
 * A block belongs to one file. What is handed over is written in order. After an error nothing more is written; the file is
 * cut behind the last whole record, so that it stays readable.
 *
 * Writes name their place, so the position of an open file is free to say how far it is written: the supervisor has the same
 * open file, and hands it to the successor of a worker that died, which goes on there. It is 0 in files that nobody writes, and set
 * back by file_output_stop. */
#include "core/core.h"

enum {
	FILE_OUTPUT_BLOCKS = 4,
	FILE_OUTPUT_BLOCK = 1 << 20,    /* bytes */
	FILE_OUTPUT_SLACK = 128         /* bytes that may be written behind the end of a block */
};

struct file_output_block {
	struct job job;
	struct file_output *output;
	uint8_t *data;
	uint32_t length;
	uint32_t done;                  /* bytes written; house-keeping thread */
	uint32_t records;
	uint32_t file;                  /* of the ring */
	uint32_t head;                  /* bytes before the first record: the header of a file that begins with this block */
	bool resumes;                   /* nothing is in it: the file is cut behind what a dead worker has written, */
	uint64_t from;                  /* which is so many bytes */
	uint64_t number;                /* of all blocks, from 0 */
	uint64_t lost;                  /* records that could not be written; house-keeping thread */
	bool handed;                    /* to the house-keeping thread, and not yet all written; packet thread */
	bool again;                     /* came back unfinished: a pipe is full; packet thread */
};

struct file_output {
	struct file_output_block block[FILE_OUTPUT_BLOCKS];
	uint8_t *memory;
	int *fd;                        /* of the ring's files */
	char *name;                     /* for messages: "app 'x': FILE" */
	uint32_t files;
	uint32_t present;               /* the block begun last; packet thread */
	bool filling;                   /* it takes more; packet thread */
	uint64_t blocks;                /* begun so far; packet thread */
	uint64_t again_ns;              /* when to try a full pipe again; packet thread */
	uint64_t since_ns;              /* when the present block got its first record; packet thread */
	uint32_t file;                  /* being filled; packet thread */
	uint64_t file_bytes;            /* of that file, with the present block; packet thread */
	uint64_t offset;                /* of the next write; house-keeping thread */
	uint64_t turn;                  /* number of the block to be written next; house-keeping thread */
	bool is_regular;                /* has positions; else a pipe, a terminal, ... */
	bool failed;                    /* nothing more is written; atomic */
	uint64_t *inode;                /* of the files, with their devices mixed in */
};

/* Make an output of open files.
 *   fails: -ENOMEM, -errno with nf_error(), all descriptors are closed
 *   owner: takes the descriptors, always; copies the array and the name
 *   undo:  file_output_free */
int file_output_new(struct file_output **output, const int *fd, uint32_t files, const char *name)
	__attribute__((warn_unused_result));
void file_output_free(struct file_output *output);      /* needs: file_output_stop before, or nothing handed over */

/* Begin the next file of the ring (the first one at first), emptied, with this header.
 *   gives: false when no block is free */
bool file_output_begin(struct file_output *output, const uint8_t *header, uint32_t length);

/* Go on with the file that a worker which died was writing, behind its last whole block; in place of file_output_begin.
 *   gives: false when there is none */
bool file_output_resume(struct file_output *output);

/* The place of `length` more bytes: in the present block, else in the next one.
 *   needs: a file was begun; length + FILE_OUTPUT_SLACK <= FILE_OUTPUT_BLOCK
 *   gives: NULL when no block is free */
uint8_t *file_output_next(struct file_output *output);
inline uint8_t *file_output_place(struct file_output *output, uint32_t length)
{
	struct file_output_block *block = &output->block[output->present];

	if (__builtin_expect(output->filling && block->length + length + FILE_OUTPUT_SLACK <= FILE_OUTPUT_BLOCK, 1))
		return block->data + block->length;
	return file_output_next(output);
}

/* A record of `length` bytes was written to that place. */
inline void file_output_add(struct file_output *output, uint32_t length)
{
	struct file_output_block *block = &output->block[output->present];

	if (block->records == 0)
		output->since_ns = clock_now();
	block->records++;
	block->length += length;
	output->file_bytes += length;
}

/* Hand the present block over, if there is one. */
void file_output_flush(struct file_output *output);

/* See what was written: take blocks back, hand over again what a full pipe did not take.
 *   gives: records lost in blocks that came back */
uint64_t file_output_collect(struct file_output *output);

/* Write everything and wait for it, for at most a second when a pipe takes nothing; gives records lost. Packet thread. */
uint64_t file_output_stop(struct file_output *output);

/* Are both the same files? */
bool file_output_same(const struct file_output *a, const struct file_output *b);
