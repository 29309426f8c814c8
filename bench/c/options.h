/* Command line of the bench programs: `--name value` pairs, read into variables by a table. */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

typedef enum { OPTION_WHOLE, OPTION_REAL, OPTION_TEXT } option_kind;

typedef struct {
    const char *name; /* without the dashes; a NULL name ends the table */
    option_kind kind;
    void *value; /* unsigned *, double * or const char **, holding the default */
    const char *meaning;
} option;

/* Fill the variables of `table` from the command line. An unknown name, a missing value or a
 * number that is none ends the program with the list of options. */
void options_read(const option *table, int count, char **words);

#endif
