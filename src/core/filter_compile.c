/* filter_compile -- see filter.h: libpcap's compiler, and the place of a mistake, which libpcap does not tell. */
#include "core/core.h"
#include "lib/lib.h"

#include "core/filter.h"
#include "core/filter_child.h"

#include <ctype.h>
#include <pcap/pcap.h>

_Static_assert(sizeof(struct bpf_op) == sizeof(struct bpf_insn) && offsetof(struct bpf_op, k) == offsetof(struct bpf_insn, k),
	"our instructions are laid out as libpcap's");

enum {
	SNAPLEN = 262144,               /* libpcap's own largest; what a program gives for a frame that matches */
	DEPTH = 256,                    /* of parentheses and brackets within which a place is looked for */
	SEARCH_NS = 1000000000,         /* longest search: names in the expression may be asked for again and again */
	LONG = 2048,                    /* bytes of an expression for which libpcap's optimizer takes seconds, and soon minutes:
	                                 * 400 hosts 25 s instead of 4 s without it */
	BEYOND = 8,                     /* words behind a supposed mistake that are looked at */
	KERNEL = 0xfffff000             /* from here on an offset asks Linux for something that is not in the frame */
};

/* A word of an expression: where it begins and ends. */
struct word {
	uint32_t begin, end;
};

struct search {
	pcap_t *pcap;
	const char *text;
	struct word *word;
	uint32_t count;
	uint64_t until;
};

static bool compiles(pcap_t *pcap, const char *text)
{
	struct bpf_program program;

	if (pcap_compile(pcap, &program, text, 0, PCAP_NETMASK_UNKNOWN) != 0)
		return false;
	pcap_freecode(&program);
	return true;
}

/* Bytes of the operator that stands here. */
static uint32_t operator_length(const char *text)
{
	static const char *const pairs[] = { "&&", "||", ">=", "<=", "!=", "==", "<<", ">>" };

	for (uint32_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++)
		if (strncmp(text, pairs[i], 2) == 0)
			return 2;
	return 1;
}

/* Cut the expression into words: names, addresses and numbers, and operators. Within brackets ':', '-' and '/' are operators. */
static bool cut_words(struct search *search)
{
	const char *text = search->text;
	uint32_t at = 0, brackets = 0;

	search->word = calloc(strlen(text) + 1, sizeof(*search->word));
	if (search->word == NULL)
		return false;
	while (text[at] != '\0') {
		const char *inside = brackets > 0 ? "_." : "_.:-/\\";
		struct word *word = &search->word[search->count];

		if (isspace((unsigned char)text[at])) {
			at++;
			continue;
		}
		word->begin = at;
		while (isalnum((unsigned char)text[at]) || (text[at] != '\0' && strchr(inside, text[at]) != NULL))
			at++;
		if (at == word->begin) {
			brackets += text[at] == '[';
			brackets -= text[at] == ']' && brackets > 0;
			at += operator_length(text + at);
		}
		word->end = at;
		search->count++;
	}
	return true;
}

/* Is it nested so deep that no place is found? */
static bool is_deep(const char *text)
{
	uint32_t depth = 0;

	for (; *text != '\0'; text++) {
		depth += *text == '(' || *text == '[';
		depth -= (*text == ')' || *text == ']') && depth > 0;
		if (depth > DEPTH)
			return true;
	}
	return false;
}

/* What closes the parentheses and brackets that are open at the end of a text; behind brackets a comparison. */
static void close_all(const char *text, size_t length, bool compare_brackets, char *closing)
{
	char open[DEPTH];
	uint32_t depth = 0;

	for (size_t i = 0; i < length; i++) {
		if ((text[i] == '(' || text[i] == '[') && depth < DEPTH)
			open[depth++] = text[i];
		else if ((text[i] == ')' || text[i] == ']') && depth > 0)
			depth--;
	}
	while (depth > 0) {
		bool bracket = open[--depth] == '[';

		closing = stpcpy(closing, bracket ? "]" : ")");
		if (bracket && compare_brackets && (depth == 0 || open[depth - 1] != '['))
			closing = stpcpy(closing, "=1");
	}
	*closing = '\0';
}

/* Can the first n words be the begin of an expression? Tried with many ways to go on. */
static bool is_begin(const struct search *search, uint32_t n)
{
	static const char *const next[] = { "", "1", "tcp", "host 1.2.3.4", "1.2.3.4", "1.2.3.0/24", "1-2", "0:0:0:0:0:1", "::1",
		"= 1", ": 1", "1 = 1", "[0] = 1", "255.0.0.0", "proto 1", "net 1.0.0.0/8", "port 1", "mask 255.0.0.0" };
	size_t length = n > 0 ? search->word[n - 1].end : 0, size = length + 4 * DEPTH + 64;
	char *text = malloc(size), closing[4 * DEPTH];
	bool found = false;

	for (uint32_t i = 0; text != NULL && i < sizeof(next) / sizeof(*next) && !found; i++) {
		for (uint32_t way = 0; way < 3 && !found; way++) {
			close_all(search->text, length, way == 1, closing);
			snprintf(text, size, "%.*s %s %s%s", (int)length, search->text, next[i], closing, way == 2 ? "=1" : "");
			found = compiles(search->pcap, text);
		}
	}
	free(text);
	return found;
}

