#pragma once
/* bpf_assembler -- writes x86-64 instructions from the last to the first: BPF jumps go forward only, so that each jump's target is
 * written already, and the short form is used wherever it is enough. C only, for bpf*.c.
 *
 * Places are told by their distance from the end of the code. */

struct bpf_assembler {
	uint8_t *end, *at;              /* of the buffer; the first byte written */
	uint32_t op;                    /* the BPF instruction that is being translated, for lines */
	bool lines;
	bool failed;                    /* no memory for a line */
	struct bpf_native_line *line;   /* the last first */
	uint32_t line_count, line_room;
};

/* Conditions of jumps, as the processor numbers them. */
enum bpf_condition {
	BPF_BELOW = 2, BPF_NOT_BELOW = 3, BPF_EQUAL = 4, BPF_NOT_EQUAL = 5, BPF_NOT_ABOVE = 6, BPF_ABOVE = 7
};

/* Registers, as the processor numbers them. */
enum bpf_register { BPF_EAX = 0, BPF_ECX = 1 };

/* How a piece of code is given: its bytes, how many, and how people write it. */
#define BPF_BYTES(...) (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ })

static inline uint32_t bpf_assembler_place(const struct bpf_assembler *as)
{
	return (uint32_t)(as->end - as->at);
}

/* Write an instruction. */
void bpf_assembler_put(struct bpf_assembler *as, const uint8_t *bytes, size_t n, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Write an instruction with a constant behind it: one byte with the opcode `one` when that is enough (signed), else four.
 *   format: takes the constant */
void bpf_assembler_constant(struct bpf_assembler *as, const uint8_t *one, size_t one_size, const uint8_t *four, size_t four_size,
	uint32_t value, const char *format);

/* Load `size` bytes of the frame, at k or, relative, at X + k, into a register; the upper bits become 0. needs: k <= INT32_MAX */
void bpf_assembler_load(struct bpf_assembler *as, enum bpf_register to, uint32_t size, uint32_t k, bool relative);

/* Move between a register and a word of memory, which lies in the red zone below the stack pointer. */
void bpf_assembler_memory(struct bpf_assembler *as, bool store, enum bpf_register r, uint32_t word);

/* Set a register to a constant. */
void bpf_assembler_set(struct bpf_assembler *as, enum bpf_register r, uint32_t value);

/* Jump to a place, when a condition holds or always; a jump to what follows anyway is left out. */
void bpf_assembler_jump_if(struct bpf_assembler *as, enum bpf_condition condition, uint32_t place);
void bpf_assembler_jump(struct bpf_assembler *as, uint32_t place);
