# Decimal text <-> numbers. Nothing is rounded that can be exact.
#
# The fast ways cover what devices send; what they cannot do exactly goes to Python's correctly
# rounded conversions.

from libc.math cimport fabs, floor
from libc.stdint cimport INT64_MAX, UINT64_MAX
from libc.string cimport memcpy, strlen

from lwm2m_fast.codec.kinds import MAX_NUMBER_CHARACTERS

cdef extern from "Python.h":
    double PyOS_string_to_double(const char *text, char **end, object overflow) except? -1.0
    char *PyOS_double_to_string(double value, char code, int precision, int flags,
                                int *kind) except NULL
    void PyMem_Free(void *memory)

assert MAX_NUMBER_CHARACTERS == DECIMAL_MAX_CHARACTERS

cdef double[23] POWERS              # of ten: all that a double holds exactly
POWERS[:] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
]
cdef enum:
    EXPONENT_LIMIT = 100_000
    FRACTION_DIGITS = 9             # tried by the fast way of write_double
    SIGNIFICANT = 19                # digits that always fit into 64 bits; a 20th may


cdef inline bint is_digit(Reader *r) noexcept nogil:
    return r.pos < r.end and c"0" <= r.pos[0] <= c"9"


cdef inline void take_digits(Reader *r, Decimal *number, int *taken, int step) noexcept nogil:
    """Take a run of digits; each moves the exponent by `step`, each that is dropped by one more."""
    cdef uint8_t digit
    while is_digit(r):
        digit = r.pos[0] - c"0"
        r.pos += 1
        if taken[0] < SIGNIFICANT or (taken[0] == SIGNIFICANT
                                      and number.digits <= (UINT64_MAX - digit) // 10):
            number.digits = number.digits * 10 + digit
            if number.digits:
                taken[0] += 1
            number.exponent += step
        else:
            number.exponent += step + 1
            if digit:
                number.dropped = True


cdef inline int take_exponent(Reader *r, Decimal *number) noexcept nogil:
    cdef bint negative = False
    cdef int exponent = 0
    r.pos += 1
    if r.pos < r.end and (r.pos[0] == c"+" or r.pos[0] == c"-"):
        negative = r.pos[0] == c"-"
        r.pos += 1
    if not is_digit(r):
        return -1
    while is_digit(r):
        if exponent < EXPONENT_LIMIT:
            exponent = exponent * 10 + (r.pos[0] - c"0")
        r.pos += 1
    number.exponent += -exponent if negative else exponent
    return 0


cdef inline int read_parts(Reader *r, Decimal *number) noexcept nogil:
    cdef int taken = 0
    cdef const uint8_t *first
    if r.pos < r.end and r.pos[0] == c"-":
        number.negative = True
        r.pos += 1
    first = r.pos
    take_digits(r, number, &taken, 0)
    if r.pos == first or (first[0] == c"0" and r.pos - first > 1):
        return -1
    if r.pos < r.end and r.pos[0] == c".":
        r.pos += 1
        first = r.pos
        take_digits(r, number, &taken, -1)
        if r.pos == first:
            return -1
    if r.pos < r.end and (r.pos[0] | 0x20) == c"e":
        return take_exponent(r, number)
    return 0


cdef int read_decimal(Reader *r, Decimal *number) noexcept nogil:
    number.text = r.pos
    number.digits = 0
    number.exponent = 0
    number.negative = False
    number.dropped = False
    if read_parts(r, number) < 0 or r.pos - number.text > DECIMAL_MAX_CHARACTERS:
        r.pos = number.text
        return -1
    number.size = <size_t>(r.pos - number.text)
    return 0


cdef int scale(const Decimal *number, int shift, uint64_t *magnitude) noexcept nogil:
    """digits * 10^(exponent + shift) when that is a whole number of 64 bits, else -1."""
    cdef uint64_t value = number.digits
    cdef int exponent = number.exponent + shift
    magnitude[0] = 0
    if number.dropped:
        return -1
    while exponent < 0 and value:
        if value % 10:
            return -1
        value //= 10
        exponent += 1
    while exponent > 0 and value:
        if value > UINT64_MAX // 10:
            return -1
        value *= 10
        exponent -= 1
    magnitude[0] = value
    return 0


cdef int signed(const Decimal *number, uint64_t magnitude, int64_t *value) noexcept nogil:
    if magnitude > <uint64_t>INT64_MAX + number.negative:
        return -1
    value[0] = <int64_t>(0 - magnitude) if number.negative else <int64_t>magnitude
    return 0


cdef int decimal_to_i64(const Decimal *number, int64_t *value) noexcept nogil:
    cdef uint64_t magnitude
    if scale(number, 0, &magnitude) < 0:
        return -1
    return signed(number, magnitude, value)


cdef int decimal_to_u64(const Decimal *number, uint64_t *value) noexcept nogil:
    if scale(number, 0, value) < 0 or (number.negative and value[0]):
        return -1
    return 0


cdef int decimal_to_ns(const Decimal *number, int64_t *ns) noexcept nogil:
    cdef uint64_t magnitude
    if scale(number, 9, &magnitude) < 0:
        return -1
    return signed(number, magnitude, ns)


cdef int decimal_to_double(const Decimal *number, double *value) noexcept:
    # Both factors exact, so one correctly rounded operation (Clinger's fast path).
    if not number.dropped and number.digits <= <uint64_t>1 << 53 and -22 <= number.exponent <= 22:
        value[0] = <double>number.digits
        if number.exponent < 0:
            value[0] /= POWERS[-number.exponent]
        else:
            value[0] *= POWERS[number.exponent]
        if number.negative:
            value[0] = -value[0]
        return 0
    cdef char[DECIMAL_MAX_CHARACTERS + 1] text
    memcpy(text, number.text, number.size)
    text[number.size] = 0
    try:
        value[0] = PyOS_string_to_double(text, NULL, OverflowError)
    except OverflowError:
        return -1
    return 0


cdef double decimal_value(const Decimal *number) noexcept nogil:
    cdef double value = <double>number.digits
    cdef int exponent = number.exponent
    while exponent > 0:
        value *= POWERS[min(exponent, 22)]
        exponent -= 22
    while exponent < 0:
        value /= POWERS[min(-exponent, 22)]
        exponent += 22
    return -value if number.negative else value


cdef size_t write_u64(uint64_t value, uint8_t *out) noexcept nogil:
    cdef uint8_t[20] digits
    cdef size_t size = 0
    cdef size_t i
    while value >= 10:
        digits[size] = <uint8_t>(c"0" + value % 10)
        value //= 10
        size += 1
    digits[size] = <uint8_t>(c"0" + value)
    size += 1
    for i in range(size):
        out[i] = digits[size - 1 - i]
    return size


cdef size_t write_i64(int64_t value, uint8_t *out) noexcept nogil:
    if value >= 0:
        return write_u64(<uint64_t>value, out)
    out[0] = c"-"
    return 1 + write_u64(0 - <uint64_t>value, out + 1)


cdef size_t write_fixed(uint64_t digits, int fraction, uint8_t *out) noexcept nogil:
    """digits / 10^fraction with exactly `fraction` places."""
    cdef uint64_t unit = 1
    cdef size_t size
    cdef int i
    if not fraction:
        return write_u64(digits, out)
    for i in range(fraction):
        unit *= 10
    size = write_u64(digits // unit, out)
    out[size] = c"."
    digits %= unit
    for i in range(fraction):
        out[size + fraction - i] = <uint8_t>(c"0" + digits % 10)
        digits //= 10
    return size + 1 + fraction


cdef size_t write_double(double value, uint8_t *out) except 0:
    cdef double magnitude = fabs(value)
    cdef double scaled
    cdef size_t sign = 0
    cdef int places
    if magnitude < 1e9 and (magnitude >= 1e-4 or magnitude == 0):
        if value < 0 or (value == 0 and 1 / value < 0):
            out[0] = c"-"
            sign = 1
        for places in range(FRACTION_DIGITS + 1):
            scaled = floor(magnitude * POWERS[places] + 0.5)
            # The quotient of two exact doubles is what a reader of the text gets.
            if scaled < 1e15 and scaled / POWERS[places] == magnitude:
                if places == 0:         # 20.0 stays a number with a fraction
                    return sign + write_fixed(<uint64_t>scaled * 10, 1, out + sign)
                return sign + write_fixed(<uint64_t>scaled, places, out + sign)
    cdef char *text = PyOS_double_to_string(value, c"r", 0, 2, NULL)
    cdef size_t size = strlen(text)
    memcpy(out, text, size)
    PyMem_Free(text)
    return size


cdef size_t write_seconds(int64_t ns, uint8_t *out) noexcept nogil:
    cdef uint64_t magnitude = 0 - <uint64_t>ns if ns < 0 else <uint64_t>ns
    cdef int places = 9
    cdef size_t sign = 0
    if ns < 0:
        out[0] = c"-"
        sign = 1
    while places and magnitude % 10 == 0:
        magnitude //= 10
        places -= 1
    return sign + write_fixed(magnitude, places, out + sign)