/* The first word that cannot stand where it stands; search->count: something is missing at the end. A begin of a good begin is
 * good: halves. What was tried may not have been enough: a few words more are looked at.
 *   gives: false when it took too long */
static bool find_word(struct search *search, uint32_t *found)
{
	uint32_t good = 0, bad = search->count + 1;

	for (;;) {
		while (bad - good > 1) {
			uint32_t middle = good + (bad - good) / 2;

			if (clock_system_ns() > search->until)
				return false;
			if (is_begin(search, middle))
				good = middle;
			else
				bad = middle;
		}
		*found = good;
		for (uint32_t i = 2; i <= BEYOND && good == *found; i++)
			if (good + i <= search->count && is_begin(search, good + i))
				good += i;
		if (good == *found)
			return true;
		bad = search->count + 1;
	}
}

/* A word that libpcap's message quotes. */
static bool find_quoted(const struct search *search, const char *message, uint32_t *found)
{
	const char *begin = strchr(message, '\''), *end = begin != NULL ? strchr(begin + 1, '\'') : NULL;

	for (uint32_t i = 0; end != NULL && i < search->count; i++) {
		const struct word *word = &search->word[i];
		size_t length = (size_t)(end - begin - 1);

		if (word->end - word->begin == length && strncmp(search->text + word->begin, begin + 1, length) == 0) {
			*found = i;
			return true;
		}
	}
	return false;
}

/* libpcap's message, and where. */
static int fail_at(pcap_t *pcap, const char *expression)
{
	struct search search = { .pcap = pcap, .text = expression, .until = clock_system_ns() + SEARCH_NS };
	char message[PCAP_ERRBUF_SIZE];
	uint32_t n = 0;
	int code;

	snprintf(message, sizeof(message), "%s", pcap_geterr(pcap));
	if (strstr(message, "rejects all packets") != NULL || is_deep(expression) || !cut_words(&search) ||
		(!find_quoted(&search, message, &n) && !find_word(&search, &n)))
		code = nf_fail(EINVAL, "%s", message);
	else if (n == search.count)
		code = nf_fail(EINVAL, "%s, at its end", message);
	else
		code = nf_fail(EINVAL, "%s, at character %u: '%.*s'", message, search.word[n].begin + 1,
			(int)(search.word[n].end - search.word[n].begin < 64 ? search.word[n].end - search.word[n].begin : 64),
			expression + search.word[n].begin);
	free(search.word);
	return code;
}

/* What libpcap makes and no filter can do. Only for `protochain` it makes loops: a frame could keep a worker busy for long. */
static int check(const struct bpf_ops *program)
{
	uint32_t at;

	if (bpf_check(program, &at) != NULL)
		return nf_fail(EINVAL, "the expression takes a loop, which no filter may have: 'protochain' is not accepted");
	for (uint32_t i = 0; i < program->count; i++)
		if ((program->op[i].code & 0xe7) == 0x20 /* a load from the frame */ && program->op[i].k >= KERNEL)
			return nf_fail(EINVAL, "the expression asks what is not in the frame: 'inbound', 'outbound' and 'ifindex' are not "
				"accepted");
	return 0;
}

/* Take over what libpcap made. */
static int take(const struct bpf_program *made, struct bpf_ops *program)
{
	struct bpf_op *op;
	int code;

	if (made->bf_len > BPF_OPS)
		return nf_fail(EINVAL, "the expression is too long: it takes %u instructions, %d are accepted", made->bf_len, BPF_OPS);
	op = malloc(made->bf_len * sizeof(*op));
	if (op == NULL)
		return nf_fail(ENOMEM, "no memory for a filter of %u instructions", made->bf_len);
	memcpy(op, made->bf_insns, made->bf_len * sizeof(*op));
	*program = (struct bpf_ops){ op, made->bf_len };
	code = check(program);
	if (code < 0)
		filter_program_free(program);
	return code;
}

int filter_compile_here(const char *expression, struct bpf_ops *program)
{
	struct bpf_program made;
	pcap_t *pcap;
	int code;

	*program = (struct bpf_ops){ 0 };
	pcap = pcap_open_dead(DLT_EN10MB, SNAPLEN);
	if (pcap == NULL)
		return nf_fail(ENOMEM, "no memory for libpcap");
	if (pcap_compile(pcap, &made, expression, strlen(expression) <= LONG, PCAP_NETMASK_UNKNOWN) != 0) {
		code = fail_at(pcap, expression);
	} else {
		code = take(&made, program);
		pcap_freecode(&made);
	}
	pcap_close(pcap);
	return code;
}
