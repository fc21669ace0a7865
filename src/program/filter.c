/* filter -- `nf filter EXPRESSION`: what an expression becomes, as a BPF program and as native code beside it. */
#include "program/options.h"

#include "core/filter.h"
#include "lib/lib.h"

#include <pcap/pcap.h>

enum { COLUMN = 48, BYTES_SHOWN = 10 };     /* where native code begins; its bytes on a line */

/* The words of the expression as one text; NULL: no memory. */
static char *join(char *const *word)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	for (int i = 0; out != NULL && word[i] != NULL; i++)
		fprintf(out, "%s%s", i > 0 ? " " : "", word[i]);
	if (out != NULL)
		fclose(out);
	return text;
}

/* An instruction as tcpdump -d prints it. */
static const char *image(const struct bpf_ops *program, uint32_t i)
{
	return bpf_image((const struct bpf_insn *)&program->op[i], (int)i);
}

/* Print without tabs; gives the columns used. */
static int print_plain(const char *text)
{
	int column = 0;

	for (; *text != '\0'; text++) {
		int width = *text == '\t' ? 8 - column % 8 : 1;

		printf("%*s", width, *text == '\t' ? "" : (char[]){ *text, '\0' });
		column += width;
	}
	return column;
}

/* A machine instruction: where it stands, its bytes, its name. The target of a jump is a place, too. */
static void print_line(const struct bpf_native_line *line)
{
	const char *relative = line->text[0] == 'j' ? strchr(line->text, '+') : NULL;
	int used = printf("%4x  ", line->offset);

	for (uint32_t i = 0; i < line->length; i++)
		used += printf("%02x ", line->bytes[i]);
	printf("%*s", 7 + 3 * BYTES_SHOWN - used > 0 ? 7 + 3 * BYTES_SHOWN - used : 1, "");
	if (relative != NULL)
		printf("%.*s%lx\n", (int)(relative - line->text), line->text,
			line->offset + line->length + strtoul(relative + 1, NULL, 10));
	else
		printf("%s\n", line->text);
}

/* Each instruction with the native code that it became. */
static void print_both(const struct bpf_ops *program, const struct bpf_native_code *code)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < program->count; i++) {
		int used = print_plain(image(program, i));

		if (at == code->line_count || code->line[at].op != i)
			printf("\n");
		for (; at < code->line_count && code->line[at].op == i; at++) {
			printf("%*s", used < COLUMN ? COLUMN - used : 1, "");
			print_line(&code->line[at]);
			used = 0;
		}
	}
}

static void print_bpf(const struct bpf_ops *program)
{
	for (uint32_t i = 0; i < program->count; i++)
		printf("%s\n", image(program, i));
}

/* Print what is asked for. fails: EXIT_FAILED after a message */
static int print(const struct options *options, const struct bpf_ops *program)
{
	bool bpf = options_has(options, "--bpf"), native = options_has(options, "--native");
	struct bpf_native_code code;
	int result;

	if (bpf && !native) {
		print_bpf(program);
		return EXIT_DONE;
	}
	result = bpf_native_translate(program, 1, true, true, &code);
	if (result == -ENOTSUP && !native) {
		print_bpf(program);
		printf("no native code: filters are interpreted on this processor\n");
		return EXIT_DONE;
	}
	if (result < 0) {
		fprintf(stderr, "nf filter: no native code: %s\n", result == -ENOTSUP ? "filters are interpreted on this processor" :
			strerror(-result));
		return EXIT_FAILED;
	}
	if (native && !bpf)
		for (uint32_t i = 0; i < code.line_count; i++)
			print_line(&code.line[i]);
	else
		print_both(program, &code);
	bpf_native_code_free(&code);
	return EXIT_DONE;
}

int program_filter(int argc, char **argv)
{
	struct options options;
	struct bpf_ops program;
	int code = options_parse(&options, argc, argv);
	char *text;

	if (code != OPTIONS_GO)
		return code;
	text = join(options.argument);
	if (text == NULL) {
		fprintf(stderr, "nf filter: not enough memory\n");
		return EXIT_FAILED;
	}
	if (filter_compile(text, &program) < 0) {
		fprintf(stderr, "nf filter: %s\n", nf_error());
		code = EXIT_FAILED;
	} else {
		code = print(&options, &program);
		filter_program_free(&program);
	}
	free(text);
	return code;
}
