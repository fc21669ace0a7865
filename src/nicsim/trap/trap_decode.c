/* trap_decode -- as much of x86-64's encoding as tells the width of an access, and whether a store needs the old value.
 * source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, appendix A "Opcode Map" */
#include "nicsim/trap/trap.h"

struct prefixes {
	bool operand, wide, vex, vex_256, repeat;
	uint8_t map;                    /* 0: one byte, 1: 0F, 2: 0F38, 3: 0F3A */
};

static bool is_legacy_prefix(uint8_t byte, struct prefixes *p)
{
	switch (byte) {
	case 0x66:
		p->operand = true;
		return true;
	case 0xf2: case 0xf3:
		p->repeat = true;
		return true;
	case 0xf0: case 0x2e: case 0x36: case 0x3e: case 0x26: case 0x64: case 0x65: case 0x67:
		return true;
	default:
		return false;
	}
}

/* Read all prefixes; gives the place of the opcode. */
static const uint8_t *skip_prefixes(const uint8_t *code, struct prefixes *p)
{
	while (is_legacy_prefix(*code, p))
		code++;
	if ((*code & 0xf0) == 0x40) {
		p->wide = *code & 8;
		code++;
	}
	if (*code == 0xc5) {
		p->vex = true;
		p->vex_256 = code[1] & 4;
		p->map = 1;
		return code + 2;
	}
	if (*code == 0xc4) {
		p->vex = true;
		p->vex_256 = code[2] & 4;
		p->wide = code[2] & 0x80;
		p->map = code[1] & 31;
		return code + 3;
	}
	if (*code == 0x62) {
		p->vex = true;
		p->vex_256 = code[3] & 0x60;
		p->map = code[1] & 7;
		return code + 4;
	}
	if (*code == 0x0f) {
		code++;
		p->map = 1;
		if (*code == 0x38 || *code == 0x3a) {
			p->map = *code == 0x38 ? 2 : 3;
			code++;
		}
	}
	return code;
}

static uint32_t whole(const struct prefixes *p)
{
	return p->wide ? 8 : p->operand ? 2 : 4;
}

/* One-byte opcodes: even ones of the arithmetic group and MOV are of one byte. */
static struct trap_access one_byte(uint8_t opcode, const struct prefixes *p)
{
	bool is_store = (opcode >= 0x88 && opcode <= 0x89) || opcode == 0xc6 || opcode == 0xc7 || opcode == 0xa2 || opcode == 0xa3 ||
		opcode == 0xaa || opcode == 0xab || opcode == 0xa4 || opcode == 0xa5;
	bool is_byte = !(opcode & 1) && opcode != 0x62 && opcode != 0x8c && opcode != 0x8e;

	if (opcode == 0x63)
		return (struct trap_access){ 4, true };
	if (opcode == 0x69 || opcode == 0x6b)
		is_byte = false;
	if (opcode == 0xff || opcode == 0x8f)
		return (struct trap_access){ p->operand ? 2 : p->wide || opcode == 0x8f ? 8 : 4, opcode == 0xff };
	return (struct trap_access){ is_byte ? 1 : whole(p), !is_store };
}

/* Opcodes behind 0F. */
static struct trap_access two_byte(uint8_t opcode, const struct prefixes *p)
{
	switch (opcode) {
	case 0xb6: case 0xbe: case 0xb0: case 0xc0:     /* MOVZX, MOVSX, CMPXCHG, XADD of a byte */
		return (struct trap_access){ 1, true };
	case 0xb7: case 0xbf:
		return (struct trap_access){ 2, true };
	case 0xc3:                                      /* MOVNTI */
		return (struct trap_access){ p->wide ? 8 : 4, false };
	case 0x6e: case 0x7e:                           /* MOVD, MOVQ */
		return (struct trap_access){ p->wide || p->repeat ? 8 : 4, opcode == 0x6e };
	case 0xd6: case 0x13: case 0x17: case 0x12: case 0x16:
		return (struct trap_access){ 8, opcode == 0x12 || opcode == 0x16 };
	case 0x10: case 0x11: case 0x28: case 0x29: case 0x2b: case 0x6f: case 0x7f: case 0xe7:
		return (struct trap_access){ p->vex_256 ? 32 : 16, opcode == 0x10 || opcode == 0x28 || opcode == 0x6f };
	case 0xc7:
		return (struct trap_access){ p->wide ? 16 : 8, true };
	default:
		return (struct trap_access){ p->vex ? (p->vex_256 ? 32 : 16) : whole(p), true };
	}
}

struct trap_access trap_decode(const uint8_t *code, bool writes)
{
	struct prefixes p = { 0 };
	const uint8_t *opcode = skip_prefixes(code, &p);
	struct trap_access access;

	if (p.map == 0)
		access = one_byte(*opcode, &p);
	else if (p.map == 1)
		access = two_byte(*opcode, &p);
	else
		access = (struct trap_access){ p.map == 2 && (*opcode == 0xf0 || *opcode == 0xf1) ? whole(&p) : 16, *opcode != 0xf1 };
	access.reads |= !writes;
	return access;
}
