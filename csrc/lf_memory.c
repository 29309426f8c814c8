/* Pieces, and the regions that they are cut from; the contract is in lf_memory.h.
 *
 * A block has 16 bytes before it that name its piece, NULL for one of the C library. What describes
 * a piece lies in the first pieces of its region, as the piece's own pages come and go. Regions
 * stay mapped, so that giving pages back never splits a mapping: the kernel allows only some
 * 65,000. */
#define _GNU_SOURCE
#include "lf_memory.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HEAD 16
#define STEP 32
#define LEAST 128
#define MOST 2048
#define CLASSES ((MOST + HEAD) / STEP + 2)
#define PIECE_BYTES (16u << 10)
#define REGION_BYTES (4u << 20)
#define REGION_PIECES (REGION_BYTES / PIECE_BYTES)
#define WARM_MOST 64 /* free pieces that keep their pages: 1 MiB */

typedef struct free_block {
    struct free_block *next;
} free_block;

typedef struct piece {
    struct piece *next, *before; /* among those of its class with room, or among the free ones */
    uint8_t *pages;
    free_block *free;
    uint16_t class, used, cut; /* blocks in use; blocks ever cut from it */
} piece;

#define DESCRIBED ((REGION_PIECES * sizeof(piece) + PIECE_BYTES - 1) / PIECE_BYTES)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static piece *with_room[CLASSES];
static piece *warm, *cold; /* free: with pages, without */
static lf_memory_counts counts;

static void push(piece **list, piece *one) {
    one->before = NULL;
    one->next = *list;
    if (*list) (*list)->before = one;
    *list = one;
}

/* Behind the first one, so that the first is filled up before the next is begun. */
static void push_second(piece **list, piece *one) {
    if (!*list) {
        push(list, one);
        return;
    }
    one->before = *list;
    one->next = (*list)->next;
    if (one->next) one->next->before = one;
    (*list)->next = one;
}

static void take_out(piece **list, piece *one) {
    *(one->before ? &one->before->next : list) = one->next;
    if (one->next) one->next->before = one->before;
}

static int grow(void) {
    uint8_t *region =
        mmap(NULL, REGION_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (region == MAP_FAILED) return 0;
    /* A huge page would not go back in parts. */
    madvise(region, REGION_BYTES, MADV_NOHUGEPAGE);
    piece *described = (piece *)region;
    for (size_t i = REGION_PIECES; i-- > DESCRIBED;) {
        described[i].pages = region + i * PIECE_BYTES;
        push(&cold, &described[i]);
    }
    return 1;
}

static piece *open_piece(unsigned class) {
    piece **list = warm ? &warm : &cold;
    if (!*list && !grow()) return NULL;
    piece *one = *list;
    take_out(list, one);
    counts.warm -= list == &warm;
    counts.pieces++;
    one->free = NULL;
    one->class = (uint16_t) class;
    one->used = one->cut = 0;
    push(&with_room[class], one);
    return one;
}

static void close_piece(piece *one) {
    take_out(&with_room[one->class], one);
    counts.pieces--;
    if (counts.warm < WARM_MOST) {
        counts.warm++;
        push(&warm, one);
        return;
    }
    madvise(one->pages, PIECE_BYTES, MADV_DONTNEED);
    push(&cold, one);
}

static unsigned most_blocks(unsigned class) {
    return PIECE_BYTES / (class * STEP);
}

static uint8_t *take_block(unsigned class) {
    piece *one = with_room[class] ? with_room[class] : open_piece(class);
    if (!one) return NULL;
    uint8_t *block = (uint8_t *)one->free;
    if (block)
        one->free = one->free->next;
    else
        block = one->pages + (size_t)one->cut++ * class * STEP;
    if (++one->used == most_blocks(class)) take_out(&with_room[class], one);
    counts.blocks++;
    *(piece **)block = one;
    return block + HEAD;
}

static void give_block(piece *one, uint8_t *block) {
    if (one->used-- == most_blocks(one->class)) push_second(&with_room[one->class], one);
    counts.blocks--;
    ((free_block *)block)->next = one->free;
    one->free = (free_block *)block;
    if (!one->used) close_piece(one);
}

/* Not with a sanitizer: it watches the C library's blocks only. */
#if defined(__SANITIZE_ADDRESS__)
#define IS_KEPT(size) 0
#else
#define IS_KEPT(size) ((size) >= LEAST && (size) <= MOST)
#endif

/* glibc's malloc() has small blocks at hand for each thread; its calloc() looks for one each time.
 * The compiler would make calloc() of the two, so it is told that the block may have changed. */
static uint8_t *take_small(size_t size) {
    uint8_t *block = malloc(size);
    __asm__("" : "+r"(block));
    return block ? memset(block, 0, size) : NULL;
}

void *lf_memory_take(size_t count, size_t size) {
    uint8_t *block;
    if (__builtin_mul_overflow(count, size, &size) || size > SIZE_MAX - HEAD) return NULL;
    if (!IS_KEPT(size)) {
        block = size < LEAST ? take_small(size + HEAD) : calloc(1, size + HEAD);
        return block ? block + HEAD : NULL;
    }
    pthread_mutex_lock(&lock);
    block = take_block((unsigned)((size + HEAD + STEP - 1) / STEP));
    pthread_mutex_unlock(&lock);
    if (block) memset(block, 0, size);
    return block;
}

void lf_memory_give(void *given) {
    if (!given) return;
    uint8_t *block = (uint8_t *)given - HEAD;
    piece *one = *(piece **)block;
    if (!one) {
        free(block);
        return;
    }
    pthread_mutex_lock(&lock);
    give_block(one, block);
    pthread_mutex_unlock(&lock);
}

lf_memory_counts lf_memory_count(void) {
    pthread_mutex_lock(&lock);
    lf_memory_counts now = counts;
    pthread_mutex_unlock(&lock);
    return now;
}
