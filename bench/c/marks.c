/* Marks around what callgrind is to count, callable from Python by ctypes.
 *
 * Outside valgrind a mark costs a few instructions and does nothing; compiled where valgrind's
 * headers are missing, marks_work() says so. */
#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#define MARKS_WORK 1
#define MARKS_TOGGLE CALLGRIND_TOGGLE_COLLECT
#else
#define MARKS_WORK 0
#define MARKS_TOGGLE
#endif

int marks_work(void);
void marks_toggle(void);

int marks_work(void) {
    return MARKS_WORK;
}

/* Begin counting, or end it; --collect-atstart=no makes the first call a beginning. */
void marks_toggle(void) {
    MARKS_TOGGLE;
}
