/* The contract is in options.h. */
#include "options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void give_up(const option *table, const char *program, const char *word) {
    fprintf(stderr, "%s: bad option or value: %s\n", program, word);
    for (; table->name; table++)
        fprintf(stderr, "  --%-14s %s\n", table->name, table->meaning);
    exit(2);
}

static int store(const option *each, const char *text) {
    char *end = NULL;
    if (each->kind == OPTION_TEXT) {
        *(const char **)each->value = text;
        return 1;
    }
    if (each->kind == OPTION_REAL)
        *(double *)each->value = strtod(text, &end);
    else
        *(unsigned *)each->value = (unsigned)strtoul(text, &end, 10);
    return end != text && *end == 0;
}

void options_read(const option *table, int count, char **words) {
    for (int i = 1; i < count; i += 2) {
        const option *each = table;
        while (each->name && (strncmp(words[i], "--", 2) || strcmp(words[i] + 2, each->name)))
            each++;
        if (!each->name || i + 1 == count || !store(each, words[i + 1]))
            give_up(table, words[0], words[i]);
    }
}
