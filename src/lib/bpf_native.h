#pragma once
/* bpf_native -- native code made of BPF programs, in memory that is never writable and executable at once. On x86-64; other
 * processors interpret. */

/* One machine instruction, for people. */
struct bpf_native_line {
	uint32_t op;                    /* the BPF instruction it belongs to; those of several programs are counted on */
	uint32_t offset;                /* from the begin of the code */
	uint8_t length;
	uint8_t bytes[15];
	char text[48];
};

/* Code, not yet where it can run. */
struct bpf_native_code {
	uint8_t *bytes;
	uint32_t length;
	struct bpf_native_line *line;   /* NULL: not asked for */
	uint32_t line_count;
};

struct bpf_native {
	uint32_t (*match)(const uint8_t *data, uint32_t length);
	void *memory;
	size_t size;                    /* of memory */
};

/* Translate `count` programs into one function of (data, length). With `numbers` it gives the number, from 1, of the first
 * program that says something else than 0, and 0 when there is none; else, with one program, what that says: bpf_run's result.
 *   needs: bpf_check(program) == NULL for each; count == 1, or numbers
 *   lines: also tell the machine instructions
 *   gives: 0; free it with bpf_native_code_free
 *   fails: -ENOTSUP: not on this processor; -ENOMEM; -E2BIG: more than 2 * BPF_OPS instructions; -EINVAL: count is 0 */
int bpf_native_translate(const struct bpf_ops *programs, uint32_t count, bool numbers, bool lines, struct bpf_native_code *code)
	__attribute__((warn_unused_result));
void bpf_native_code_free(struct bpf_native_code *code);

/* The same, ready to be called. The caller knows that this process may map executable memory.
 *   needs: to call match: length <= INT32_MAX
 *   fails: also -errno of mmap and mprotect
 *   undo:  bpf_native_free */
int bpf_native_make(struct bpf_native *native, const struct bpf_ops *programs, uint32_t count, bool numbers)
	__attribute__((warn_unused_result));
void bpf_native_free(struct bpf_native *native);
