/* PEM files for mbedTLS, which wants the NUL behind the text counted in. */
#ifndef BENCH_PEM_H
#define BENCH_PEM_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* The text of a file until the next call, or the end of the program. */
static inline const uint8_t *pem_read(const char *name, size_t *size) {
    static uint8_t text[1 << 16];
    FILE *file = fopen(name, "r");
    if (!file) {
        perror(name);
        exit(1);
    }
    *size = fread(text, 1, sizeof text - 1, file);
    text[(*size)++] = 0;
    fclose(file);
    return text;
}

#endif
