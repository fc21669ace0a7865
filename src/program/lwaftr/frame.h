#pragma once
/* frame -- a frame that a user names on the command line: in hex, or a packet of a capture file. */
#include "core/core.h"

struct frame {
	uint8_t *data;                  /* malloc'ed */
	uint32_t length;
};

/* Read "FILE", its first packet, "FILE:NUMBER", counted from 1, or the frame's bytes in hex, in any groups.
 *   fails: -errno with nf_error(); nothing to undo
 *   undo:  frame_fini */
int frame_read(struct frame *frame, const char *text) __attribute__((warn_unused_result));
void frame_fini(struct frame *frame);

/* Is it bytes in hex: nothing but hex digits, at least a header of them, with blanks, colons and hyphens between? */
bool frame_is_hex(const char *text);
