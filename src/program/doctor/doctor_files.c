/* doctor_files -- reads of /sys, /proc and /dev for the checks, below roots that tests replace. See doctor.h. */
#include "program/doctor/doctor.h"

#include <dirent.h>
#include <stdarg.h>

static const struct { const char *root, *variable; } roots[] = {
	{ "/sys/", "NF_SYSFS" }, { "/proc/", "NF_PROCFS" }, { "/dev/", "NF_DEVFS" }
};

static void replace_root(char *path, size_t size, const char *format, va_list arguments)
{
	char real[512];

	vsnprintf(real, sizeof(real), format, arguments);
	for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
		const char *other = getenv(roots[i].variable);
		size_t length = strlen(roots[i].root);

		if (other != NULL && strncmp(real, roots[i].root, length) == 0) {
			snprintf(path, size, "%s/%s", other, real + length);
			return;
		}
	}
	snprintf(path, size, "%s", real);
}

void doctor_path(char *path, size_t size, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	replace_root(path, size, format, arguments);
	va_end(arguments);
}

static bool read_line(char *text, size_t size, const char *path)
{
	FILE *file = fopen(path, "re");

	*text = '\0';
	if (file == NULL)
		return false;
	if (fgets(text, (int)size, file) == NULL)
		*text = '\0';
	fclose(file);
	text[strcspn(text, "\n")] = '\0';
	return *text != '\0';
}

bool doctor_read(char *text, size_t size, const char *format, ...)
{
	char path[1024];
	va_list arguments;

	va_start(arguments, format);
	replace_root(path, sizeof(path), format, arguments);
	va_end(arguments);
	return read_line(text, size, path);
}

uint64_t doctor_read_number(const char *format, ...)
{
	char path[1024], text[64];
	va_list arguments;

	va_start(arguments, format);
	replace_root(path, sizeof(path), format, arguments);
	va_end(arguments);
	return read_line(text, sizeof(text), path) ? strtoull(text, NULL, 10) : 0;
}

uint32_t doctor_each(const char *folder, const char *prefix, void (*visit)(const char *name, void *context), void *context)
{
	char path[1024];
	struct dirent **list;
	uint32_t count = 0;
	int n;

	doctor_path(path, sizeof(path), "%s", folder);
	n = scandir(path, &list, NULL, versionsort);
	if (n < 0)
		return 0;
	for (int i = 0; i < n; i++) {
		if (list[i]->d_name[0] != '.' && strncmp(list[i]->d_name, prefix, strlen(prefix)) == 0) {
			count++;
			if (visit != NULL)
				visit(list[i]->d_name, context);
		}
		free(list[i]);
	}
	free(list);
	return count;
}

void doctor_append(char *text, size_t size, const char *format, ...)
{
	size_t length = strlen(text);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text + length, size - length, format, arguments);
	va_end(arguments);
}
