#pragma once
/* bpf -- classic BPF: programs that decide about a frame, as libpcap makes them of capture filters. A program runs interpreted
 * (bpf_run), or as native code (bpf_native.h).
 * source: McCanne and Jacobson, "The BSD Packet Filter" (1993); bpf(4) of FreeBSD */

/* An instruction, laid out as libpcap's struct bpf_insn and the kernel's struct sock_filter. */
struct bpf_op {
	uint16_t code;                  /* bpf_code.h */
	uint8_t jt, jf;                 /* instructions to skip when a condition holds, does not hold */
	uint32_t k;
};

enum {
	BPF_WORDS = 16,                 /* words of a program's memory */
	BPF_OPS = 1 << 16               /* instructions of a program, at most */
};

struct bpf_ops {
	const struct bpf_op *op;
	uint32_t count;
};

/* Whether a program, from whoever it comes, may run: known instructions, jumps forward and inside, an end that returns, memory
 * words that exist, no division by a constant 0, no shift by a constant of more than 31.
 *   gives: NULL, or what is wrong with the instruction number *at */
const char *bpf_check(const struct bpf_ops *program, uint32_t *at);

/* What the program says of a frame: 0 is no. A load that is not wholly inside the frame, and a division by zero, end it with 0.
 * A, X and all memory words begin as 0.
 *   needs: bpf_check(program) == NULL, length <= INT32_MAX */
uint32_t bpf_run(const struct bpf_ops *program, const uint8_t *data, uint32_t length);
