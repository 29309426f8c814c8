/* Memory of DTLS sessions, which goes back to the system when sessions are packed: a fleet that was
 * awake once must not hold its buffers for ever. The C library would keep them, as its heap shrinks
 * at the end only.
 *
 * Blocks of one size lie together in pieces of 16 KiB; a piece whose blocks are all free gives its
 * pages back, but for a few pieces that stay at hand. Sizes that sessions do not keep (small and
 * large ones) are the C library's. Knows nothing of sessions. Any thread may call. */
#ifndef LF_MEMORY_H
#define LF_MEMORY_H

#include <stddef.h>

/* As calloc(3) and free(3), for each other only. */
void *lf_memory_take(size_t count, size_t size);
void lf_memory_give(void *block);

typedef struct {
    size_t blocks; /* in use, of the sizes that are kept in pieces */
    size_t pieces; /* in use, and free with pages of their own */
    size_t warm;
} lf_memory_counts;

lf_memory_counts lf_memory_count(void);

#endif
