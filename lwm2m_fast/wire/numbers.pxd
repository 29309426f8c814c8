# The numbers of numbers.py for the compiled rooms; sections are there, a test compares the two.
# Message types are in coap.pxd.

cdef enum:                              # codes: class << 5 | detail
    EMPTY = 0x00
    GET = 0x01
    POST = 0x02
    PUT = 0x03
    DELETE = 0x04
    FETCH = 0x05
    PATCH = 0x06
    IPATCH = 0x07
    CREATED = 0x41                      # 2.01
    DELETED = 0x42                      # 2.02
    VALID = 0x43                        # 2.03
    CHANGED = 0x44                      # 2.04
    CONTENT = 0x45                      # 2.05
    CONTINUE = 0x5F                     # 2.31
    BAD_REQUEST = 0x80                  # 4.00
    UNAUTHORIZED = 0x81                 # 4.01
    BAD_OPTION = 0x82                   # 4.02
    FORBIDDEN = 0x83                    # 4.03
    NOT_FOUND = 0x84                    # 4.04
    METHOD_NOT_ALLOWED = 0x85           # 4.05
    NOT_ACCEPTABLE = 0x86               # 4.06
    REQUEST_ENTITY_INCOMPLETE = 0x88    # 4.08
    CONFLICT = 0x89                     # 4.09
    PRECONDITION_FAILED = 0x8C          # 4.12
    REQUEST_ENTITY_TOO_LARGE = 0x8D     # 4.13
    UNSUPPORTED_CONTENT_FORMAT = 0x8F   # 4.15
    UNPROCESSABLE_ENTITY = 0x96         # 4.22
    TOO_MANY_REQUESTS = 0x9D            # 4.29
    INTERNAL_SERVER_ERROR = 0xA0        # 5.00
    NOT_IMPLEMENTED = 0xA1              # 5.01
    BAD_GATEWAY = 0xA2                  # 5.02
    SERVICE_UNAVAILABLE = 0xA3          # 5.03
    GATEWAY_TIMEOUT = 0xA4              # 5.04
    PROXYING_NOT_SUPPORTED = 0xA5       # 5.05
    HOP_LIMIT_REACHED = 0xA8            # 5.08

cdef enum:                              # options: odd numbers are critical
    OPTION_IF_MATCH = 1
    OPTION_URI_HOST = 3
    OPTION_ETAG = 4
    OPTION_IF_NONE_MATCH = 5
    OPTION_OBSERVE = 6
    OPTION_URI_PORT = 7
    OPTION_LOCATION_PATH = 8
    OPTION_OSCORE = 9
    OPTION_URI_PATH = 11
    OPTION_CONTENT_FORMAT = 12
    OPTION_MAX_AGE = 14
    OPTION_URI_QUERY = 15
    OPTION_HOP_LIMIT = 16
    OPTION_ACCEPT = 17
    OPTION_Q_BLOCK1 = 19
    OPTION_LOCATION_QUERY = 20
    OPTION_EDHOC = 21
    OPTION_BLOCK2 = 23
    OPTION_BLOCK1 = 27
    OPTION_SIZE2 = 28
    OPTION_Q_BLOCK2 = 31
    OPTION_PROXY_URI = 35
    OPTION_PROXY_SCHEME = 39
    OPTION_SIZE1 = 60
    OPTION_ECHO = 252
    OPTION_NO_RESPONSE = 258
    OPTION_REQUEST_TAG = 292

cdef enum:                              # content formats
    FORMAT_TEXT = 0
    FORMAT_LINK = 40
    FORMAT_OPAQUE = 42
    FORMAT_JSON = 50
    FORMAT_CBOR = 60
    FORMAT_SENML_JSON = 110
    FORMAT_SENML_CBOR = 112
    FORMAT_SENML_XML = 310
    FORMAT_SENML_ETCH_JSON = 320
    FORMAT_SENML_ETCH_CBOR = 322
    FORMAT_OLD_TLV = 1542
    FORMAT_OLD_JSON = 1543
    FORMAT_TLV = 11542
    FORMAT_LWM2M_JSON = 11543
    FORMAT_LWM2M_CBOR = 11544
